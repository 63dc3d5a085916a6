"""All that pages of a site link to or load is in the site, by file and by anchor."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from clipbench.report.site import PUBLISHED
from clipbench.report.site.site import write_site
from clipbench.results.folder import Results

from ...conftest import REPOSITORY

_LOADED = {"script": "src", "link": "href", "img": "src", "source": "src", "iframe": "src"}


@dataclass
class Links(HTMLParser):
    """The links and the anchors of a page."""

    anchors: list[str] = field(default_factory=list)
    followed: set[str] = field(default_factory=set)
    loaded: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        self.anchors += [known["id"]] if "id" in known else []
        if tag == "a" and "href" in known:
            self.followed.add(known["href"])
        elif known.get(_LOADED.get(tag, "")):
            self.loaded.add(known[_LOADED[tag]])
        if "action" in known:
            self.followed.add(known["action"])

    @classmethod
    def of(cls, page: Path) -> Links:
        found = cls()
        found.feed(page.read_text("utf-8"))
        return found


def broken(site: Path) -> dict[str, list[str]]:
    """Links that lead nowhere, with up to three of the pages that have them; ids that stand twice."""
    site = site.resolve()
    pages = {path: Links.of(path) for path in sorted(site.rglob("*.html"))}
    wrong: dict[str, list[str]] = defaultdict(list)
    for path, links in pages.items():
        told = path.relative_to(site).as_posix()
        for anchor in (anchor for anchor, times in Counter(links.anchors).items() if times > 1):
            wrong[f"twice #{anchor}"].append(told)
        for link in sorted(links.followed | links.loaded):
            if not _leads(link, path, site, pages, followed=link not in links.loaded):
                wrong[link].append(told)
    return {link: found[:3] for link, found in wrong.items()}


def _leads(link: str, page: Path, site: Path, pages: dict[Path, Links], *, followed: bool) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return (followed and parts.scheme in ("http", "https")) or parts.scheme == "data"
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if parts.path.startswith("/") or not target.is_relative_to(site) or not target.is_file():
        return False
    # What a script makes of the address is no anchor: '#cell=MODEL,DATASET,TASK'.
    anchor = unquote(parts.fragment)
    return not anchor or "=" in anchor or target not in pages or anchor in pages[target].anchors


@pytest.mark.slow
def test_no_link_of_the_example_board_is_broken(tmp_path: Path) -> None:
    submissions = sorted((REPOSITORY / "reports" / "submissions").iterdir())
    write_site(Results(*submissions), tmp_path / "site", published=PUBLISHED)
    assert broken(tmp_path / "site") == {}


def test_no_link_of_a_site_with_pictures_is_broken(plausible: Results, fitted: Results, tmp_path: Path) -> None:
    write_site(Results(plausible.folder, fitted.folder), tmp_path / "site")
    assert broken(tmp_path / "site") == {}


BROKEN = ["gone.html", "index.html#gone", "/index.html", "../outside.html", "javascript:alert(1)", "#gone"]


@pytest.mark.parametrize("link", BROKEN)
def test_a_broken_link_would_be_noticed(link: str, tmp_path: Path) -> None:
    (tmp_path / "outside.html").write_text("")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text('<h1 id="here">')
    sound = '<a href="index.html#here"><a href="index.html#cell=a,b,c"><a href="https://example.org">'
    (tmp_path / "site" / "more.html").write_text(f'{sound}<a href="{link}">')
    assert broken(tmp_path / "site") == {link: ["more.html"]}
