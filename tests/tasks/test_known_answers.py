"""A real model on real images: clipbench's tasks against independent computations and known answers."""

import io
import tarfile

import numpy as np
import pandas as pd
import pytest
import torch

from clipbench.tasks.classify.zero_shot import ZeroShot
from clipbench.tasks.probe.linear_probe import LinearProbe
from clipbench.tasks.prompts import PromptedClasses
from clipbench.tasks.retrieval.retrieval import Retrieval

from .conftest import evaluate, main, metric, tight, unit, values

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]

CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Clip:
    """The shared model, by open_clip alone."""

    def __init__(self, folder):
        import open_clip

        self.model, _, self.transform = open_clip.create_model_and_transforms(f"local-dir:{folder}", precision="fp32")
        self.model.eval()
        self.tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
        self.scale = self.model.logit_scale.exp().item()

    @torch.no_grad()
    def images(self, encoded):
        import PIL.Image

        pixels = torch.stack([self.transform(PIL.Image.open(io.BytesIO(file)).convert("RGB")) for file in encoded])
        return torch.cat([self.model.encode_image(batch) for batch in pixels.split(128)]).numpy()

    @torch.no_grad()
    def texts(self, strings):
        batches = self.tokenizer(list(strings)).split(256)
        return torch.cat([self.model.encode_text(batch) for batch in batches]).numpy()


@pytest.fixture(scope="module")
def clip(shared_data):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Clip(shared_data / "models" / "cifar-clip")
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def cifar(shared_data, clip):
    rows = pd.read_parquet(next((shared_data / "cifar10" / "data").glob("test-*.parquet"))).iloc[:1000]
    return clip.images([image["bytes"] for image in rows["image"]]), rows["label"].to_numpy()


def test_cifar10_equals_a_direct_computation(shared_data, clip, cifar, make_inputs, model, facts):
    features, labels = cifar
    templates = (shared_data / "templates" / "cifar.txt").read_text().splitlines()
    strings = tuple(tuple(template.replace("{c}", name) for template in templates) for name in CIFAR)
    texts = {string: row for filled in strings for string, row in zip(filled, clip.texts(filled), strict=True)}
    inputs = make_inputs(features, texts, facts(CIFAR), model=model(scale=clip.scale), labels=labels)
    outcome = evaluate(ZeroShot, inputs, PromptedClasses("cifar", "", CIFAR, strings))

    logits = clip.scale * _direct_cosines(features, [[texts[string] for string in filled] for filled in strings])
    order = np.argsort(-logits, axis=1)
    recalls = [(order[labels == label, 0] == label).mean() for label in range(10)]
    ours = values(outcome)
    assert ours == {
        "top1": pytest.approx((order[:, 0] == labels).mean(), abs=0),
        "top5": pytest.approx((order[:, :5] == labels[:, None]).any(axis=1).mean(), abs=0),
        "mean_per_class_recall": pytest.approx(np.mean(recalls)),
    }
    # The whole 10,000 give 0.6733 and 0.9766.
    assert ours["top1"] == pytest.approx(0.6733, abs=0.045)
    assert ours["top5"] == pytest.approx(0.9766, abs=0.015)
    assert outcome.examples["prediction"].tolist() == order[:, 0].tolist()
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(outcome.examples["score"], softmax[np.arange(1000), labels], rtol=1e-4)


def _direct_cosines(features, prompts_of_classes):
    """In float64, one class at a time."""
    classifier = np.array([unit(unit(np.array(rows, np.float64)).mean(axis=0)) for rows in prompts_of_classes])
    return unit(features.astype(np.float64)) @ classifier.T


def test_flickr8k_gives_the_published_tools_recalls(shared_data, clip, make_inputs, facts):
    ids, files, captions = [], [], []
    with tarfile.open(shared_data / "flickr8k_sample" / "test" / "0.tar") as tar:
        members = {member.name: member for member in tar.getmembers()}
        for name in sorted(name for name in members if name.endswith(".jpg")):
            ids.append(name.removesuffix(".jpg"))
            files.append(tar.extractfile(name).read())
            text = tar.extractfile(name.replace(".jpg", ".txt")).read().decode()
            captions.append(tuple(line for line in text.splitlines() if line))
    strings = sorted({caption for lines in captions for caption in lines})
    texts = dict(zip(strings, clip.texts(strings), strict=True))
    outcome = evaluate(Retrieval, make_inputs(clip.images(files), texts, facts(), ids=ids, captions=captions))
    to_image, to_text = (metric(outcome, f"{way}_recall_at_5") for way in ("text_to_image", "image_to_text"))
    assert (to_image.value, to_image.n) == (0.0096, 2500)
    assert (to_text.value, to_text.n) == (0.02, 500)
    assert to_text.interval.low < 0.02 < to_text.interval.high


def test_a_probe_on_cifar10_is_scikit_learns_head(shared_data, clip, cifar, world):
    rows = pd.read_parquet(next((shared_data / "cifar10" / "data").glob("train-*.parquet"))).iloc[:1500]
    train = clip.images([image["bytes"] for image in rows["image"]]), rows["label"].to_numpy()
    splits = {
        name: ({"projected": features}, labels) for name, (features, labels) in (("train", train), ("test", cifar))
    }
    outcome = evaluate(LinearProbe, world(CIFAR, **splits), features="projected")
    params = main(outcome).params
    assert (params["converged"], params["at_edge"]) == (True, False)
    predictions = tight(*train, params["C"]).predict(cifar[0].astype(np.float64))
    assert (outcome.examples["prediction"] == predictions).mean() >= 0.999
    assert main(outcome).value == pytest.approx((predictions == cifar[1]).mean(), abs=0.001)
    # 20,000 images give 0.679 of 10,000.
    assert main(outcome).value == pytest.approx(0.65, abs=0.05)
