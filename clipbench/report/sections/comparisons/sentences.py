"""What the built-in comparisons found, in sentences made of their numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from clipbench.report.text import numbers
from clipbench.results.records import AnalysisResult, Record

LOW_R2 = 0.25
"""Below it ImageNet accuracy is said to tell little."""


def sentences(result: AnalysisResult) -> tuple[str, ...]:
    """Return what a result says; nothing for an analysis that is not built in, or where nothing was compared."""
    make = _SENTENCES.get(result.analysis)
    return tuple(make(result)) if make and result.records else ()


def _points(value: float) -> str:
    return f"{100 * abs(value):.1f} points"


def _probe(result: AnalysisResult) -> Iterator[str]:
    difference = result.record("top1_difference")
    if difference is not None and difference.value is not None:
        direction = "better" if difference.value > 0 else "worse"
        compared = f"{_points(difference.value)} {direction} than" if difference.value else "as good as"
        labelled = f"{result.about.n_train:,} labelled images" if result.about.n_train else "its training split"
        yield f"Fitted on {labelled}, the probe is {compared} zero-shot in top-1."
    crossing = next((record for record in result.records if record.metric == "shots_to_match"), None)
    if crossing is not None:
        yield _crossing(result, crossing)


def _crossing(result: AnalysisResult, record: Record) -> str:
    zero_shot, *points = result.tables["shots_curve"].dicts()
    fewest = f"fewer than {points[0]['examples_per_class']:,.0f}"
    whole = "the whole training split, " if points[-1]["what"] == "linear_probe" else ""
    most = f"more than {whole}{points[-1]['examples_per_class']:,.0f}"
    if record.value is not None:
        worth = f"{record.value:,.1f}"
    else:
        worth = fewest if zero_shot["top1"] <= points[0]["top1"] else most
    shares = ((record.params["below"], fewest), (record.params["beyond"], most))
    beside = [f"{words} in {numbers.with_unit(share)} of resamples" for share, words in shares if 0 < share < 1]
    interval = [f"95 % interval {record.low:,.1f} to {record.high:,.1f}"] if record.low is not None else []
    doubt = "; ".join((*interval, *beside))
    return f"Zero-shot is worth {worth} labelled examples a class{f' ({doubt})' if doubt else ''}."


def _rank_stability(result: AnalysisResult) -> Iterator[str]:
    rows = result.tables["rank_flips"].dicts()
    values = {record.metric: record.value for record in result.records}
    flips = result.record("order_flip_share")
    templates = flips.params["templates"] if flips else 0
    nearly = sum(10 * max(row["first_ahead"], row["second_ahead"]) >= 9 * templates for row in rows)
    kept, significant = int(values["surviving_claims"] or 0), int(values["significant_surviving_claims"] or 0)
    yield (
        f"The order of {len(result.about.models)} models flips in {numbers.with_unit(values['order_flip_share'])} of "
        f"pairs between templates. Of {len(rows)} claims that one model beats another, {kept} hold with every wording "
        f"and {nearly} with nine wordings in ten or more."
    )
    if kept:
        yield (
            f"Of those that hold with every wording, {significant} {'is' if significant == 1 else 'are'} significant "
            "with the first template (McNemar's exact test after Holm's correction for all pairs of models)."
        )
    if flips is not None and flips.params["ties"]:
        share = numbers.with_unit(flips.params["ties"])
        yield f"In {share} more, two models are equal with one of two templates, which is no flip."
    changing = sum(row["first_ahead"] > 0 and row["second_ahead"] > 0 for row in rows)
    if changing:
        firm = int(values["significant_order_flips"] or 0)
        yield (
            f"{changing} {'pair changes' if changing == 1 else 'pairs change'} order with the wording; {_beyond(firm)} "
            "(McNemar's exact test of every pair with every template after Holm's correction)."
        )
    if values["kendall_tau"] is None:
        yield "Fewer than two templates tell the models apart, so Kendall's tau is undefined."


def _beyond(count: int) -> str:
    if count == 0:
        return "in none of them is each model significantly ahead with some template"
    return f"in {count} of them each model is significantly ahead with some template, beyond the chance of these images"


def _expectations(result: AnalysisResult) -> Iterator[str]:
    against = result.record("against_expectation")
    expected = next((record for record in result.records if not record.main), None)
    if against is None or against.value is None or expected is None or expected.value is None:
        return
    (row,) = result.tables["line"].dicts()
    dataset = result.about.dataset
    size = {
        "higher": f"{_points(against.value)} strong at {dataset}",
        "lower": f"{_points(against.value)} weak at {dataset}",
    }.get(result.verdict, f"neither clearly weak nor clearly strong at {dataset}")
    yield (
        f"For its ImageNet accuracy this model is {size}: {numbers.with_unit(expected.value + against.value)} against "
        f"{numbers.with_unit(expected.value)} expected of the {row['models']} published models, which lie "
        f"{_points(row['spread'])} (standard deviation) about the line there."
    )
    if row["r2"] < LOW_R2:
        yield (
            f"ImageNet accuracy says little about {dataset}: it explains {100 * row['r2']:.0f} % of the differences "
            "between published models (R2 in logit space)."
        )
    if row["outside"]:
        ends = f"{100 * row['lowest']:.1f} to {numbers.with_unit(row['highest'])}"
        yield f"Its ImageNet accuracy lies outside that of the published models ({ends}), where the line is drawn on."


_SENTENCES: dict[str, Callable[[AnalysisResult], Iterator[str]]] = {
    "probe_vs_zero_shot": _probe,
    "rank_stability": _rank_stability,
    "expectations": _expectations,
}
