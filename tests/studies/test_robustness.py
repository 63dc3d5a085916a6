"""Runs of the robustness study: classes matched, accuracies known, findings made."""

from __future__ import annotations

import pytest

from clipbench.analyses.run import analyse
from clipbench.results.folder import load_results
from clipbench.suite.loading import load_suite

from ..conftest import user_error

SUITE = """
datasets:
  near: {{adapter: folder, path: near, regime: benchmark, prompts: class-name}}
  far: {{adapter: folder, path: far, regime: shift, prompts: class-name}}
  farther: {{adapter: folder, path: farther, prompts: class-name}}
tasks:
  - task: robustness
    reference: near
    shifts: [{shifts}]
    {more}
"""
NEAR = {
    "red": ["red"] * 8 + ["green"] * 2,
    "green": ["green"] * 9 + ["red"],
    "blue": ["blue"] * 5 + ["red"] * 5,
    "yellow": ["yellow"] * 10,
}
TWO_CLASSES = {"red": ["red"] * 6, "green": ["green"] * 6}


@pytest.fixture
def study(workplace):
    """Paint the reference and shifts and run the study of them."""

    def run(more="", *, shifts=("far",), output=None, **painted):
        for name, classes in {"near": NEAR, **painted}.items():
            if not (workplace.folder / name).exists():
                workplace.paint(name, classes)
        text = SUITE.format(shifts=", ".join(shifts), more=more)
        return workplace.run(text, **({"output": output} if output else {}))

    return run


def test_both_sides_are_classified_among_the_classes_that_both_have(workplace, study, values):
    far = {"red": ["red"] * 6 + ["blue"] * 4, "green": ["green"] * 3 + ["red"] * 7, "mauve": ["red"]}
    results = study(far=far)
    found = workplace.on_shift("far")
    numbers = values(found)
    # Among red and green alone: 17 of 20 near, and of 20 far 9; blue images are a tie of the two, which is wrong.
    assert numbers["reference_top1"] == pytest.approx(17 / 20)
    assert numbers["shift_top1"] == pytest.approx(9 / 20)
    assert numbers["gap"] == pytest.approx(8 / 20)
    assert numbers["relative_gap"] == pytest.approx(8 / 17)
    assert numbers["logit_gap"] == pytest.approx(1.8005, abs=1e-4)  # ln(17.5 / 3.5) - ln(9.5 / 11.5), by hand
    gap = found.record("gap")
    assert (gap.main, gap.interval, gap.params["class_names"]) == (True, "square-and-add", "")
    assert gap.low < gap.value < gap.high
    assert found.tables["unmatched_classes"].rows == (("blue", "near"), ("yellow", "near"), ("mauve", "far"))
    assert any("left out: 2 of near, 1 of far" in note for note in found.notes)
    assert any(note.startswith("No baseline: ") for note in found.notes)

    jobs = {(job.dataset, job.matched): job for job in results.jobs()}
    assert set(jobs) == {("near", ""), ("near", "far"), ("far", "near")}
    assert values(jobs["near", ""])["top1"] == pytest.approx(32 / 40)
    assert list(results.wide().columns) == ["near"]


def test_equal_class_lists_need_no_jobs_of_their_own_and_are_told_of_once(workplace, study, values):
    results = study(far={name: ["red"] * 10 for name in NEAR})
    assert [(job.dataset, job.matched) for job in results.jobs()] == [("far", ""), ("near", "")]
    assert [result.dataset for result, _ in workplace.told.results] == ["near", "far"]
    assert sorted(results.wide().columns) == ["far", "near"]
    assert values(workplace.on_shift("far"))["shift_top1"] == 0.25


def test_a_second_run_computes_nothing_and_a_suite_without_the_study_drops_its_findings(workplace, study):
    study(far=TWO_CLASSES)
    first = workplace.findings("robustness")
    assert len({finding.hash for finding in first}) == 2
    study(far=TWO_CLASSES)
    assert all(again for _, again in workplace.told.results)
    assert workplace.told.embedded == []
    assert workplace.findings("robustness") == first
    plain = SUITE.format(shifts="far", more="").split("tasks:")[0] + "tasks:\n  - {task: zero_shot, datasets: near}\n"
    workplace.run(plain)
    assert not workplace.findings("robustness")


@pytest.mark.parametrize("names", ["own", "shift"])
def test_a_table_says_which_class_is_which_and_whose_names_the_reference_has(workplace, study, values, names):
    classes = "classes: {far: {red thing: red, plant: [green, yellow]}}\n    prompts: 'a {}'"
    results = study(f"{classes}\n    names: {names}", far={"red thing": ["red"] * 4, "plant": ["green"] * 4})
    numbers = values(workplace.on_shift("far"))
    assert workplace.on_shift("far").record("gap").params["class_names"] == names
    (reference,) = (job for job in results.jobs() if (job.dataset, job.matched) == ("near", "far"))
    prompts = {"own": ["a green", "a yellow", "a red"], "shift": ["a plant"]}[names]
    assert [row[1] for row in reference.tables["prompts"].rows] == prompts
    # 'plant' is no colour word, so its prompt is nearest to nothing but the constant rest: no image of it is told apart
    # from 'a red thing' unless it is red.
    assert numbers["shift_top1"] == pytest.approx(1.0)
    assert numbers["reference_top1"] == pytest.approx((8 + 9 + 10) / 30)


def test_both_namings_stand_side_by_side(workplace, study):
    far = {"red thing": ["red"] * 4, "plant": ["green"] * 4}
    classes = "classes: {far: {red thing: red, plant: [green, yellow]}}\n    prompts: 'a {}'"
    other = "\n  - {task: robustness, reference: near, shifts: [far], names: shift, prompts: 'a {}', "
    study(classes + other + "classes: {far: {red thing: red, plant: [green, yellow]}}}", far=far)
    single = [found for found in workplace.findings("robustness") if not found.about.averaged]
    assert sorted((found.about.prompts, found.record("gap").params["class_names"]) for found in single) == [
        ("a {}", "own"),
        ("a {}", "shift"),
    ]


def test_sets_without_a_common_class_fail_and_the_reference_alone_finishes(workplace, study):
    results = study(far={"mauve": ["red"] * 3, "teal": ["blue"] * 3})
    failed = {(job.dataset, job.matched): job.error for job in results.jobs() if job.status == "failed"}
    assert set(failed) == {("near", "far"), ("far", "near")}
    assert all(error.startswith("far against near: no class has the same name in both") for error in failed.values())
    assert [job.dataset for job in results.jobs() if job.status == "done"] == ["near"]
    assert not workplace.findings("robustness")


def test_the_worst_of_several_shifts_and_their_mean(workplace, study, values):
    far = {name: [name] * 5 + ["red"] * 5 for name in NEAR}
    study(shifts=("far", "farther"), far=far, farther={name: ["red"] * 10 for name in NEAR})
    summary = workplace.over_shifts()
    assert (summary.about.datasets, summary.about.reference) == (("far", "farther"), "near")
    assert summary.verdict == "higher"
    numbers = values(summary)
    assert numbers["mean_shift_top1"] == pytest.approx((25 / 40 + 10 / 40) / 2)
    assert numbers["mean_gap"] == pytest.approx(32 / 40 - (25 / 40 + 10 / 40) / 2)
    assert numbers["worst_shift_top1"] == 0.25
    assert summary.record("worst_shift_top1").params["dataset"] == "farther"


def test_a_shift_that_failed_is_named_as_missing_from_the_mean(workplace, study, values):
    study(shifts=("far", "farther"), far=NEAR)
    assert "Not in the mean, since a job is missing or failed: farther." in workplace.over_shifts().notes
    # A tie in accuracy is no gap.
    numbers = values(workplace.on_shift("far"))
    assert (numbers["gap"], numbers["relative_gap"], numbers["logit_gap"]) == (0, 0, 0)
    assert {result.verdict for result in workplace.findings("robustness")} == {"not_distinguishable"}


def test_a_shift_that_comes_later_mends_its_failures(study):
    results = study()
    failed = {(job.dataset, job.matched) for job in results.jobs() if job.status == "failed"}
    assert failed == {("near", "far"), ("far", "near")}
    jobs = study(far={name: [name] * 3 for name in NEAR}).jobs()
    assert {(job.dataset, job.matched, job.status) for job in jobs} == {("near", "", "done"), ("far", "", "done")}


def test_a_limit_counts_for_both_sides_and_is_kept_apart(workplace, study):
    study("limit: 8", far=TWO_CLASSES)
    found = workplace.on_shift("far")
    assert (found.about.subset, found.about.limit) == ("limit 8", 8)
    assert (found.record("reference_top1").n, found.record("shift_top1").n) == (4, 8)


def test_several_prompt_sets_make_a_comparison_each(workplace, study):
    study("prompts: ['a {}', 'some {} thing']", far=TWO_CLASSES)
    prompts = [result.about.prompts for result in workplace.findings("robustness")]
    assert sorted(prompts) == ["a {}", "a {}", "some {} thing", "some {} thing"]


def test_merged_runs_compare_as_one(study, tmp_path):
    study(far=TWO_CLASSES, output=tmp_path / "one")
    study("relative_to: other", output=tmp_path / "two")
    merged = load_results(tmp_path / "one", tmp_path / "two")
    assert len(merged.analyses) == 2
    assert {result.about.dataset for result in analyse(merged) if result.analysis == "robustness"} == {"far"}


SCENES = """
datasets:
  drawn: {adapter: scenes, by: colour, n: 60, prompts: class-name}
  grainy: {adapter: scenes, by: colour, n: 60, styles: noise, prompts: class-name}
tasks:
  - task: robustness
    reference: drawn
    shifts: [grainy]
    fitted_head: true
"""


@pytest.mark.slow
def test_a_head_fitted_on_the_reference_stands_beside_zero_shot_and_is_fitted_once(workplace, values, monkeypatch):
    from clipbench.tasks.probe import wise_ft

    fits = []
    fit = wise_ft.fit_from
    monkeypatch.setattr(wise_ft, "fit_from", lambda *given, **more: fits.append(1) or fit(*given, **more))
    results = workplace.run(SCENES)
    assert len(fits) == 1
    zero_shot = {job.dataset: values(job)["top1"] for job in results.jobs() if job.task == "zero_shot"}
    heads = {job.dataset: job for job in results.jobs() if job.task == "wise_ft"}
    assert heads["grainy"].trained_on == "drawn"
    assert heads["drawn"].trained_on == ""
    assert heads["grainy"].pedigree.training == heads["drawn"].pedigree.training
    assert {name.split()[0] for name in results.wide().columns} == {"drawn", "grainy"}
    assert len(results.wide().columns) == 3  # the head under shift is no number of the data set itself
    (finding,) = workplace.findings("robustness_pair")
    assert finding.about.n_train == heads["drawn"].main.params["n_train"] > 0
    (row,) = finding.tables["pair"].dicts()
    assert row["first_top1"] == zero_shot["grainy"]
    assert row["gap_first"] == pytest.approx(zero_shot["drawn"] - zero_shot["grainy"])
    fitted = values(heads["drawn"])["fitted_top1"]
    assert values(finding)["reference_gain"] == pytest.approx(fitted - zero_shot["drawn"])
    curve = finding.tables["interpolation"].dicts()
    assert (curve[0]["alpha"], curve[0]["reference_top1"]) == (0, zero_shot["drawn"])
    assert curve[-1]["mean_shift_top1"] == row["second_top1"]


@pytest.mark.parametrize(
    ("shifts", "more", "message"),
    [
        ("far", "classes: {near: {a: b}}", "`classes` names 'near', which is none of the shifts"),
        ("far", "classes: {far: objectne}", "did you mean 'objectnet'?"),
        ("far", "continuity: 2", "continuity"),
        ("far, imagenet-o", "", "(AUROC), and no accuracy gap can be made of it"),
        ("far", "datasets: [near]", "unknown key"),
        ("far, near", "", "'near' is both the reference and a shift"),
    ],
)
def test_what_is_wrong_in_the_suite_is_said_with_its_line(tmp_path, shifts, more, message):
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE.format(shifts=shifts, more=more))
    error = str(user_error(load_suite, path))
    assert message in error
    assert f"{path}:" in error


def test_only_a_shift_keeps_its_reference_and_only_the_reference_keeps_no_shift(workplace):
    workplace.paint("near", NEAR)
    path = workplace.folder / "suite.yaml"
    path.write_text(SUITE.format(shifts="far", more=""))
    suite = load_suite(path)
    assert set(suite.only(["far"]).datasets) == {"near", "far"}
    assert [job.dataset for job in suite.only(["near"]).tasks[0].jobs()] == ["near"]
    assert suite.only(["near"]).analyses == suite.analyses
