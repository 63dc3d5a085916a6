"""Names in addresses and files, and texts without the folders of a machine."""

from __future__ import annotations

import re

import pytest

from clipbench.fingerprint import digest
from clipbench.report.site.data.names import slugs, without_paths

from ..made_up import HOSTILE


def test_a_slug_is_read_from_its_name_and_does_not_depend_on_the_others() -> None:
    names = ["ViT-B-32/openai", "vit-b-32", "open_clip:RN50/yfcc15m"]
    assert list(slugs(names).values()) == ["vit-b-32-openai", "vit-b-32", "open-clip-rn50-yfcc15m"]
    assert slugs([*names, "another"])["ViT-B-32/openai"] == slugs(names[:1])["ViT-B-32/openai"]


@pytest.mark.parametrize(
    "names",
    [
        ["a b", "a-b", "A B", "a_b"],
        ["../../etc/passwd", "etc passwd", "/etc/passwd"],
        ["", ".", "..", "/", "模型", "מודל", "\ud800"],
        ["a b", "a-b", "a-b-2d5a4a9c", f"a-b-{digest('a b')[:8]}"],
        ["con", "NUL", "index", "x" * 200, "x" * 201],
        list(HOSTILE.values()),
    ],
    ids=["punctuation", "folders", "nothing left", "made to be alike", "reserved and long", "markup"],
)
def test_slugs_are_unique_names_of_files_everywhere(names: list[str]) -> None:
    found = slugs(names)
    assert len(set(found.values())) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug) and len(slug) <= 69 for slug in found.values())
    assert not {"con", "nul"} & set(found.values())
    assert slugs(reversed(names)) == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cannot read /home/ann/data/cat.png: truncated", "cannot read …/cat.png: truncated"),
        ("open_clip:ViT-B-32@/srv/weights/mine.pt", "open_clip:ViT-B-32@…/mine.pt"),
        ("local:/srv/weights/mine", "local:…/mine"),
        ("'C:\\Users\\ann\\cat.png' is missing", "'…/cat.png' is missing"),
        ("file:///home/ann/cat.png", "…/cat.png"),
        ("~/data/cat.png", "…/cat.png"),
        ("https://example.org/a/b and/or 1/2/3 of ORG/NAME", "https://example.org/a/b and/or 1/2/3 of ORG/NAME"),
    ],
)
def test_a_text_names_a_file_without_its_folders(text: str, expected: str) -> None:
    assert without_paths({text: [text, 1.5, None, True]}) == {expected: [expected, 1.5, None, True]}
