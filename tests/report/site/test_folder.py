"""A site's folder: what a build replaces and removes, and what it leaves alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from clipbench.errors import UserError
from clipbench.report.site import site
from clipbench.report.site.folder import MANIFEST, site_written
from clipbench.report.site.site import write_site
from clipbench.results.folder import Results, load_results

from ..made_up import classification

Make = Callable[..., Results]


def build(output: Path, **files: str) -> None:
    with site_written(output) as folder:
        for name, text in files.items():
            (folder / name.replace("__", "/")).parent.mkdir(parents=True, exist_ok=True)
            (folder / name.replace("__", "/")).write_text(text)


def files_of(folder: Path) -> dict[str, str]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes().decode("latin-1") for name, path in found.items() if name != MANIFEST}


def test_a_build_leaves_nothing_of_the_former_one_and_all_that_is_of_others(tmp_path: Path) -> None:
    site = tmp_path / "site"
    build(site, index="1", model__a="1", model__b="1", img__x="1")
    (site / "CNAME").write_text("example.org")
    (site / "model" / "notes").write_text("mine")
    (site / "img" / "x").write_text("changed by hand")
    build(site, index="2", model__a="1")
    mine = {"CNAME": "example.org", "model/notes": "mine", "img/x": "changed by hand"}
    assert files_of(site) == {"index": "2", "model/a": "1", **mine}
    (site / "model" / "notes").unlink()
    build(site, index="2")
    assert sorted(path.name for path in site.iterdir()) == ["CNAME", "data", "img", "index"]
    known = json.loads((site / MANIFEST).read_text())["files"]
    assert known == {"index": [hashlib.sha256(b"2").hexdigest()]}


def test_a_build_that_fails_or_is_interrupted_leaves_the_former_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_results: Make
) -> None:
    output, results = tmp_path / "site", make_results(classification("a", "pets", 0.8))
    write_site(results, output)
    before = files_of(output)
    monkeypatch.setattr(site, "_assets", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_site(make_results(classification("b", "pets", 0.8), name="other"), output)
    assert files_of(output) == before
    with pytest.raises(KeyboardInterrupt):
        write_site(results, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_what_was_interrupted_while_it_took_the_place_is_mended_by_the_next_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path / "site", a="1", b="1", gone="1")
    moved, replace = [], Path.replace

    def stops(self: Path, target: Path) -> Path:
        if not target.name.startswith("manifest"):
            moved.append(target.name)
        if len(moved) > 1:
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as during:
        during.setattr(Path, "replace", stops)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "site", a="2", b="2", new="2")
    assert moved == ["a", "b"]
    build(tmp_path / "site", a="3", new="3")
    assert files_of(tmp_path / "site") == {"a": "3", "new": "3"}


def test_files_of_others_are_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("mine")
    with pytest.raises(UserError, match=r"no build of a site wrote.*'index'; give an empty folder"):
        build(tmp_path, index="1", other="1")
    assert files_of(tmp_path) == {"index": "mine"}


HOSTILE = ["../secret", "{root}/secret", "a/../../secret", "link/secret", "alias", "data/../../secret", "."]


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: name[:20])
def test_a_manifest_from_elsewhere_deletes_nothing_outside(tmp_path: Path, name: str) -> None:
    secret, output = tmp_path / "secret", tmp_path / "site"
    secret.write_text("secret")
    build(output, index="1")
    (output / "link").symlink_to(tmp_path)
    (output / "alias").symlink_to(secret)
    known = {name.format(root=tmp_path): [hashlib.sha256(b"secret").hexdigest()]}
    (output / MANIFEST).write_text(json.dumps({"format": 1, "files": {**known, "index": ["?"]}}))
    build(output, index="2")
    assert secret.read_text() == "secret"
    assert (output / "alias").is_symlink()
    assert (output / "index").read_text() == "2"


@pytest.mark.parametrize("content", ["", "[]", '{"files": 3}', '{"files": {"index": 3}}', "[" * 100_000], ids=repr)
def test_a_damaged_manifest_claims_no_file(tmp_path: Path, content: str) -> None:
    build(tmp_path, index="1")
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(UserError, match="no build of a site wrote"):
        build(tmp_path, index="2")


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    build(tmp_path / "site", index="1")
    (tmp_path / "site" / "model").symlink_to(tmp_path / "mine")
    with pytest.raises(UserError, match="has links"):
        build(tmp_path / "site", model__a="1")
    assert files_of(tmp_path / "mine") == {}


def test_a_stage_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / ".building").symlink_to(tmp_path / "mine")
    build(tmp_path / "site", index="1")
    assert files_of(tmp_path / "mine") == {"file": "mine"}


def test_a_site_is_no_results_folder_and_leaves_one_as_it_is(make_results: Make, tmp_path: Path) -> None:
    results = make_results(classification("a", "pets", 0.8), classification("b", "pets", 0.7))
    before = files_of(results.folder)
    write_site(results, tmp_path / "site")
    assert files_of(results.folder) == before
    with pytest.raises(UserError, match=r"site: is a site, no results folder; give the results folders"):
        load_results(tmp_path / "site")
    with pytest.raises(UserError, match=r"is a results folder; give the site another with -o"):
        write_site(results, results.folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file: is a file; a site is a folder"):
        write_site(results, tmp_path / "file")
    with pytest.raises(UserError, match=r"empty: there is no finished job to show; .*--published open-clip"):
        write_site(make_results(name="empty"), tmp_path / "other")
