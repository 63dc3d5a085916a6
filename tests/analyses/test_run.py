"""When analyses are made, and where they are kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from clipbench.analyses import registry
from clipbench.analyses.base import AnalysisSettings, Finding
from clipbench.analyses.run import analyse
from clipbench.errors import UserError
from clipbench.results.folder import load_results
from clipbench.results.records import Subject
from clipbench.tasks.base import Metric

from .conftest import MadeUp, found


def kept(world: MadeUp) -> Path:
    return world.results.folder / "analyses" / "probe_vs_zero_shot.json"


@pytest.fixture
def both(made_up) -> MadeUp:
    """A zero-shot job and a probe."""
    made_up.zero_shot()
    made_up.probe()
    return made_up


def test_a_job_that_was_added_makes_them_anew_and_one_of_another_task_does_not(both):
    assert len(found(both.results)) == 1
    both.zero_shot(0.5, prompts="class-name")
    assert len(found(both.results)) == 2
    before = kept(both).stat().st_mtime_ns
    both.head("retrieval", 0.5)
    analyse(both.results)
    assert kept(both).stat().st_mtime_ns == before


def test_a_result_about_a_job_that_was_replaced_is_gone(both):
    analyse(both.results)
    later = both.probe(0.7, finished="2")
    assert both.results.analysis_results() == ()
    (result,) = analyse(both.results)
    assert result.jobs[1] == later
    assert both.results.analysis_results() == (result,)


def test_results_stand_in_the_tidy_table_and_not_in_the_wide_one(both):
    analyse(both.results)
    results = load_results(both.results.folder)
    rows = results.frame[results.frame["analysis"]]
    assert set(rows["task"]) == {"probe_vs_zero_shot"}
    assert "top1_difference" in set(rows["metric"])
    assert results.wide().shape == (1, 2)


def test_folders_are_analysed_together_without_being_touched(made_up, another):
    made_up.zero_shot()
    other = another("other")
    other.probe()
    assert analyse(made_up.results) == analyse(other.results) == ()  # without the jobs that it needs
    (result,) = analyse(load_results(made_up.results.folder, other.results.folder))
    assert result.records
    assert [kept(world).exists() for world in (made_up, other)] == [False, False]


def test_what_one_of_several_folders_keeps_is_said_once_and_not_made_again(both, tmp_path):
    copy = shutil.copytree(both.results.folder, tmp_path / "copy")
    (result,) = analyse(both.results)
    shutil.rmtree(both.results.folder / "examples")
    assert analyse(both.results) == (result,)
    for folders in ((both.results.folder, copy), (copy, both.results.folder)):
        merged = load_results(*folders)
        assert analyse(merged) == merged.analysis_results() == (result,)


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"PAR1")])
def test_an_examples_file_that_cannot_be_read_costs_its_own_result_until_it_is_back(made_up, damage):
    for model in ("m", "other"):
        made_up.zero_shot(model=model)
        made_up.probe(model=model)
    path = made_up.results.examples_path(made_up.results.jobs()[0].hash)
    content = path.read_bytes()
    damage(path)
    lost, whole = found(made_up.results)
    assert (lost.about.model, lost.records) == ("m", ())
    assert lost.notes[0].startswith(f"Not compared: {path}: ")
    assert lost.notes[0].endswith(f"delete {made_up.results.job_path(path.stem)} and run again.")
    assert whole.records
    assert lost in made_up.results.analysis_results()
    path.write_bytes(content)
    assert all(result.records for result in found(made_up.results))


class Nonsense:
    """An analysis that breaks, or whose number is none."""

    name = "nonsense"
    protocol = 1
    tasks = ("zero_shot",)
    automatic = True
    Settings = AnalysisSettings

    def analyse(self, evidence, settings):
        (job,) = evidence.jobs
        return [Finding(Subject((job.model,)), (Metric("nothing", float(job.prompts), 1),), jobs=(job.hash,))]


@pytest.mark.parametrize(
    ("path", "prompts", "error"),
    [
        (f"{__name__}:Nonsense", "photo", "unexpected ValueError: could not convert"),
        (f"{__name__}:Nonsense", "nan", "unexpected ValueError: Out of range float"),
        ("clipbench.analyses.gone:Gone", "photo", "cannot import 'clipbench.analyses.gone'"),
    ],
)
def test_an_analysis_that_breaks_fails_alone(made_up, monkeypatch, path, prompts, error):
    monkeypatch.setitem(registry.ANALYSES, "nonsense", path)
    made_up.zero_shot(prompts=prompts)
    made_up.probe()
    whole, broken = analyse(made_up.results)
    assert (whole.analysis, whole.status) == ("probe_vs_zero_shot", "done")
    assert (broken.analysis, broken.status, broken.records) == ("nonsense", "failed", ())
    assert broken.error.startswith(error)
    assert ("ValueError" in broken.traceback) == ("ValueError" in error)
    assert made_up.results.analysis_results() == (whole,)


def test_a_damaged_file_is_made_again(both):
    whole = analyse(both.results)
    kept(both).write_text("{")
    with pytest.raises(UserError, match=r"is not what an analysis found .*; delete the file to have it made again"):
        both.results.analysis_results()
    assert analyse(both.results) == both.results.analysis_results() == whole
