"""The examples run for real: each through the runner, with a small suite of its own."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import PIL.Image
import pytest
import torch

import clipbench as package
from clipbench.datasets.catalog import catalog_definitions, open_dataset
from clipbench.datasets.decoding import decode
from clipbench.models.base import ImageTextModel
from clipbench.models.catalog import find_model
from clipbench.results.folder import Results
from clipbench.results.records import JobResult
from clipbench.runs.runner import Runner
from clipbench.tasks.base import SAMPLE

from .conftest import user_error

MODEL = "colour_words_model:ColourWords"


@pytest.fixture(autouse=True)
def run(make_runner: Callable[..., Runner]) -> Callable[..., Results]:
    """Run a suite; with this fixture the examples can be imported, as with `PYTHONPATH=examples`."""

    def finish(suite: str, model: str = MODEL) -> Results:
        results = make_runner(suite, models=[model]).run()
        assert (results.folder / "report.html").stat().st_size > 0
        return results

    return finish


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which an example's `main` is run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIPBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def jobs_of(results: Results) -> dict[str, JobResult]:
    jobs = results.jobs()
    assert [job.error for job in jobs] == [""] * len(jobs)
    return {job.dataset: job for job in jobs}


def value(job: JobResult, metric: str) -> float:
    return next(record.value for record in job.records if record.metric == metric)


SCENES = """
datasets:
  colours: {adapter: scenes, by: colour, n: 80}
  shapes: {adapter: scenes, by: shape, n: 80}
tasks:
  - task: zero_shot
    datasets: [colours, shapes]
"""


def test_the_model_sees_colours_and_no_shapes(run):
    jobs = jobs_of(run(SCENES))
    assert value(jobs["colours"], "top1") > 0.5
    # To this model all shapes have the same embedding, and a tie is never counted as right.
    assert value(jobs["shapes"], "top1") == 0
    assert "same embedding" in jobs["shapes"].notes[0]


def test_the_model_keeps_the_protocol_of_models():
    model = find_model(MODEL).load("cpu", "float32")
    assert isinstance(model, ImageTextModel)
    assert pickle.loads(pickle.dumps(model.transform)) is model.transform
    red = model.transform(PIL.Image.new("RGB", (90, 60), (225, 25, 35)))
    image = model.encode_images(red[None]).projected
    tokens = model.tokenize(["a red thing", "a blue thing", "a thing", "", "red " * 40])
    texts = model.encode_tokens(tokens.ids)
    cosines = torch.nn.functional.cosine_similarity(image, texts)
    assert cosines.argmax() in (0, 4)
    assert cosines[0] > 0.99 > cosines[1]
    assert (texts.norm(dim=1) > 0).all()
    assert tokens.truncated == (False, False, False, False, True)
    assert torch.equal(model.encode_tokens(tokens.ids[:4, :4]), texts[:4])


PAIR = """
datasets:
  colours: {adapter: scenes, by: colour, n: 400}
tasks:
  - {task: "pair_confusion_task:PairConfusion", datasets: [colours], pair: [orange, brown]}
  - {task: "pair_confusion_task:PairConfusion", datasets: colours, pair: [red, green]}
  - {task: "pair_confusion_task:PairConfusion", datasets: colours, pair: [red, green], prompts: "{}"}
  - {task: zero_shot, datasets: [colours]}
"""


def test_the_task_counts_what_the_pair_is_taken_for(run):
    results = run(PAIR)
    jobs = {job.variant: job for job in results.jobs()}
    assert {job.status for job in jobs.values()} == {"done"}
    assert set(jobs) == {"orange or brown", "red or green", "red or green, {}", "own"}
    examples = results.examples(jobs["own"].hash).set_index("id")
    for pair in (("orange", "brown"), ("red", "green")):
        job = jobs[" or ".join(pair)]
        assert job.task == "pair_confusion"
        (record,) = job.records
        own = results.examples(job.hash).set_index("id")
        assert record.n == len(own) == examples["label_name"].isin(pair).sum()
        assert record.value == pytest.approx(1 - own["correct"].mean())
        assert record.low <= record.value <= record.high
        # Who is nearest to its own class of all is nearer to it than to the other one.
        assert own.loc[examples.loc[own.index, "correct"], "correct"].all()


ONE_PAIR = """
datasets:
  colours: {adapter: scenes, by: colour, n: 40}
tasks:
  - {task: "pair_confusion_task:PairConfusion", datasets: [colours], pair: [orange, brown]}
"""


def test_a_class_that_is_not_there_fails_the_job_with_the_nearest(run):
    (job,) = run(ONE_PAIR.replace("orange", "orage")).jobs()
    assert job.error == "colours: no class 'orage'; did you mean 'orange'?"


@pytest.mark.parametrize(
    ("pair", "message"),
    [("[orange]", "suite.yaml:5: tasks[0].pair"), ("[orange, brown], colour: red", "tasks[0].colour: unknown key")],
)
def test_wrong_settings_are_refused_with_their_place(run, pair: str, message: str):
    assert message in str(user_error(run, ONE_PAIR.replace("[orange, brown]", pair)))


DUPLICATES = """
datasets:
  photographs: {adapter: folder, path: photographs}
tasks:
  - {task: "near_duplicates_task:NearDuplicates", datasets: photographs, cosine: 0.999}
"""


def test_the_task_on_features_finds_what_was_in_the_training_split(run, tmp_path: Path):
    folder = tmp_path / "photographs"
    own_images(folder)
    copies = {f"test/{label}/copy.png": f"train/{label}/3.png" for label in ("circle", "diamond")}
    for copy, source in copies.items():
        shutil.copy(folder / source, folder / copy)
    results = run(DUPLICATES, "clip-tiny")
    (job,) = results.jobs()
    assert (job.task, job.variant, job.error) == ("near_duplicates", "cosine 0.999 with train", "")
    assert (job.main.metric, job.main.n, job.main.value) == ("duplicates", 26, 2 / 26)
    found = [picture for picture in job.pictures if picture["role"] != SAMPLE]
    assert {picture["id"]: picture["caption"] for picture in found} == {
        copy: f"1.000 {source}" for copy, source in copies.items()
    }
    # The nearest by what the image tower gives before the projection, encoded here without the runner.
    model = find_model("clip-tiny").load("cpu", "float32")
    files = {split: sorted((folder / split).rglob("*.png")) for split in ("train", "test")}
    units = {}
    for split, paths in files.items():
        pixels = torch.stack([model.transform(decode(path.read_bytes())) for path in paths])
        with torch.no_grad():
            units[split] = torch.nn.functional.normalize(model.encode_images(pixels).backbone)
    expected = [files["train"][row] for row in (units["test"] @ units["train"].T).argmax(dim=1)]
    found = results.examples(job.hash).sort_values("id")["nearest"]
    assert [folder / name for name in found] == expected


def test_features_that_a_model_lacks_are_refused_before_it_embeds(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    own_images(tmp_path / "photographs")
    monkeypatch.setattr("near_duplicates_task.feature_of", lambda model: "backbone")
    (job,) = run(DUPLICATES).jobs()
    assert job.error == f"{MODEL}: near_duplicates needs backbone features; it gives: projected"


def test_the_analysis_finds_what_every_model_misses_and_its_section_shows_it(run, at_home: Path, monkeypatch):
    metadata = at_home / "site" / "missed-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: missed\nVersion: 1.0\n")
    points = {"analyses": "missed_by_all:MissedByAll", "sections": "missed_by_all:MissedByAllSection"}
    groups = (f"[clipbench.{group}]\nmissed_by_all = {path}\n" for group, path in points.items())
    (metadata / "entry_points.txt").write_text("".join(groups))
    monkeypatch.syspath_prepend(metadata.parent)
    run(SCENES)
    results = run(SCENES, "clip-tiny").all()
    made = {result.about.dataset: result for result in results.analysis_results() if result.analysis == "missed_by_all"}
    jobs = [job for job in results.jobs() if job.dataset == "shapes"]
    tables = [results.examples(job.hash).set_index("id") for job in jobs]
    missed = ~(tables[0]["correct"] | tables[1].loc[tables[0].index, "correct"])
    assert made["shapes"].about.models == (jobs[0].model, jobs[1].model)
    assert made["shapes"].record("missed").value == missed.mean()
    assert {row["id"] for row in made["shapes"].tables["images"].dicts()} == set(missed.index[missed])
    page = (results.folder / "report.html").read_text()
    section = page.split('id="missed_by_all"')[1]
    assert "of 80 images are missed by all 2 models." in section
    assert "<dt>missed by all:</dt>" in page


LEAVES = """
datasets:
  leaves: {adapter: "leaves_dataset:Leaves", path: data/leaves}
tasks:
  - {task: zero_shot, datasets: [leaves], prompts: ["a {} leaf."]}
"""


def test_the_data_set_reads_classes_from_file_names(run, tmp_path: Path):
    folder = tmp_path / "data" / "leaves"
    folder.mkdir(parents=True)
    colours = {"green": (40, 160, 60), "yellow": (245, 225, 40)}
    for name, colour in colours.items():
        for number in range(3):
            PIL.Image.new("RGB", (30, 20), colour).save(folder / f"{name}-{number}.jpg", quality=95)
    results = run(LEAVES)
    job = jobs_of(results)["leaves"]
    assert (job.main.metric, job.main.value, job.main.n) == ("top1", 1.0, 6)
    assert sorted(results.examples(job.hash)["id"]) == sorted(f"{name}-{n}.jpg" for name in colours for n in range(3))


def own_images(folder: Path) -> None:
    """Write drawn scenes as photographs of one's own: four shapes, 12 of each to learn from and 6 to test on."""
    dataset = open_dataset(catalog_definitions()["scenes-shape"])
    for split, count in (("train", 12), ("test", 6)):
        for label, name in enumerate(dataset.classes[:4]):
            (folder / split / name).mkdir(parents=True)
            examples = (example for shard in dataset.split(split).shards() for example in shard)
            for number, example in enumerate(islice((e for e in examples if e.label == label), count)):
                decode(example.image).save(folder / split / name / f"{number}.png")


@pytest.mark.slow
def test_ones_own_images_are_probed_beside_zero_shot(at_home: Path, capsys: pytest.CaptureFixture[str]):
    from probe_own_images import main

    own_images(at_home / "photographs")
    main("photographs")
    folder = at_home / "results" / "own-images"
    assert (folder / "report.html").stat().st_size > 0
    jobs = {(job.task, job.variant): job for job in package.load_results(folder).jobs()}
    assert {job.error for job in jobs.values()} == {""}
    probe = jobs["linear_probe", ""].main
    assert (probe.n, probe.params["n_train"], probe.params["n_classes"]) == (24, 48, 4)
    assert jobs["few_shot", "8 shots"].main.params["seeds"] == 5
    printed = capsys.readouterr().out
    assert f"{probe.value:.3f}" in printed
    assert "shots_to_match" in printed


def test_a_benchmark_stands_beside_ones_own_photographs(at_home: Path, capsys: pytest.CaptureFixture[str]):
    from benchmark_and_reality import main

    own_images(at_home / "studio")
    own_images(at_home / "field")
    (at_home / "field" / "test" / "diamond").rename(at_home / "field" / "test" / "Diamond")
    shutil.rmtree(at_home / "field" / "test" / "circle")
    main("studio/test", "field/test", MODEL)
    printed = capsys.readouterr().out
    assert "gap" in printed
    assert "No baseline" in printed
    made = package.load_results(at_home / "results" / "benchmark-and-reality").analysis_results()
    (unmatched,) = (result.tables["unmatched_classes"] for result in made if "unmatched_classes" in result.tables)
    assert [row["class"] for row in unmatched.dicts()] == ["circle"]


def test_several_names_are_tried_on_ones_own_photographs(at_home: Path, capsys: pytest.CaptureFixture[str]):
    from names_for_own_classes import main

    own_images(at_home / "shapes")
    main(["shapes/test", "clip-tiny", "circle=disc,ring", "diamond=lozenge"])
    printed = capsys.readouterr().out
    assert "clip-tiny on shapes/test, 24 images" in printed
    (job,) = package.load_results(at_home / "results" / "names-of-test").jobs()
    names = job.tables["names"].frame().set_index("how")
    assert names.loc[["names 1", "names 2"], "names"].tolist() == ["disc, lozenge", "ring"]
    # A ring is a shape of its own to this model: it takes no circle for one.
    assert names.loc["names 2", "top1"] < names.loc["canonical names", "top1"]
    assert "names 2" in printed
    # A failure tells itself, and not what was found before.
    with pytest.raises(SystemExit, match=r"suite\.yaml:.*'cirle' is no class of own; did you mean 'circle'"):
        main(["shapes/test", "clip-tiny", "cirle=disc"])
    with pytest.raises(SystemExit, match="write a class and its other names"):
        main(["shapes/test", "clip-tiny", "circle"])
