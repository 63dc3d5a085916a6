"""Thumbnails in the page, and what is not let into it."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import PIL.Image

from clipbench.report.pictures import LEFT_OUT, PER_FILE, PER_JOB, Album


def picture(path: Path, colour: str = "red") -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", (32, 32), colour).save(path, "webp")
    return path.read_bytes()


def entry(thumb: str) -> dict[str, str]:
    return {"id": "img-1", "split": "test", "role": "confident mistake", "caption": "a cat", "thumb": thumb}


def test_a_thumbnail_becomes_a_data_uri(tmp_path: Path) -> None:
    content = picture(tmp_path / "thumbs" / "d" / "1.webp")
    (shown,) = Album().show([entry("d/1.webp")], tmp_path / "thumbs")
    head, body = shown.uri.split(",")
    assert head == "data:image/webp;base64"
    assert base64.b64decode(body) == content
    assert PIL.Image.open(io.BytesIO(content)).size == (32, 32)


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    picture(tmp_path / "secret.webp")
    picture(tmp_path / "thumbs" / "1.webp")
    (tmp_path / "thumbs" / "link.webp").symlink_to(tmp_path / "secret.webp")
    names = ["../secret.webp", str(tmp_path / "secret.webp"), "link.webp", "a\0b"]
    assert [shown.why_not for shown in Album().show(map(entry, names), tmp_path / "thumbs")] == ["not found"] * 4


def test_what_is_no_image_is_left_out_and_keeps_its_caption(tmp_path: Path) -> None:
    (tmp_path / "1.webp").write_text("<svg onload='alert(1)'/>")
    (tmp_path / "2.webp").write_bytes(b"RIFF" + bytes(PER_FILE))
    shown = Album().show(map(entry, ("1.webp", "2.webp", "")), tmp_path)
    assert [item.why_not for item in shown] == ["not a thumbnail", "not a thumbnail", "not stored"]
    assert {(item.caption, item.uri) for item in shown} == {("a cat", "")}


def test_a_page_has_room_for_so_many_bytes_and_a_job_for_so_many_pictures(tmp_path: Path) -> None:
    pictures = [
        (f"{colour}.webp", len(picture(tmp_path / f"{colour}.webp", colour))) for colour in ("red", "blue", "green")
    ]
    album = Album(budget=sum(size for _, size in pictures[:2]))
    # What is there already costs nothing.
    shown = album.show([entry(name) for name, _ in (*pictures, pictures[0])], tmp_path)
    assert [item.why_not for item in shown] == ["", "", LEFT_OUT, ""]
    assert len(Album().show([entry("red.webp")] * (PER_JOB + 5), tmp_path)) == PER_JOB
