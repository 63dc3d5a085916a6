"""A real model on real images: clipbench's tasks against independent computations and known answers."""

import io
import tarfile

import pytest
import torch

from clipbench.tasks.retrieval.retrieval import Retrieval

from .conftest import evaluate, metric

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]


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
