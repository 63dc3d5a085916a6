"""The page's HTML: what is in it, and that nothing from results becomes markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from clipbench.report.page import render, write_page
from clipbench.report.text import labels
from clipbench.results.folder import Results, load_results
from clipbench.results.records import AnalysisResult, Record, Table

from .boxes import boxes, held_data, unfolded
from .made_up import HOSTILE, classification, failure, install, with_pictures

Make = Callable[..., Results]


class Outline(HTMLParser):
    """Elements with their attributes, and the text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self._texts: list[str] = []
        self._within = ""
        self._held = unfolded(page)
        self.feed(re.sub(r"<script>/\*\*\n\* plotly\.js.*?</script>", "<script></script>", page, flags=re.DOTALL))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag in {"script", "style"}:
            self._within = tag
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._within:
            self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within:
            self.scripts[-1] += data
        else:
            self._texts.append(data)

    @property
    def text(self) -> str:
        return " ".join([*"".join(self._texts).split(), *self._held])

    def all(self, tag: str) -> Iterator[dict[str, str]]:
        return (attributes for name, attributes in self.elements if name == tag)


def hostile_jobs(results: Results) -> None:
    texts = list(HOSTILE.values())
    extra = Table((texts[0], texts[1]), ((texts[2], texts[3]), (texts[4], None)))
    for model in texts:
        job = classification(model, texts[0], 0.5, classes=(*texts, *(f"class {i}" for i in range(30))))
        job = with_pictures(results, job, texts)
        job = replace(
            job,
            variant=texts[3],
            tables={**job.tables, texts[0]: extra},
            notes=tuple(texts),
            broken=tuple({"id": text, "problem": text} for text in texts),
            n_broken=100,
            about={"regime": texts[1], "source": texts[0], "licence": texts[3], "description": texts[1]},
            run_metadata={texts[0]: texts[1], "seconds": 1.0},
        )
        results.write_job(job)
    results.write_job(failure(texts[3], texts[1], texts[0]))


def test_the_page_says_what_was_found(plausible: Results) -> None:
    text = Outline(render(plausible)).text
    for said in (
        "2 models on 9 data sets, 18 jobs, 1 of them failed: zero-shot classification, retrieval.",
        "top-1, mean over 5 of 6 benchmark sets, shared by the ranked models",
        "fetch it with `clipbench fetch`",
        "2 broken images, left out",
        "Two classes have the same prompts",
        f"95 % {labels.interval('wilson')}",
    ):
        assert said in text


def test_the_page_needs_nothing_from_outside(plausible: Results) -> None:
    outline = Outline(render(plausible))
    loaded = [element.get(name, "") for _, element in outline.elements for name in ("src", "href", "srcset", "action")]
    assert all(not address or address.startswith(("data:", "#")) for address in loaded)
    assert not [tag for tag, _ in outline.elements if tag in {"link", "iframe", "object", "base"}]
    assert not [part for part in ("url(", "@import") if part in outline.scripts[0]]


def test_plotly_is_there_once_and_only_if_there_is_something_to_draw(plausible: Results, make_results: Make) -> None:
    assert render(plausible).count("plotly.js v") == 1
    failed = render(make_results(failure("a", "x", "missing"), name="failed"))
    assert "plotly.js v" not in failed
    assert "All jobs failed" in failed


def test_only_the_scripts_of_the_page_may_run(plausible: Results) -> None:
    page = render(plausible)
    outline = Outline(page)
    policy = next(meta["content"] for meta in outline.all("meta") if meta.get("http-equiv"))
    allowed = set(re.findall(r"'(sha256-[^']+)'", policy))
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = {f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}" for script in scripts}
    assert len(scripts) == 3
    assert digests == allowed
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1]


def test_hostile_texts_stay_texts(make_results: Make) -> None:
    suite = "a\n</pre><script>alert(1)</script>"
    run = {"suite": HOSTILE["script"], "description": HOSTILE["closing"], "suite_text": suite}
    results = make_results(run=run)
    hostile_jobs(results)
    page = render(results)
    outline = Outline(page)
    assert len(re.findall(r"<script>", page)) == 3
    assert not [tag for tag, _ in outline.elements if tag in {"b", "svg/onload"}]
    handlers = [name for _, attributes in outline.elements for name in attributes if name.startswith("on")]
    assert handlers == []
    assert all(image["src"].startswith("data:image/webp") for image in outline.all("img"))
    for text in HOSTILE.values():
        assert " ".join(text.split()) in outline.text
    assert "49" not in re.findall(r"<h3><bdi>(.*?)</bdi>", page)
    # Data blocks cannot be left.
    blocks = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert len(blocks) == 1 + page.count("data-plot ")
    assert all("<" not in block and json.loads(block) for block in blocks)


def test_captions_are_the_alternative_texts_and_a_classification_is_told_in_its_parts(plausible: Results) -> None:
    page = render(plausible)
    images = list(Outline(page).all("img"))
    # Of both models where they fail; all of them are in the details.
    assert len(images) == 12
    assert images[0]["alt"] == "true: circle; predicted: red (0.97)"
    assert page.count('<span class="soft">predicted</span> <bdi>star (0.97)</bdi>') == 12
    assert page.count("Confident mistakes</p>") == 2
    held = [
        value for value in held_data(page)["values"] if isinstance(value, str) and value.startswith("data:image/webp")
    ]
    assert len(held) == len(set(held)) == 18
    assert sum("Confident mistakes" in box for box in unfolded(page)) == 2


def test_the_best_of_a_column_is_marked_and_failures_are_linked(plausible: Results) -> None:
    page = render(plausible)
    row = page[page.index('data-value="clip-tiny"') : page.index("</tr>", page.index('data-value="clip-tiny"'))]
    assert row.count("data-best") == 10
    link = re.search(r'<a href="#(job-[^"]+)" title="cannot be found[^"]*">failed</a>', page)
    assert link
    assert f'id="{link[1]}"' in page


def test_ids_are_unique_and_links_lead_somewhere(plausible: Results) -> None:
    outline = Outline(render(plausible))
    ids = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {anchor["href"][1:] for anchor in outline.all("a")} <= set(ids)


def test_differing_pedigrees_have_a_visible_note(make_results: Make) -> None:
    jobs = [classification(model, "digits", 0.5) for model in "ab"]
    odd = classification("c", "digits", 0.9)
    jobs.append(replace(odd, pedigree=replace(odd.pedigree, data="other", settings="other")))
    page = render(make_results(*jobs))
    assert "data and settings differ from a and b; not ranked." in Outline(page).text
    assert '<a href="#note-1" aria-label="note 1">†1</a>' in page


def test_a_note_of_several_models_is_said_once_for_their_column(make_results: Make) -> None:
    notes = {"a": ("Of all.", "Of two."), "b": ("Of all.", "Of two."), "c": ("Of all.", "Of one.")}
    jobs = [replace(classification(model, "digits", 0.5), notes=texts) for model, texts in notes.items()]
    text = Outline(render(make_results(*jobs))).text
    assert [text.count(said) for said in ("Of all.", "a, b: Of two.", "Of two.", "Of one.")] == [1] * 4
    assert text.index("Of all.") < text.index("Of two.") < text.index("Of one.")
    alone = Outline(render(make_results(jobs[0], name="alone"))).text
    assert [alone.count(said) for said in ("Of all.", "Of two.")] == [1, 1]


def test_a_subset_is_announced(make_results: Make) -> None:
    job = classification("a", "digits", 0.5)
    page = render(make_results(replace(job, pedigree=replace(job.pedigree, subset="limit 100"))))
    assert "Measured on a part of the images: digits (limit 100)." in Outline(page).text


def test_what_is_not_above_chance_says_so_wherever_its_number_stands(make_results: Make) -> None:
    jobs = [classification("a", dataset, 0.1) for dataset in "xy"]
    jobs = [replace(job, records=(replace(job.records[0], chance=0.1, commonest=0.1),)) for job in jobs]
    text = Outline(render(make_results(*jobs))).text
    # In the sentence, the mean and what the figures say; in cells, lines of details and their tables, of two sets each.
    assert text.count("not above chance") - text.count("Grey: not above chance") == 3 + 3 * 2


def test_where_no_best_could_be_found_the_board_says_why(make_results: Make, found: Callable[..., None]) -> None:
    found(AnalysisResult("h", "best_of_column", 0, "failed", error="MemoryError"))
    page = render(make_results(*(classification(model, "digits", 0.5) for model in "ab")))
    assert "No best could be marked: MemoryError" in Outline(page).text
    assert "data-best" not in page


def test_nothing_has_finished(make_results: Make) -> None:
    text = Outline(render(make_results())).text
    assert "No job has finished yet." in text
    assert "What was run" in text


def test_a_run_without_its_description(make_results: Make) -> None:
    results = make_results(classification("a", "digits", 0.5), name="bare", run={"suite": ""})
    assert "<title>bare</title>" in render(results)
    shutil.rmtree(results.folder / "runs")
    assert "<title>bare</title>" in render(results)


def test_any_task_with_any_metrics_is_shown(make_results: Make) -> None:
    calibration = Record("calibration_error", 0.25, main=True, params={"bins": 15})
    records = (calibration, Record("undefined_thing", None), Record("throughput", 1234.5678, "images/s"))
    curve = Table(("x", "flag", "note"), ((0.123456, True, None), (2, False, "n")))
    tables = {"curve": curve, "per_class": Table(("class",), (("only names",),)), "empty": Table(("a",), ())}
    picture = {"id": "p", "caption": "no thumbnail", "thumb": ""}
    job = replace(classification("m", "d", 0.5), task="odd_task", records=records, tables=tables, pictures=(picture,))
    text = Outline(render(make_results(job))).text
    for part in ("Odd task", "calibration error", "25.0 %", "1235 images/s", "bins = 15", "0.1235", "yes"):
        assert part.lower() in text.lower()


SECTION = """
class Extra:
    name, title, order, template, analyses = "extra", "Extra", 0, "extra.html.j2", ()

    def show(self, data, figures):
        raise ValueError("no <extra> today")
"""
BROKEN = {
    "show": (SECTION, "no <extra> today"),
    "template": (SECTION.replace('raise ValueError("no <extra> today")', "return ()"), "No such file or directory"),
    "syntax": (f"{SECTION}1 +", "invalid syntax"),
    "import": (f"import nowhere{SECTION}", "cannot import 'extra_section' (No module named 'nowhere')"),
    "error": (f"{SECTION}raise OSError('disk')", "disk"),
    "member": (SECTION.replace("template", "other"), "it lacks template"),
    "order": (SECTION.replace(" 0,", " None,"), "the order of section 'extra' is no whole number"),
    "nothing": ("", "module 'extra_section' has no 'Extra'"),
}


@pytest.mark.parametrize(("source", "problem"), BROKEN.values(), ids=BROKEN)
def test_a_section_of_an_installed_package_that_breaks_costs_only_itself(
    source: str, problem: str, make_results: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    results = make_results(classification("a", "digits", 0.5))
    whole = render(results)
    install(tmp_path / "site", "clipbench.sections", "extra", "extra_section:Extra", source)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "extra_section", raising=False)
    page = render(results)
    assert problem in Outline(page).text.split("This section could not be made: ")[1]
    assert page.count("<section") == whole.count("<section") + 1
    assert page.count('id="job-') == whole.count('id="job-') == 1


def test_large_tables_of_classes_are_cut_with_a_note(make_results: Make) -> None:
    job = classification("a", "imagenet", 0.5, classes=tuple(f"class {i}" for i in range(1000)), n=5000)
    page = render(make_results(job))
    (classes,) = (block for block in boxes(page)[0] if block[0] == "grid" and len(block[2]) > 20)
    assert len(classes[2]) == 100
    for said in ("All 1,000 classes", "The 100 worst are listed here", "Worst classes", "Best classes"):
        assert said in Outline(page).text


def test_several_runs_on_one_page(make_results: Make) -> None:
    first = make_results(classification("a", "digits", 0.5), name="one", run={"suite": "first"})
    second = make_results(name="two", run={"suite": "second"})
    second.write_job(with_pictures(second, classification("b", "digits", 0.6), ["of the second run"]))
    page = render(load_results(first.folder, second.folder))
    assert "<title>first + second</title>" in page
    assert [image["alt"] for image in Outline(page).all("img")] == ["img-0"]
    assert "of the second run" in Outline(page).text
    assert "2 models on 1 data set, 2 jobs: zero-shot classification." in Outline(page).text


def test_writing_with_a_name_that_is_no_text(make_results: Make, tmp_path: Path) -> None:
    output = tmp_path / "new" / "page.html"
    assert write_page(make_results(classification("a", "digits", 0.5)), output, title="Mine & <\udcff>") == output
    assert "<title>Mine &amp; &lt;?&gt;</title>" in output.read_text(encoding="utf-8")


@pytest.mark.parametrize("models", [12, 100])
def test_many_models_on_many_sets(make_results: Make, models: int) -> None:
    sets = 360 // models
    results = make_results(*(classification(f"m{m}", f"d{d}", 0.001 * m) for m in range(models) for d in range(sets)))
    page = render(results)
    # One figure a set, and that of the answer.
    assert page.count("data-plot ") == sets + 1
    assert len(page) < 8_000_000
