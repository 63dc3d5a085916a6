"""What the image processors of transformers would change against clipbench's transforms from the same settings.

    python benchmarks/hf_pixels.py [--images 64]

Real photographs, decoded once: the largest and the mean difference of pixels, in levels of 255 before normalisation,
and by how much the cosine of the two embeddings falls short of 1, by a ViT-B/32 with random weights, beside the same
for embeddings of two different photographs. No time is measured.
"""

from __future__ import annotations

import argparse
import io
import os
import tarfile
import tempfile
from pathlib import Path

import PIL.Image
import torch
import transformers
from torch.nn.functional import cosine_similarity

from clipbench.models.hf.transform import read_preprocessing

DATA = Path(os.environ.get("CLIPBENCH_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
DINO = {"size": {"shortest_edge": 256}, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
PROCESSORS = {
    "CLIP: shorter side 224, centre, bicubic": ("CLIP", {}),
    "DINOv2: shorter side 256, centre 224, bicubic": ("Bit", DINO),
    "SigLIP: 224 x 224, bicubic": ("Siglip", {}),
    "SigLIP 2: 224 x 224, bilinear": ("Siglip", {"resample": 2}),
}


def photographs(count: int) -> list[PIL.Image.Image]:
    """The first images of the ImageNet and Flickr8k samples, in equal parts."""
    images = []
    for name in ("imagenet_sample", "flickr8k_sample"):
        with tarfile.open(DATA / name / "test" / "0.tar") as tar:
            members = [member for member in tar if member.name.lower().endswith((".jpg", ".jpeg", ".png", ".webp"))]
            files = [tar.extractfile(member) for member in members[: count // 2]]
            images += [PIL.Image.open(io.BytesIO(file.read())).convert("RGB") for file in files if file]
    return images


@torch.inference_mode()
def compare(kind: str, settings: dict, backend: str, images: list[PIL.Image.Image], model: torch.nn.Module) -> str:
    theirs = getattr(transformers, f"{kind}ImageProcessor{backend}")(**settings)
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        ours = read_preprocessing(Path(folder) / "preprocessor_config.json")
    transform, normalise = ours.split()
    pixels = normalise(torch.stack([transform(image) for image in images]))
    wanted = torch.stack([torch.as_tensor(theirs(image, return_tensors="np")["pixel_values"][0]) for image in images])
    levels = (pixels - wanted).abs() * 255 * torch.tensor(ours.std)[:, None, None]
    found, other = (model(pixel_values=given.float()).pooler_output.double() for given in (pixels, wanted))
    apart = cosine_similarity(found, other)
    between = cosine_similarity(found, found.roll(1, dims=0))
    return (
        f"{levels.max():.1f} | {levels.mean():.4f} | {max(0.0, 1 - float(apart.min())):.1e} | {1 - between.mean():.1e}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=64, help="half from each sample")
    images = photographs(parser.parse_args().images)
    transformers.utils.logging.set_verbosity_error()
    torch.manual_seed(0)
    model = transformers.CLIPVisionModel(transformers.CLIPVisionConfig()).eval()
    print(f"{len(images)} photographs, transformers {transformers.__version__}, torch {torch.__version__}")
    print("settings | processor | largest | mean | 1 - lowest cosine | 1 - mean cosine of two photographs")
    for name, (kind, settings) in PROCESSORS.items():
        for backend, label in (("Pil", "PIL"), ("", "torchvision")):
            print(name, label, compare(kind, settings, backend, images, model), sep=" | ")


if __name__ == "__main__":
    main()
