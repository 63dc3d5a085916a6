"""The site's frame: pages that break, folders of the machine, opened from disk and over http."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from clipbench.report.site import site
from clipbench.report.site.pages.base import DataFile, Document, SiteData
from clipbench.report.site.pages.index.page import IndexPage
from clipbench.report.site.site import write_site
from clipbench.results.folder import Results

from ..made_up import classification
from .visits import Browser, served

Make = Callable[..., Results]


class _Breaking(IndexPage):
    """The index with a document that breaks when it is made."""

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        def fails() -> object:
            raise ValueError("<b>no</b>")

        yield from super().documents(data)
        yield Document("other.html", "Other", fails)


class _Failing(IndexPage):
    name, label = "failing", "Failing"

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        raise RuntimeError("nothing is made")


def test_a_document_that_breaks_says_so_and_costs_no_other(
    make_results: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "PAGES", (_Breaking(), _Failing()))
    monkeypatch.setattr(site, "_folder", lambda page: Path(site.__file__).parent / "pages" / "index")
    first = write_site(make_results(classification("a", "pets", 0.8)), tmp_path / "site")
    assert "could not be made" not in first.read_text("utf-8")
    assert "could not be made: <bdi>&lt;b&gt;no&lt;/b&gt;" in (tmp_path / "site" / "other.html").read_text("utf-8")
    assert "nothing is made" in (tmp_path / "site" / "failing.html").read_text("utf-8")


def test_no_page_names_a_folder_of_the_machine(make_results: Make, tmp_path: Path) -> None:
    job = classification("open_clip:local-dir:/home/anna/secret/model", "pets", 0.8)
    job = replace(job, notes=("read from /home/anna/secret/notes.txt",))
    write_site(make_results(job), tmp_path / "site", title="/home/anna/secret/title")
    pages = list((tmp_path / "site").rglob("*.html"))
    assert pages
    assert [path for path in pages if "secret" in path.read_text("utf-8")] == []


@pytest.mark.slow
def test_every_page_is_sound_from_disk_and_over_http(plausible: Results, tmp_path: Path, site_browser: Browser) -> None:
    write_site(plausible, tmp_path / "site", published=["open-clip"])
    pages = sorted((tmp_path / "site").rglob("*.html"))
    chosen = {path.parent: path for path in pages if path.parent.name in {"model", "dataset"}}.values()
    for path in [*(path for path in pages if path.parent.name == "site"), *chosen]:
        name = path.relative_to(tmp_path / "site").as_posix()
        site_browser.open(tmp_path / "site", name).assert_sound()
    with served(tmp_path / "site") as address:
        site_browser.open(address).assert_sound()
        site_browser.close()
