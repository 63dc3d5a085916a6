"""The plan in a terminal: one line a job."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from clipbench.cli.plan import print_plan

SUITE = """
name: planned
datasets:
  leaf-photographs-of-the-botanical-garden-by-season-and-weather: {adapter: scenes, by: colour, n: 30}
  few: {adapter: scenes, by: colour, n: 30}
tasks:
  - task: zero_shot
    datasets: [leaf-photographs-of-the-botanical-garden-by-season-and-weather, few]
    prompts:
      - "a photo of a {} thing in the garden, in autumn, when it rains."
      - "a photo of a {} thing in the garden, in winter, when it snows."
"""


def printed(runner, width: int, **options: object) -> list[str]:
    console = Console(file=StringIO(), width=width, **options)  # type: ignore[arg-type]
    print_plan(console, runner.plan())
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_a_job_is_one_line_in_80_columns_and_told_from_the_others(make_runner):
    lines = printed(make_runner(SUITE), 80, force_terminal=True, no_color=True)
    jobs = [line for line in lines if "…" in line]
    assert len(jobs) == 4
    assert all(len(line) <= 80 for line in jobs)
    assert len({line.strip().split("  ")[0] for line in jobs}) == 4
    assert jobs[0].startswith("  leaf-photographs-of-the-")
    assert "when it rains." in jobs[0]
    assert jobs[0].split()[-4:-2] == ["30", "8"]
    assert [line.rstrip() for line in lines[lines.index(jobs[0]) - 1 :][:1]] == ["colour_words_model:ColourWords"]


def test_where_there_is_no_terminal_names_are_whole_and_nothing_controls_one(make_runner):
    text = "\n".join(printed(make_runner(SUITE), 80))
    assert "leaf-photographs-of-the-botanical-garden-by-season-and-weather · zero_shot" in text
    assert "…" not in text
    assert "\x1b" not in text


def test_a_first_guess_of_the_time_says_that_it_is_one(make_runner):
    runner = make_runner(SUITE)
    model = runner.models[0]
    for guess in (True, False):
        rates = {"images": 0.5, "texts": 1.0, "guess": guess}
        model.rates = lambda rates=rates: rates
        assert ("a first guess" in printed(runner, 200)[-1]) is guess
