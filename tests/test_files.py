"""Files are whole or not there, say what to do where they cannot be written, and show any damage."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from clipbench.errors import Damaged, UserError
from clipbench.files import (
    check_seal,
    read_sealed_json,
    sealed,
    stat_key,
    write_atomically,
    write_sealed_json,
)

from .conftest import user_error

REMEDIES = {
    errno.ENOSPC: ("No space left on device", "MB are free in "),
    errno.EDQUOT: ("Disk quota exceeded", "clipbench cache prune"),
    errno.EROFS: ("Read-only file system", "its file system is read-only"),
    errno.EACCES: ("Permission denied", "check the folder's permissions"),
}


@pytest.mark.parametrize("number", REMEDIES)
def test_what_cannot_be_written_says_what_to_do_and_leaves_no_draft(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_atomically(tmp_path / "kept", b"old")

    def fail(file: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    problem, remedy = REMEDIES[number]
    for name in ("kept", "new/folder/new"):
        error = user_error(write_atomically, tmp_path / name, b"new")
        assert (error.where, problem in error.problem) == (str(tmp_path / name), True)
        for part in (remedy, "CLIPBENCH_CACHE=", "-o FOLDER"):
            assert part in str(error.fix)
    assert (tmp_path / "kept").read_bytes() == b"old"
    assert not list(tmp_path.rglob("*.part"))


def test_an_interruption_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(file: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "new", b"content")
    assert not list(tmp_path.iterdir())


def test_sealed_content_shows_any_change_whatever_it_holds():
    inner = sealed(lambda seal: f"{seal} within".encode()).decode()
    content = sealed(lambda seal: json.dumps([inner, "a" * 64, seal, inner]).encode())
    assert check_seal(content)
    assert json.loads(content)[0] == inner
    assert check_seal(content.replace(b"aaa", b"aab", 1)) is False
    assert check_seal(b"no seal") is None


def test_a_document_is_read_as_it_was_written_or_not_at_all(tmp_path: Path):
    path = tmp_path / "note.json"
    write_sealed_json(path, {"a": [1.5, None], "b": {"seal": "ünïcödé"}})
    assert read_sealed_json(path) == {"a": [1.5, None], "b": {"seal": "ünïcödé"}}
    for content in (path.read_bytes().replace(b"1.5", b"1.6"), b'{"a": 1}', b""):
        path.write_bytes(content)
        with pytest.raises(Damaged, match=r"damaged .*; it is made again"):
            read_sealed_json(path)
    with pytest.raises(UserError):
        read_sealed_json(tmp_path / "missing.json")


def test_a_file_that_was_changed_back_is_another(tmp_path: Path):
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    before = stat_key(path)
    status = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = stat_key(path)
    assert before[:2] == after[:2]
    assert before != after
    assert stat_key(tmp_path / "missing") == (-1, -1, -1, -1)
