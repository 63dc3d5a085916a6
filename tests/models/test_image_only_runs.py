"""Image-only models in a run: a torch module of one's own, which tasks they take part in, which refuse them."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest
import timm
import torch

from clipbench.errors import UserError
from clipbench.models.catalog import find_model
from clipbench.runs.runner import Runner, RunOptions
from clipbench.suite.loading import load_suite

MODULE = '''
import torch
from torch import nn
from torchvision import transforms


class Colours(nn.Module):
    """Mean colours of the quarters of an image."""

    def __init__(self):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.scale = nn.Parameter(torch.ones(12))
        self.transform = transforms.Compose([transforms.Resize((16, 16)), transforms.ToTensor()])

    def forward(self, pixels):
        return self.pool(pixels).flatten(1) * self.scale


def colours():
    return Colours()


def changed(**attributes):
    network = Colours()
    for name, value in attributes.items():
        setattr(network, name, value)
    return network


def Larger():
    return changed(transform=transforms.Compose([transforms.Resize((32, 32)), transforms.ToTensor()]))


def Scaled():
    return changed(scale=nn.Parameter(torch.full((12,), 2.0)))


def FunctionTransform():
    return changed(transform=lambda image: torch.zeros(3, 8, 8))


def HiddenLambda():
    return changed(transform=transforms.Compose([transforms.ToTensor(), transforms.Lambda(lambda pixels: pixels)]))


def NoTransform():
    return changed(transform=None)


def Half():
    return Colours().half()


class Dropped(Colours):
    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.5)

    def forward(self, pixels):
        return self.dropout(super().forward(pixels))


class MethodTransform(nn.Linear):
    def __init__(self):
        super().__init__(3, 3)

    def transform(self, image):
        return torch.zeros(3, 8, 8)


class Map(Colours):
    def forward(self, pixels):
        return self.pool(pixels)
'''
SUITE = """
name: blocks
datasets:
  blocks: {adapter: folder, path: blocks}
tasks:
  - task: zero_shot
    datasets: [blocks]
    prompts: ["a {} block."]
  - task: linear_probe
    datasets: [blocks]
"""


@pytest.fixture
def users(user_module) -> str:
    """The name of the user's module."""
    return user_module(MODULE)


@pytest.fixture
def blocks(tmp_path: Path) -> Path:
    """A folder of small images of two colours, in a train and a test split."""
    generator = torch.Generator().manual_seed(0)
    for split, count in (("train", 12), ("test", 6)):
        for name, channel in (("red", 0), ("blue", 2)):
            folder = tmp_path / "blocks" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = torch.randint(0, 120, (40, 50, 3), generator=generator, dtype=torch.uint8)
                pixels[..., channel] += 100
                PIL.Image.fromarray(pixels.numpy()).save(folder / f"{number}.png")
    (tmp_path / "suite.yaml").write_text(SUITE)
    return tmp_path


@pytest.mark.parametrize("name", ["Colours", "colours"])
def test_a_torch_module_of_ones_own_is_an_image_only_model(name, users):
    source = find_model(f"{users}:{name}")
    model = source.load("cpu", "float32")
    assert (model.info.has_text, model.info.features, model.info.pedigree.tokenizer) == (False, ("backbone",), "")
    image = PIL.Image.new("RGB", (40, 20), (255, 51, 0))
    found = model.encode_images(model.transform(image)[None])
    assert found.projected is None
    assert found.backbone.tolist()[0] == pytest.approx([1.0] * 4 + [0.2] * 4 + [0.0] * 4)


def test_it_is_in_evaluation_mode_and_computes_in_float32(users):
    exact, dropped, half = (
        find_model(f"{users}:{name}").load("cpu", "float32") for name in ("Colours", "Dropped", "Half")
    )
    pixels = torch.rand(2, 3, 16, 16)
    wanted = exact.encode_images(pixels).backbone
    assert torch.equal(dropped.encode_images(pixels).backbone, wanted)
    assert torch.equal(half.encode_images(pixels).backbone, wanted)


def test_its_fingerprint_changes_with_weights_transform_and_code(users, user_module):
    def pedigree(name: str):
        return find_model(f"{users}:{name}").load("cpu", "float32").info.pedigree

    first = pedigree("Colours")
    assert pedigree("colours") == first
    larger, scaled = pedigree("Larger"), pedigree("Scaled")
    assert (larger.weights, larger.transform != first.transform) == (first.weights, True)
    assert (scaled.transform, scaled.weights != first.weights) == (first.transform, True)
    user_module(MODULE.replace("flatten(1) * self", "flatten(1) + self"))
    edited = pedigree("Colours")
    assert (edited.weights, edited.architecture != first.architecture) == (first.weights, True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NoTransform", "NoTransform is a torch module without `transform`"),
        ("FunctionTransform", "FunctionTransform does not say what it does"),
        ("MethodTransform", "MethodTransform does not say what it does"),
        ("HiddenLambda", "HiddenLambda cannot be sent to worker processes"),
    ],
)
def test_a_module_whose_preprocessing_is_not_known_is_refused(name, message, users):
    with pytest.raises(UserError, match=message):
        find_model(f"{users}:{name}").load("cpu", "float32")


def test_a_module_that_does_not_pool_is_refused_when_it_encodes(users):
    model = find_model(f"{users}:Map").load("cpu", "float32")
    message = r"for 2 images the network gives a tensor of shape \(2, 3, 2, 2\), not one vector an image; choose"
    with pytest.raises(UserError, match=message):
        model.encode_images(torch.ones(2, 3, 16, 16))


def test_a_probe_runs_and_zero_shot_refuses_before_anything_is_embedded(blocks, users):
    spec = f"{users}:Colours"
    options = RunOptions(output=blocks / "results", cache=blocks / "cache", device="cpu", workers=2)
    runner = Runner(load_suite(blocks / "suite.yaml"), [spec], options)
    refusal = f"{spec}: zero_shot needs a model that embeds images and texts in one space; choose a CLIP-style model"
    zero_shot, probe = runner.plan().jobs
    assert (zero_shot.problem, zero_shot.new_images) == (refusal, None)
    assert (probe.problem, probe.new_images) == ("", 36)
    found = {job.task: job for job in runner.run().jobs()}
    assert (found["zero_shot"].status, found["zero_shot"].error) == ("failed", refusal)
    assert found["linear_probe"].main is not None
    assert found["linear_probe"].main.value == 1.0
    assert found["linear_probe"].pedigree.tokenizer == ""


def test_a_suite_of_zero_shot_alone_embeds_nothing(blocks, users):
    (blocks / "suite.yaml").write_text(SUITE.partition("  - task: linear_probe")[0])
    options = RunOptions(output=blocks / "results", cache=blocks / "cache", device="cpu", workers=0)
    results = Runner(load_suite(blocks / "suite.yaml"), [f"{users}:Colours"], options).run()
    assert [job.status for job in results.jobs()] == ["failed"]
    assert not list((blocks / "cache").rglob("*.safetensors"))


def test_the_quickstart_plans_the_probes_and_refuses_the_rest_by_name(clipbench, tmp_path):
    timm.models.save_for_hf(timm.create_model("test_resnet"), tmp_path / "supervised", safe_serialization=True)
    done = clipbench("run", "quickstart", "--model", "timm:local-dir:supervised", "--dry-run", "--limit", "50")
    assert done.returncode == 0, done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    failing = [line for line in lines if line.startswith("will fail")]
    suite = load_suite("quickstart")
    needs_text = {"zero_shot": "zero_shot", "robustness": "zero_shot"} | {
        name: name for name in ("retrieval", "prompt_sensitivity")
    }
    # The robustness study's jobs are zero_shot's, and its reference is among the data sets of zero_shot.
    wanted = [
        (needs_text[task.task], name) for task in suite.tasks if task.task in needs_text for _, name in task.named()
    ]
    assert len(failing) == len(set(wanted))
    assert all(any(f"supervised: {name} needs a model" in line for name in needs_text.values()) for line in failing)
    probed = [line for line in lines if "linear_probe" in line]
    assert probed
    assert not any("fails" in line for line in probed)


def test_what_is_not_here_yet_refuses_by_name_too(blocks, no_hub):
    options = RunOptions(output=blocks / "results", cache=blocks / "cache", device="cpu", workers=0)
    runner = Runner(load_suite(blocks / "suite.yaml"), ["efficientnet-b0"], options)
    zero_shot, probe = runner.plan().jobs
    assert zero_shot.problem.startswith("efficientnet-b0: zero_shot needs a model that embeds images and texts")
    assert (probe.problem, probe.new_images) == ("", 36)
