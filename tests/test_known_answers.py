"""The command line reproduces published or independently measured numbers on real images."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipbench.results.folder import load_results
from clipbench.tasks.base import Condition

from .conftest import CommandLine, output_of

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]


def frames(folder: Path):
    """Values of zero-shot and retrieval by data set and metric, main records of the others by task and variant."""
    results = load_results(folder)
    jobs = {(job.task, job.variant): job for job in results.jobs() if job.plain}
    frame = results.frame
    plain = frame[frame["task"].isin(["zero_shot", "retrieval"]) & (frame["matched"] == "")]
    return plain.set_index(["dataset", "metric"])["value"], jobs, results


def test_cifar_10_imagenet_and_flickr_samples(clipbench: CommandLine, shared_data: Path, tmp_path: Path):
    templates = (shared_data / "templates" / "cifar.txt").read_text().split("\n")
    listed = "\n".join(f"        - {template.replace('{c}', '{}')}" for template in templates if template)
    suite = tmp_path / "known.yaml"
    suite.write_text(f"""
name: known
datasets:
  cifar: {{adapter: hf, path: {shared_data / "cifar10"}}}
  imagenet-sample: {{adapter: webdataset, path: {shared_data / "imagenet_sample"}}}
  flickr-sample: {{adapter: webdataset, path: {shared_data / "flickr8k_sample"}}}
  elsewhere: {{adapter: folder, path: {shared_data / "cifar10_shift"}}}
tasks:
  - task: robustness
    reference: cifar
    shifts: [elsewhere]
    prompts:
      - name: the 18 of the CLIP repository
        templates:
{listed}
  - task: linear_probe
    datasets: [cifar]
    features: [pre_projection, projected]
  - {{task: linear_probe, datasets: cifar, C: {10**-3.25}}}
  - {{task: linear_probe, datasets: cifar, features: projected, C: 0.001}}
  - task: knn
    datasets: [cifar]
  - task: zero_shot
    datasets: [imagenet-sample]
  - task: retrieval
    datasets: [flickr-sample]
""")
    model = f"open_clip:local-dir:{shared_data / 'models' / 'cifar-clip'}"
    output_of(clipbench("run", suite, "--model", model))
    frame, jobs, results = frames(tmp_path / "results" / "known")

    # CLIP_benchmark 1.6.2 on the same 10,000 images and templates, float32.
    assert frame["cifar", "top1"] == pytest.approx(0.6733, abs=5e-5)
    assert frame["cifar", "top5"] == pytest.approx(0.9766, abs=5e-5)
    assert frame["cifar", "mean_per_class_recall"] == pytest.approx(0.6733, abs=5e-5)
    # The same by open_clip's own calls, on the seven classes that Tiny-ImageNet has too: 7,000 images beside 2,100.
    made = results.analysis_results()
    (shift,) = (result for result in made if result.analysis == "robustness" and not result.about.averaged)
    shifted = {record.metric: record.value for record in shift.records}
    assert shifted["reference_top1"] == pytest.approx(5141 / 7000, abs=2e-4)
    assert shifted["shift_top1"] == pytest.approx(1182 / 2100, abs=5e-4)
    assert frame["imagenet-sample", "top1"] == pytest.approx(0.025)
    assert frame["imagenet-sample", "top5"] == pytest.approx(0.125)
    assert frame["flickr-sample", "text_to_image_recall_at_5"] == pytest.approx(0.0096)
    assert frame["flickr-sample", "image_to_text_recall_at_5"] == pytest.approx(0.0200)

    # scikit-learn 1.9 on the same 20,000 + 10,000 features in float64: newton-cholesky at a tolerance of 1e-10 for
    # the projected ones, L-BFGS at 1e-6 for the others. At C = 10^-3.25 and 1e-3 all
    # 10,000 predictions were the same; with another number of threads embeddings are rounded otherwise, and one image
    # falls to the other side.
    assert jobs["linear_probe", "C = 0.000562341"].main.value == pytest.approx(0.6808, abs=1.1e-4)
    assert jobs["linear_probe", "projected, C = 0.001"].main.value == pytest.approx(0.6791, abs=1.1e-4)
    probe, projected = jobs["linear_probe", ""].main, jobs["linear_probe", "projected"].main
    assert probe.value == pytest.approx(0.6808, abs=1e-3)
    assert projected.value == pytest.approx(0.6791, abs=1e-3)
    # On 4,000 held-out images neighbours in the grid differ by an image or none.
    assert 2e-4 < probe.params["C"] < 1.1e-3
    assert 4e-4 < projected.params["C"] < 2.5e-3
    assert probe.params["chosen_on"] == "a fifth of train, stratified, seed 0"
    assert probe.params["converged"] is True
    # scikit-learn's KNeighborsClassifier with the same weights: the same 10,000 predictions.
    assert jobs["knn", ""].main.value == pytest.approx(0.6690, abs=2e-4)
    conditions = {result.about.condition: result for result in made if result.analysis == "probe_vs_zero_shot"}
    difference = conditions[Condition()].record("top1_difference")
    assert difference.value == pytest.approx(0.6808 - 0.6733, abs=1.2e-3)
    assert difference.low > 0

    stored = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.safetensors")}
    again = clipbench("run", suite, "--model", model)
    assert "10 jobs, 0 to do" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.safetensors")} == stored


def test_a_randomly_initialised_vit_b_32_is_probed_as_scikit_learn_would(
    clipbench: CommandLine, shared_data: Path, tmp_path: Path
):
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file(open_clip.create_model("ViT-B-32", pretrained=None).state_dict(), tmp_path / "random.safetensors")
    suite = tmp_path / "random.yaml"
    suite.write_text(f"""
name: random
datasets:
  cifar: {{adapter: hf, path: {shared_data / "cifar10"}}}
tasks:
  - {{task: linear_probe, datasets: cifar, C: 0.1}}
  - {{task: linear_probe, datasets: cifar, C: 0.1, solver: scikit-learn}}
""")
    model = f"open_clip:ViT-B-32@{tmp_path / 'random.safetensors'}"
    output_of(clipbench("run", suite, "--model", model, "--limit", "100"))
    results = load_results(tmp_path / "results" / "random")
    ours, theirs = (results.examples(job.hash).set_index("id")["prediction"] for job in results.jobs())
    # Random features tell ten classes apart somewhat better than chance, and both find the same head.
    assert (ours == theirs.loc[ours.index]).mean() >= 0.97
    assert 0.1 < (results.jobs()[0].main.value) < 0.6
