"""When analyses are made, and where they are kept."""

import shutil

import pytest

from clipbench.analyses import registry
from clipbench.analyses.base import AnalysisSettings, Finding
from clipbench.analyses.run import analyse
from clipbench.results.folder import load_results
from clipbench.tasks.base import Metric


def kept(world):
    return world.results.folder / "analyses" / "probe_vs_zero_shot.json"


def test_without_the_jobs_that_it_needs_nothing_is_found_or_written(made_up):
    made_up.zero_shot()
    assert analyse(made_up.results) == ()
    assert not kept(made_up).exists()


def test_findings_are_made_once_and_read_afterwards(made_up):
    made_up.zero_shot()
    made_up.probe()
    first = analyse(made_up.results)
    for path in (made_up.results.folder / "examples").glob("*.parquet"):
        path.unlink()
    assert analyse(made_up.results) == first


def test_a_job_that_was_added_makes_them_anew(made_up):
    made_up.zero_shot()
    made_up.probe()
    assert len(analyse(made_up.results)) == 1
    made_up.zero_shot(0.5, variant="class-name")
    assert len(analyse(made_up.results)) == 2


def test_a_job_of_another_task_does_not(made_up):
    made_up.zero_shot()
    made_up.probe()
    analyse(made_up.results)
    before = kept(made_up).stat().st_mtime_ns
    made_up.write("knn", "", 0.5)
    analyse(made_up.results)
    assert kept(made_up).stat().st_mtime_ns == before


def test_a_finding_about_a_job_that_was_replaced_is_gone(made_up):
    made_up.zero_shot()
    made_up.probe(0.8)
    analyse(made_up.results)
    made_up.probe(0.7, finished="2")
    assert made_up.results.findings() == ()
    (finding,) = analyse(made_up.results)
    assert finding.about["jobs"][1].endswith("-2")
    assert made_up.results.findings() == (finding,)


def test_findings_stand_in_the_tidy_table_and_not_in_the_wide_one(made_up):
    made_up.zero_shot()
    made_up.probe()
    analyse(made_up.results)
    results = load_results(made_up.results.folder)
    found = results.frame[results.frame["analysis"]]
    assert set(found["task"]) == {"probe_vs_zero_shot"}
    assert "top1_difference" in set(found["metric"])
    assert results.wide().shape == (1, 2)


def test_folders_are_analysed_together_without_being_touched(made_up, another):
    made_up.zero_shot()
    other = another("other")
    other.probe()
    assert analyse(made_up.results) == analyse(other.results) == ()
    (finding,) = analyse(load_results(made_up.results.folder, other.results.folder))
    assert finding.records
    assert not kept(made_up).exists()
    assert not kept(other).exists()


def test_folders_with_the_same_jobs_say_it_once(made_up, another):
    other = another("other")
    for world in (made_up, other):
        world.zero_shot()
        world.probe()
        analyse(world.results)
    both = load_results(made_up.results.folder, other.results.folder)
    assert both.findings() == made_up.results.findings()
    assert len(both.findings()) == 1


def test_what_one_of_several_folders_keeps_is_not_made_again(made_up, another):
    made_up.zero_shot()
    made_up.probe()
    (finding,) = analyse(made_up.results)
    other = another("other")
    other.write("knn", "", 0.5)
    shutil.rmtree(made_up.results.folder / "examples")
    assert analyse(load_results(other.results.folder, made_up.results.folder)) == (finding,)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"PAR1")])
def test_an_examples_file_that_cannot_be_read_costs_its_own_finding_until_it_is_back(made_up, damage):
    made_up.zero_shot()
    path = made_up.results.examples_path(made_up.probe())
    made_up.zero_shot(model="other")
    made_up.probe(model="other")
    content = path.read_bytes()
    damage(path)
    lost, found = analyse(made_up.results)
    assert (lost.model, lost.records) == ("m", ())
    assert lost.notes[0].startswith(f"Not compared: {path}: ")
    assert lost.notes[0].endswith(f"delete {made_up.results.job_path(path.stem)} and run again.")
    assert found.records
    assert made_up.results.findings() == (lost, found)
    path.write_bytes(content)
    assert all(finding.records for finding in analyse(made_up.results))


class Nonsense:
    """An analysis that breaks, or whose number is none."""

    name = "nonsense"
    protocol = 1
    tasks = ("zero_shot",)
    Settings = AnalysisSettings

    def analyse(self, evidence, settings):
        value = float(evidence.jobs[0].variant)
        return [Finding({"model": "m"}, (Metric("nothing", value, 1),), jobs=(evidence.jobs[0].hash,))]


@pytest.mark.parametrize(
    ("variant", "error"),
    [("photo", "unexpected ValueError: could not convert"), ("nan", "unexpected ValueError: Out of range float")],
)
def test_an_analysis_that_breaks_fails_alone(made_up, monkeypatch, variant, error):
    monkeypatch.setitem(registry.ANALYSES, "nonsense", f"{__name__}:Nonsense")
    made_up.zero_shot(variant=variant)
    made_up.probe()
    found, broken = analyse(made_up.results)
    assert (found.task, found.status) == ("probe_vs_zero_shot", "done")
    assert (broken.task, broken.status) == ("nonsense", "failed")
    assert broken.error.startswith(error)
    assert "ValueError" in broken.provenance["traceback"]
    assert made_up.results.findings() == (found,)


def test_an_analysis_that_cannot_be_imported_fails_alone(made_up, monkeypatch):
    monkeypatch.setitem(registry.ANALYSES, "gone", "clipbench.analyses.gone:Gone")
    made_up.zero_shot()
    made_up.probe()
    found, broken = analyse(made_up.results)
    assert (found.status, broken.status) == ("done", "failed")
    assert "clipbench.analyses.gone" in broken.error


def test_a_damaged_file_is_named(made_up):
    made_up.zero_shot()
    made_up.probe()
    analyse(made_up.results)
    kept(made_up).write_text("{")
    (broken,) = analyse(made_up.results)
    assert broken.status == "failed"
    assert broken.error.startswith(f"{kept(made_up)}: cannot be read as JSON")
    assert broken.error.endswith("delete it and run again")
    kept(made_up).unlink()
    assert analyse(made_up.results)[0].status == "done"
