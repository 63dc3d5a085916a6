"""What holds for every model that lies in a folder, whichever library builds it."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch

import clipbench.models.reference
from clipbench.errors import UserError
from clipbench.models.base import Availability
from clipbench.models.catalog import find_model

from .conftest import Malicious, assert_refused, differing, load, noise, pedigree, relative, save_open_clip, save_timm
from .hf_checkpoints import save_siglip


def save_reference(folder: Path) -> None:
    shutil.copytree(Path(clipbench.models.reference.__file__).parent / "clip-tiny", folder)


SAVE = {
    "open_clip:local-dir:": save_open_clip,
    "timm:local-dir:": save_timm,
    "local:": save_reference,
    "hf:": save_siglip,
}


@pytest.fixture(params=SAVE)
def folder(request, tmp_path: Path) -> Path:
    """The folder of a small model."""
    SAVE[request.param](tmp_path / "best")
    return tmp_path / "best"


@pytest.fixture
def spec(request, folder: Path) -> str:
    """How that model is named."""
    return f"{request.node.callspec.params['folder']}{folder}"


@pytest.fixture
def weights(folder: Path) -> Path:
    return next(folder.glob("*.safetensors"))


@pytest.fixture
def config(folder: Path) -> Path:
    return next(path for path in (folder / "open_clip_config.json", folder / "config.json") if path.exists())


def test_it_is_here_and_its_locator_follows_the_files(spec, weights, config):
    source = find_model(spec)
    assert source.look() == Availability(local=True, where=str(weights))
    source.fetch()
    before = source.locator()
    assert find_model(spec).locator() == before
    os.utime(config, ns=(1, 1))
    assert source.locator() != before
    assert source.about.endswith(" best")


def test_weights_that_changed_within_their_size_and_time_are_looked_at_again(spec, weights):
    before, status = find_model(spec).locator(), weights.stat()
    weights.write_bytes(weights.read_bytes())
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert find_model(spec).locator() != before


def test_a_copy_is_the_same_model_and_a_lower_precision_another(spec, folder):
    exact, rough = load(spec), load(spec, "bfloat16")
    shutil.copytree(folder, folder.with_name("copy"))
    assert differing(exact.info.pedigree, pedigree(spec.replace("best", "copy"))) == set()
    assert differing(exact.info.pedigree, rough.info.pedigree) == {"precision"}
    pixels = exact.transform(noise(200, 170))[None]
    for name in exact.info.features:
        found, wanted = (getattr(model.encode_images(pixels), name) for model in (rough, exact))
        assert (found.dtype, found.requires_grad) == (torch.float32, False)
        assert 0 < relative(found, wanted) < 0.05


@pytest.mark.parametrize("size", [(48, 48), (8, 8), (640, 31), (50, 300)])
def test_the_transform_takes_any_size_and_travels_to_worker_processes(size, spec):
    model = load(spec)
    sent = pickle.loads(pickle.dumps(model.transform))
    assert sent(noise(*size)).shape == model.transform(noise()).shape
    assert torch.equal(sent(noise(*size)), model.transform(noise(*size)))


@pytest.mark.parametrize("file", ["config", "weights"])
def test_a_missing_file_is_named(file, spec, folder, request):
    path = request.getfixturevalue(file)
    path.unlink()
    source = find_model(spec)
    for step in (source.look, source.fetch, lambda: load(spec)):
        with pytest.raises(UserError) as caught:
            step()
        assert str(folder) in str(caught.value)
        assert path.name in str(caught.value)


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_configuration_that_is_none_is_explained(content, spec, config):
    config.write_text(content)
    with pytest.raises(UserError, match="JSON") as caught:
        load(spec)
    assert caught.value.where == str(config)


def test_damaged_weights_are_explained(spec, weights):
    weights.write_bytes(weights.read_bytes()[:1000])
    for step in ("look", "load"):
        assert_refused(spec, f"{weights}: is not a safetensors file", step)


def test_a_pickle_that_holds_code_is_not_run(spec, weights, tmp_path):
    weights.unlink()
    torch.save({"state_dict": Malicious(tmp_path / "marker")}, weights.with_name("pytorch_model.bin"))
    # Reference models are read from safetensors alone.
    refusal = "holds no model" if spec.startswith("local:") else "is a pickle that refers to io.open; a pickle can run"
    for step in ("look", "load"):
        assert_refused(spec, refusal, step)
    assert not (tmp_path / "marker").exists()
