"""A site: the pages of a leaderboard as static files with relative links, opened from disk or put on any host."""

from __future__ import annotations

import inspect
import json
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.errors import UserError
from clipbench.files import write_atomically
from clipbench.report import page as report
from clipbench.report.figures import figures
from clipbench.report.run_metadata import runs
from clipbench.report.site.data.assemble import Measurements
from clipbench.report.site.data.files import write_data
from clipbench.report.site.data.names import without_paths
from clipbench.report.site.folder import site_written
from clipbench.report.site.pages.base import DataFile, Document, Page, SiteData
from clipbench.report.site.pages.compare.page import ComparePage
from clipbench.report.site.pages.dataset.page import DatasetPage
from clipbench.report.site.pages.index.page import IndexPage
from clipbench.report.site.pages.labels.page import LabelsPage
from clipbench.report.site.pages.method.page import MethodPage
from clipbench.report.site.pages.model.page import ModelPage
from clipbench.report.site.pages.robustness.page import RobustnessPage
from clipbench.report.site.pages.wording.page import WordingPage
from clipbench.results.folder import Results

if TYPE_CHECKING:
    from jinja2 import Environment, Template

PAGES: tuple[Page, ...] = (
    IndexPage(),
    ComparePage(),
    RobustnessPage(),
    WordingPage(),
    LabelsPage(),
    MethodPage(),
    ModelPage(),
    DatasetPage(),
)
"""In the order of the navigation."""


def write_site(
    results: Results,
    output: Path,
    *,
    title: str | None = None,
    published: Collection[str] = (),
    images: bool = True,
) -> Path:
    """Write the site of some results, which are only read; return its first page.

    A former site in the folder stays as it is until all of the new one is made.

    Args:
        results: of one or several runs.
        output: its folder, made where it is missing.
        title: of the site; by default the names of the suites.
        published: tables to show beside what was measured: 'open-clip', and 'imagenet-testbed' beside shifts.
        images: whether thumbnails are published.

    Raises:
        UserError: there is nothing to show, no such table, a job's file is damaged, or the folder cannot be written.
    """
    if results.only is None and output.resolve() in [part.folder.resolve() for part in results.parts]:
        raise UserError("is a results folder", where=str(output), fix="give the site another with -o")
    title = title or " + ".join(dict.fromkeys(run.name for run in runs(results))) or "clipbench"
    with site_written(output) as folder:
        here = Measurements.of(results if results.read_only else Results(results.folder, read_only=True))
        if not published and not any(job.status == "done" for job in here.jobs):
            raise _nothing_done(results)
        written = write_data(here, folder, published=published, images=images, former=output)
        _write_pages(SiteData(title, here, written), folder)
    return output / "index.html"


def _nothing_done(results: Results) -> UserError:
    told = ", ".join(str(part.folder) for part in results.parts) if results.only is None else None
    fix = "run a suite first, or show published figures: --published open-clip"
    return UserError("there is no finished job to show", where=told, fix=fix)


def _write_pages(data: SiteData, folder: Path) -> None:
    found = {page: _documents(page, data) for page in PAGES}
    shared = {"site": data, "navigation": _navigation(found), "method": _method(found)}
    for page, documents in found.items():
        for document in documents:
            if isinstance(document, DataFile):
                write_atomically(folder / document.path, document.content(), durable=False)
            else:
                html = _render(page, document, shared)
                write_atomically(folder / document.path, html.encode(errors="replace"), durable=False)
    for name, content in _assets().items():
        write_atomically(folder / "assets" / name, content)


def _documents(page: Page, data: SiteData) -> Sequence[Document | DataFile]:
    """Return a page's documents; one that breaks is a document that says so."""
    try:
        return tuple(page.documents(data))
    except Exception as error:  # noqa: BLE001 - a page that breaks must not cost the site
        return (Document(f"{page.name}.html", page.label or page.name, _raising(error)),)


def _raising(error: Exception) -> Any:
    def content() -> object:
        raise error

    return content


def _navigation(found: Mapping[Page, Sequence[Document | DataFile]]) -> list[tuple[str, str]]:
    """Return labels and paths of the pages that have documents."""
    first = ((page, next((doc for doc in docs if isinstance(doc, Document)), None)) for page, docs in found.items())
    return [(page.label, document.path) for page, document in first if page.label and document]


def _method(found: Mapping[Page, Sequence[Document | DataFile]]) -> str:
    """Return the page that says how to cite the site, '' where there is none."""
    return next((docs[0].path for page, docs in found.items() if page.name == "method" and docs), "")


def _render(page: Page, document: Document, shared: Mapping[str, Any]) -> str:
    data: SiteData = shared["site"]
    models = data.leaderboard.models
    given = {
        **shared,
        "document": document,
        "name": page.name,
        "root": "../" * document.path.count("/"),
        "scripts": [path.name for path in [_folder(page) / f"{page.name}.js"] if path.exists()],
        "styles": [path.name for path in [_folder(page) / f"{page.name}.css"] if path.exists()],
        "series": figures.series_of(models),
        "coloured": len(models) <= figures.SERIES,
    }
    try:
        content = document.content()
        return _template(_folder(page) / f"{page.name}.html.j2").render(page=content, **given)
    except Exception as error:  # noqa: BLE001 - a document that breaks must not cost the site
        return environment().get_template("broken_page.html.j2").render(error=error, **given)


def _folder(page: Page) -> Path:
    return Path(inspect.getfile(page.__class__)).parent


@cache
def _template(path: Path) -> Template:
    return environment().from_string(path.read_text(encoding="utf-8"))


@cache
def environment() -> Environment:
    """Return the report's templates, which here cut each text to what is no folder of the machine."""
    made: Environment = report.environment().overlay(finalize=_without_folders)
    made.policies = dict(made.policies)
    made.policies["json.dumps_function"] = lambda value, **options: json.dumps(without_paths(value), **options)
    return made


def _without_folders(value: object) -> object:
    return without_paths(value) if type(value) is str else value


def _assets() -> Mapping[str, bytes]:
    """Return the files that all pages share, and those of each page."""
    loader = report.environment().loader
    assert loader is not None
    style = "\n".join(
        report.environment().get_template(name).render() for name in ("theme.css", "page.css", "site.css")
    )
    found = {"site.css": style, "page.js": loader.get_source(report.environment(), "page.js")[0]}
    for page in PAGES:
        for path in sorted(_folder(page).glob(f"{page.name}.*s")):
            found[path.name] = path.read_text(encoding="utf-8")
    return {name: text.encode() for name, text in (found | {"plotly.js": report.plotly()}).items()}
