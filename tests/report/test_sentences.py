"""Random results: no sentence says what their intervals do not allow, or leaves out what it rests on.

A claim stands in an element with `data-verdict`. Words of direction outside of these, descriptions that are the same
for all results apart, are free text that no interval decides.
"""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from clipbench.analyses.base import verdict_of
from clipbench.report.averages import means, order_by_merit
from clipbench.report.leaderboard import Leaderboard, make_leaderboard
from clipbench.report.page import environment
from clipbench.report.page import render as render_page
from clipbench.report.sections.base import Section
from clipbench.report.sections.comparisons.section import ComparisonsSection
from clipbench.report.sections.corruptions.section import CorruptionsSection
from clipbench.report.sections.error_consistency.section import ErrorConsistencySection
from clipbench.report.sections.robustness.section import RobustnessSection
from clipbench.report.sections.sets.section import groups
from clipbench.report.text.claims import at_chance
from clipbench.report.text.declared import metric_of
from clipbench.results.folder import Results
from clipbench.results.records import AnalysisResult, JobResult, Record

from .findings import (
    PUBLISHED,
    corrupted,
    difference,
    finding,
    on_shift,
    over_shifts,
    page_data,
    pair,
    render,
    standings,
    table,
)
from .made_up import classification, proportion
from .test_comparisons import flips, probe

DIRECTION = re.compile(
    r"\b(better|worse|gain(s|ed)?|los(t|es?|s)|costs?|w[io]ns?|beats?|strong(er)?|weak(er)?|outperforms?|superior|inferior"
    r"|more often|less often|more than expected|less than expected|improves?|improved|degrades?|drops?)\b",
    re.IGNORECASE,
)
DENIED = re.compile(r"\b(neither|nothing is|no better)\b[^.;:(]*", re.IGNORECASE)
"""What says that there is no direction."""
WHOLE = re.compile(r"\b(all|every|whole)\b(?! (template|pair|model))", re.IGNORECASE)
SIGNED = ("difference", "gap", "kappa")
DESCRIBED = ("intro", "small soft", "hidden")
"""Classes of elements whose text is the same for all results."""
VOID = ("br", "img", "path", "meta", "input", "circle")


class Claims(HTMLParser):
    """The texts of a page with the verdict of the element that they stand in; descriptions and headings left out."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.said: list[tuple[str, str]] = []
        self._within: list[tuple[str, bool]] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        silent = tag in {"script", "style", "thead", "caption", "figcaption", "h2", "h3", "dd"}
        described = known.get("class") in DESCRIBED and "data-best" not in known
        if tag not in VOID:
            self._within.append((known.get("data-verdict", ""), silent or described))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        if data.strip() and not any(silent for _, silent in self._within):
            self.said.append((" ".join(data.split()), next((v for v, _ in reversed(self._within) if v), "")))

    @property
    def verdicts(self) -> set[str]:
        return {verdict for _, verdict in self.said if verdict}

    @property
    def text(self) -> str:
        return " ".join(text for text, _ in self.said)

    @property
    def unfounded(self) -> list[str]:
        """What says a direction without a verdict for it."""
        free = (text for text, verdict in self.said if verdict not in {"higher", "lower"})
        return [text for text in free if DIRECTION.search(DENIED.sub("", text))]


def interval(random: np.random.Generator) -> tuple[float, float | None, float | None]:
    """A difference with an interval that holds zero, ends there, leaves it out on one side, or is missing."""
    value = float(random.choice([-0.04, -0.001, 0.0, 0.003, 0.05]))
    half = float(random.choice([0.002, 0.04, 0.5]))
    ends = [(value - half, value + half), (None, None), (0.0, value + half), (value - half, 0.0)]
    low, high = ends[random.integers(len(ends))]
    return (value, low, high) if low is None or high is None or low <= value <= high else (value, None, None)


def altered(result: AnalysisResult, random: np.random.Generator) -> AnalysisResult:
    """A result with other differences, of other numbers of images, as its analysis would decide on it."""
    records = []
    for record in result.records:
        if metric_of(result, record).unit in SIGNED:
            value, low, high = interval(random)
            record = replace(record, value=value, low=low, high=high, family=int(random.choice([1, 12])))
        records.append(record)
    about = replace(
        result.about,
        n=int(random.choice([1, 20, 50_000])),
        subset=str(random.choice(["", "limit 7"])),
        n_train=[None, 1, 500][random.integers(3)],
    )
    decided = next((record for record in records if metric_of(result, record).unit in SIGNED), None)
    known = decided is not None and decided.low is not None and decided.high is not None
    verdict = verdict_of(decided.low or 0.0, decided.high or 0.0) if known and decided else "undefined"
    return replace(result, records=tuple(records), about=about, verdict=verdict)


def allowed(result: AnalysisResult) -> set[str]:
    """The directions that the intervals of a result leave open to be said."""
    signed = [r for r in result.records if metric_of(result, r).unit in SIGNED]
    ends = [(r.low, r.high) for r in signed if r.low is not None and r.high is not None]
    return {"higher" for low, _ in ends if low > 0} | {"lower" for _, high in ends if high < 0}


def consistency() -> AnalysisResult:
    counts = {"n": 50, "both_right": 20, "both_wrong": 10, "only_first": 10, "only_second": 10}
    ends = {"kappa": 0.2, "low": 0.1, "high": 0.3}
    rows = [{"first": first, "second": second, **ends, **counts} for first, second in ("ab", "ac", "bc")]
    record = Record("error_consistency", 0.2, "kappa", 0.1, 0.3, 0.95, "bootstrap", n=50, main=True)
    return finding("error_consistency", "abc", "x", [record], tables={"error_consistency": table(*rows)})


def expectations() -> AnalysisResult:
    line = {"models": 121, "families": 30, "spread": 0.05, "r2": 0.1, "outside": True, "lowest": 0.4, "highest": 0.8}
    records = [proportion("expected", 0.5, 500), difference("against_expectation", 0.1, 0.05)]
    return finding("expectations", "a", "x", records, tables={"line": table({**line, "without": "vit-b-32"})})


def shifts() -> AnalysisResult:
    return over_shifts([on_shift("a", name, 0.6, 0.5, baseline=PUBLISHED) for name in ("sketch", "rendition")])


PROBE = (
    difference("mean_per_class_recall_difference", 0.1, 0.05),
    difference("top1_difference", 0.1, 0.05),
    Record("shots_to_match", 8.0, "examples per class", 6.0, 10.0, 0.95, "images and draws", n=50),
)

RESULTS: dict[str, tuple[Section, AnalysisResult]] = {
    "probe_vs_zero_shot": (ComparisonsSection(), probe("a", "x", *PROBE)),
    "expectations": (ComparisonsSection(), expectations()),
    "robustness": (RobustnessSection(), shifts()),
    "robustness_pair": (RobustnessSection(), pair("a", [("sketch", 0.5, 0.6, 0.1, 0.2, 0.5)], way=False)),
    "of a plug-in": (ComparisonsSection(), finding("nobodys", "ab", "x", [difference("top1_difference", 0.1, 0.05)])),
    "error_consistency": (ErrorConsistencySection(), consistency()),
    "rank_stability": (ComparisonsSection(), flips("abc")),
    "corruption_error": (CorruptionsSection(), corrupted("a", "x", 0.9)),
}
COUNTED = ("nobodys", "rank_stability", "corruption_error")
"""Analyses that say no difference in a sentence."""


@pytest.mark.parametrize(("section", "result"), RESULTS.values(), ids=RESULTS)
def test_a_direction_is_said_only_where_an_interval_leaves_out_zero(section: Section, result: AnalysisResult) -> None:
    random, seen = np.random.default_rng(0), set()
    for _ in range(25):
        world = altered(result, random)
        html = render(section, page_data(world))
        claims = Claims(html)
        assert claims.unfounded == []
        if section.name == "comparisons":
            bold = [r for r in world.records if metric_of(world, r).unit == "difference" and r.low is not None]
            assert html.count('class="num clear"') == sum(not (r.low or 0) <= 0 <= (r.high or 0) for r in bold)
        assert claims.verdicts & {"higher", "lower"} <= allowed(world)
        assert world.about.subset in (html if result.analysis == "corruption_error" else claims.text)
        if world.about.subset:
            assert not WHOLE.search(claims.text)
        seen |= claims.verdicts
    assert seen >= {"higher", "lower"} or result.analysis in COUNTED


def test_no_sentence_of_a_page_says_a_direction_but_by_a_verdict(plausible: Results, fitted: Results) -> None:
    assert Claims(render_page(plausible)).unfounded == []
    assert Claims(render_page(fitted)).unfounded == []


def measured(random: np.random.Generator, model: str, dataset: str) -> JobResult:
    """A job on many images or one, of the whole set or a part, above chance or not."""
    n, share = int(random.choice([1, 50, 2000])), float(random.choice([0.0, 0.1, 0.3, 0.9]))
    job = classification(model, dataset, share, n=n, regime=str(random.choice(["benchmark", "shift"])))
    chance, commonest = [(None, None), (0.1, 0.1), (0.1, 0.25)][random.integers(3)]
    record = replace(job.records[0], chance=chance, commonest=commonest)
    subset = f"limit {n}" if random.random() < 0.5 else ""
    pedigree = replace(job.pedigree, subset=subset)
    return replace(job, records=(record,), pedigree=pedigree, about={"regime": "benchmark"})


def board(random: np.random.Generator) -> tuple[Leaderboard, dict[str, dict[str, int]]]:
    """A leaderboard with gaps, and by data set how many models are surely better than each."""
    models, datasets = [f"m{place}" for place in range(random.integers(1, 5))], ("x", "y", "z")
    jobs, found, worse = [], [], {}
    for dataset in datasets:
        # Of one column, alike; of another, each as it comes.
        like = measured(random, "", dataset)
        present = [model for model in models if random.random() < 0.8]
        made = [measured(random, model, dataset) for model in present]
        if random.random() < 0.7:
            made = [replace(job, pedigree=replace(job.pedigree, subset=like.pedigree.subset)) for job in made]
        worse[dataset] = {model: int(random.integers(3)) for model in present}
        if len(present) > 1 and random.random() < 0.8:
            found.append(standings(made, worse[dataset]))
        jobs += made
    return make_leaderboard(jobs, standings=found), worse


def test_no_cell_is_called_the_best_where_another_surely_exceeds_it_or_it_is_at_chance() -> None:
    random, marked = np.random.default_rng(1), 0
    for _ in range(150):
        leaderboard, worse = board(random)
        for column in leaderboard.columns:
            ranked = {m: cell for m, cell in column.cells.items() if cell.footnote is None and cell.value is not None}
            best = {model for model, cell in column.cells.items() if cell.best}
            marked += len(best)
            assert best <= ranked.keys()
            assert all(worse[column.dataset][model] == 0 for model in best)
            assert not any(at_chance(ranked[model].record) for model in best if ranked[model].record)
            # None is left out that is not distinguishable from one that is called the best.
            equal = {model for model in ranked if worse[column.dataset][model] == 0 and not ranked[model].at_chance}
            assert not best or best == equal
            assert not best or best != ranked.keys()
    assert marked > 20


def test_the_board_says_of_each_number_what_it_rests_on_and_of_each_mean_its_sets() -> None:
    random = np.random.default_rng(2)
    for _ in range(60):
        leaderboard, _ = board(random)
        group_means = means(leaderboard)
        leaderboard = order_by_merit(leaderboard, group_means)
        template = environment().get_template("leaderboard.html.j2")
        shown = {"leaderboard": leaderboard, "means": group_means, "groups": groups(leaderboard)}
        html = template.render(**shown, series=dict.fromkeys(leaderboard.models, 0), coloured=False)
        claims = Claims(html)
        assert claims.unfounded == []
        head = re.sub(r"<[^>]*>", " ", html.split("</thead>")[0])
        for column in leaderboard.columns:
            assert column.basis in head
            assert all(told in head for told in column.chances)
        shades = re.findall(r'<td class="([^"]*)" data-value="([^"]*)"', html)
        assert html.count("(not above chance)") == sum("chance" in names.split() for names, _ in shades)
        for group in group_means:
            assert [mean.ranked for mean in group.by_model.values()] == [
                set(mean.datasets) == set(group.datasets) for mean in group.by_model.values()
            ]
            meaning = environment().get_template("macros.html.j2").module.meaning
            for mean in group.by_model.values():
                said = str(meaning(mean))
                limits = {c.subset for c in leaderboard.columns if c.dataset in mean.datasets and c.subset}
                assert all(limit in said for limit in limits)
                assert ("not ranked" in said) == (not mean.ranked)
                assert len(mean.datasets) == mean.total or f"{len(mean.datasets)} of {mean.total}" in said
                assert not WHOLE.search(said)
                assert not DIRECTION.search(said)
