"""When analyses are made, and where they are kept."""

import pytest

from clipbench.analyses.run import analyse
from clipbench.results import load_results


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


def test_an_analysis_that_breaks_fails_alone(made_up):
    made_up.zero_shot()
    name = made_up.probe()
    made_up.results.examples_path(name).unlink()
    (finding,) = analyse(made_up.results)
    assert finding.status == "failed"
    assert finding.error.startswith("FileNotFoundError")
    assert not kept(made_up).exists()


def test_a_damaged_file_is_named(made_up):
    from clipbench.errors import UserError

    made_up.zero_shot()
    made_up.probe()
    analyse(made_up.results)
    kept(made_up).write_text("{")
    with pytest.raises(UserError, match=r"probe_vs_zero_shot\.json"):
        analyse(made_up.results)
