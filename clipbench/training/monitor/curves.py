"""The curves of a training as a page, drawn from its log alone."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from clipbench.errors import UserError
from clipbench.files import write_atomically
from clipbench.training.monitor.log import LOG, measured_on, read_log

CURVES: Final = "curves.html"
PLOTLY: Final = "plotly.min.js"
MOST: Final = 2000
"""Points of a curve; of longer ones each point is the mean of as many consecutive steps."""

_STEPS: Final = (
    ("loss", "loss", "Loss"),
    ("scale", "logit scale", "Logit scale"),
    ("rate", "learning rate", "Learning rate"),
    ("images_per_second", "images/s", "Images a second"),
)
"""By a line's key: the name of the axis, and the heading."""
_COLOURS: Final = ("#1f5fa8", "#b3541e", "#2f7d4f", "#7a4a9e", "#9a6b00", "#a32d52", "#3d7a85", "#5a5a5a")
_GRID: Final = "#e2e2e2"

Line = Mapping[str, Any]
Curve = Sequence[tuple[float, float | None]]
"""(step, value)."""


def write_curves(folder: Path) -> Path:
    """Draw loss, scores, scale, learning rate and images a second by step into `curves.html`; return its path.

    It is read from `log.jsonl` alone, needs no network, and has plotly.js beside it.

    Args:
        folder: of the training.

    Raises:
        UserError: there is no log with a step, or the folder cannot be written.
    """
    from plotly.offline import get_plotlyjs

    lines = read_log(folder / LOG)
    if not lines:
        fix = "give the folder of a training"
        raise UserError("there is no step in it", where=str(folder / LOG), fix=fix)
    write_atomically(folder / PLOTLY, get_plotlyjs().encode(), durable=False)
    write_atomically(folder / CURVES, _page(lines, folder.resolve().name).encode())
    return folder / CURVES


def thinned(curve: Curve, most: int = MOST) -> Curve:
    """Return a curve of at most so many points: means of bins of equally many consecutive ones, without None."""
    size = -(-len(curve) // most)
    bins = (curve[at : at + size] for at in range(0, len(curve), size)) if size > 1 else ((point,) for point in curve)
    return [_mean(points) for points in bins]


def _mean(points: Curve) -> tuple[float, float | None]:
    if len(points) == 1:
        return points[0]
    values = [value for _, value in points if value is not None]
    return sum(step for step, _ in points) / len(points), sum(values) / len(values) if values else None


def figures(lines: Sequence[Line]) -> Mapping[str, Mapping[str, Any]]:
    """Return plotly's specification of each figure, by its heading, of the lines of a log."""
    (key, axis, heading), *others = _STEPS
    found = {heading: _of_steps(lines, key, axis), **dict(_of_scores(lines))}
    return found | {heading: _of_steps(lines, key, axis) for key, axis, heading in others}


def _of_steps(lines: Sequence[Line], key: str, axis: str) -> Mapping[str, Any]:
    curve = thinned([(line["step"], line[key]) for line in lines])
    return _figure([_trace(curve, _COLOURS[0], axis)], axis)


def _of_scores(lines: Sequence[Line]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield a figure for each unit, with a curve for each data set and task."""
    scores = [(line["step"], score) for line in lines for score in line.get("scores", ()) if "metric" in score]
    for unit in dict.fromkeys(score["unit"] for _, score in scores):
        of_unit = [(step, score) for step, score in scores if score["unit"] == unit]
        names = dict.fromkeys(_name(score) for _, score in of_unit)
        traces = [
            _score_trace([pair for pair in of_unit if _name(pair[1]) == name], name, _COLOURS[number % len(_COLOURS)])
            for number, name in enumerate(names)
        ]
        yield "Scores" if unit == "fraction" else f"Scores ({unit})", _figure(traces, _axis(unit))


def _score_trace(scores: Sequence[tuple[int, Line]], name: str, colour: str) -> Mapping[str, Any]:
    times = 100 if scores[0][1]["unit"] == "fraction" else 1
    ends = [[None if score.get(key) is None else times * score[key] for _, score in scores] for key in _ENDS]
    whole = len(scores) <= MOST
    curve = thinned([(step, value) for (step, _), value in zip(scores, ends[0], strict=True)])
    reach = [[_gap(value, end) for value, end in zip(ends[0], side, strict=True)] for side in ends[1:]]
    errors = {"type": "data", "symmetric": False, "arrayminus": reach[0], "array": reach[1], "thickness": 1, "width": 2}
    return {
        **_trace(curve, colour, name),
        "mode": "lines+markers",
        "marker": {"size": 6},
        **({"error_y": errors} if whole else {}),
    }


_ENDS: Final = ("value", "low", "high")


def _gap(value: float | None, end: float | None) -> float | None:
    return None if value is None or end is None else abs(end - value)


def _name(score: Line) -> str:
    seen = " (trained on these images)" if score.get("trained_on") else ""
    return f"{measured_on(score)}: {score['label']}{seen}"


def _axis(unit: str) -> str:
    return "%" if unit == "fraction" else unit


def _trace(curve: Curve, colour: str, name: str) -> Mapping[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines" if len(curve) > 1 else "markers",
        "x": [step for step, _ in curve],
        "y": [value for _, value in curve],
        # Plotly reads a subset of HTML in every text.
        "name": html.escape(name, quote=False),
        "line": {"width": 1.6, "color": colour},
        "hovertemplate": "%{fullData.name}<br>step %{x:,.0f}: %{y:.4g}<extra></extra>",
    }


def _figure(traces: Sequence[Mapping[str, Any]], axis: str) -> Mapping[str, Any]:
    shared = {"gridcolor": _GRID, "zeroline": False, "automargin": True, "ticks": "outside", "tickcolor": _GRID}
    layout = {
        "xaxis": {**shared, "title": {"text": "step", "standoff": 8}, "tickformat": "~s", "nticks": 6},
        "yaxis": {
            **shared,
            "title": {"text": html.escape(axis, quote=False), "standoff": 8},
            "nticks": 6,
            "exponentformat": "e",
            "rangemode": "tozero",
        },
        "margin": {"l": 8, "r": 24, "t": 8, "b": 8},
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#222"},
        "plot_bgcolor": "#fff",
        "paper_bgcolor": "#fff",
        "showlegend": False,
        "hovermode": "closest",
    }
    return {"data": list(traces), "layout": layout}


def _page(lines: Sequence[Line], name: str) -> str:
    drawn = figures(lines)
    # A script of JSON ends at the first '</', whatever stands around it.
    document = json.dumps(list(drawn.values()), allow_nan=False).replace("<", "\\u003c")
    panels = "\n".join(_panel(heading, figure["data"]) for heading, figure in drawn.items())
    told = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in _sentences(lines))
    title = html.escape(f"Training of {name}")
    return _PAGE.format(title=title, told=told, panels=panels, document=document, plotly=PLOTLY)


def _panel(heading: str, traces: Sequence[Mapping[str, Any]]) -> str:
    """Return a figure's place, below a legend where it has several curves: plotly's own would not break long names."""
    # Names are escaped for plotly already.
    named = [f'<li style="color: {trace["line"]["color"]}">{trace["name"]}</li>' for trace in traces]
    legend = f'<ul class="legend">{"".join(named)}</ul>' if heading.startswith("Scores") else ""
    place = f'<div class="figure" role="img" aria-label="{html.escape(heading)} by step"></div>'
    return f"<section><h2>{html.escape(heading)}</h2>{legend}{place}</section>"


def _sentences(lines: Sequence[Line]) -> Iterable[str]:
    last = lines[-1]
    loss = "not finite" if last["loss"] is None else f"{last['loss']:.4g}"
    yield f"{last['step']:,} steps; the last one's loss is {loss}."
    if last["skipped"]:
        yield f"{last['skipped']:,} steps changed nothing, because their gradients were not finite."
    if last["broken"]:
        yield f"{last['broken']:,} images could not be decoded."
    for score in _last_scores(lines):
        yield f"{_name(score)}: {_value(score)} at the last evaluation, n = {score['n']:,}."
    for name, (problem, step) in _failed(lines).items():
        yield f"{name} could not be evaluated at step {step:,}: {problem}"
    size = -(-len(lines) // MOST)
    if size > 1:
        yield f"Each point is the mean of {size:,} steps."


def _value(score: Line) -> str:
    if score.get("value") is None:
        return "undefined"
    return f"{100 * score['value']:.1f} %" if score["unit"] == "fraction" else f"{score['value']:.4g}"


def _last_scores(lines: Sequence[Line]) -> Sequence[Line]:
    found = {_name(score): score for line in lines for score in line.get("scores", ()) if "metric" in score}
    return list(found.values())


def _failed(lines: Sequence[Line]) -> Mapping[str, tuple[str, int]]:
    """Return by what was to be measured on why the last evaluation that failed did, and when."""
    scores = [(line["step"], score) for line in lines for score in line.get("scores", ())]
    return {measured_on(score): (score["problem"], step) for step, score in scores if "problem" in score}


_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 0 auto; max-width: 1200px; padding: 16px; font: 15px/1.5 system-ui, sans-serif; color: #222; }}
h1 {{ font-size: 22px; margin: 0 0 8px; overflow-wrap: anywhere; }}
h2 {{ font-size: 16px; margin: 0 0 4px; }}
ul {{ margin: 0 0 16px; padding-left: 20px; overflow-wrap: anywhere; }}
main {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 24px 16px; }}
section {{ min-width: 0; display: flex; flex-direction: column; }}
.legend {{ margin: 0; font-size: 14px; }}
.figure {{ height: 320px; margin-top: auto; }}
</style>
</head>
<body>
<h1>{title}</h1>
<ul>{told}</ul>
<main>
{panels}
</main>
<script id="figures" type="application/json">{document}</script>
<script src="{plotly}"></script>
<script>
const drawn = JSON.parse(document.getElementById("figures").textContent);
document.querySelectorAll(".figure").forEach((place, number) => {{
  Plotly.newPlot(place, drawn[number].data, drawn[number].layout, {{responsive: true, displayModeBar: false}});
}});
</script>
</body>
</html>
"""
