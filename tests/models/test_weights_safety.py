"""Nothing that comes with a checkpoint is executed: not its pickle, not its configuration, not its tokenizer."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from clipbench.errors import UserError
from clipbench.models.weights.weights_file import check_weights

from .conftest import Malicious, assert_refused, load


@pytest.fixture(autouse=True)
def tiny_architecture(tiny_clip, monkeypatch) -> None:
    """An architecture that open_clip knows for the length of a test."""
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "Tiny-CLIP", tiny_clip)


@pytest.fixture
def state(tiny_clip, save_model) -> dict[str, torch.Tensor]:
    return load_file(save_model(tiny_clip) / "open_clip_model.safetensors")


def plain_pickle(path: Path, content: object) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


def legacy_torch(path: Path, content: object) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("write", [plain_pickle, legacy_torch, lambda path, content: torch.save(content, path)])
@pytest.mark.parametrize("suffix", [".pt", ".bin"])
def test_a_pickle_with_code_is_refused_and_nothing_runs(write, suffix, tmp_path):
    marker, file = tmp_path / "marker", tmp_path / f"evil{suffix}"
    write(file, {"extra": Malicious(marker), "state_dict": {"logit_scale": torch.ones(())}})
    message = (
        f"{file}: is a pickle that refers to io.open; a pickle can run code, so only tensors and plain values are "
        "loaded; save it again as safetensors, or as torch.save({'state_dict': model.state_dict()}, FILE)"
    )
    for step in ("look", "load"):
        assert_refused(f"open_clip:Tiny-CLIP@{file}", message, step)
        assert not marker.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_no_protocol_of_pickle_runs_code(protocol, tmp_path):
    marker, file = tmp_path / "marker", tmp_path / "evil.pt"
    file.write_bytes(pickle.dumps(Malicious(marker), protocol=protocol))
    with pytest.raises(UserError, match=r"only tensors and plain values are loaded|cannot be read as a torch"):
        check_weights(file)
    assert not marker.exists()


def test_a_training_checkpoint_loads_and_equals_the_safetensors(tmp_path, state):
    save_file(state, tmp_path / "plain.safetensors")
    training = {
        "epoch": 3,
        "name": "run",
        "state_dict": {f"module.{name}": tensor for name, tensor in state.items()},
        "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.98)}]},
    }
    torch.save(training, tmp_path / "epoch_3.pt")
    torch.save(state, tmp_path / "state.bin")
    pixels = torch.ones(1, 3, 32, 32)
    specs = [f"open_clip:Tiny-CLIP@{tmp_path / name}" for name in ("plain.safetensors", "epoch_3.pt", "state.bin")]
    models = [load(spec) for spec in specs]
    plain, *others = (model.encode_images(pixels).projected for model in models)
    assert all(torch.equal(plain, other) for other in others)
    assert [model.info.name for model in models] == specs


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_torchscript_archives_are_refused(tmp_path):
    file = tmp_path / "ViT-B-32.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(file))
    with pytest.raises(UserError, match=r"is a TorchScript archive.*refused; OpenAI's weights are in the catalog"):
        check_weights(file)


def saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.safetensors", b"not tensors", "is not a safetensors file"),
        ("a.pt", b"not tensors", "cannot be read as a torch checkpoint|is no checkpoint"),
        ("a.pt", b"", "cannot be read as a torch checkpoint"),
        ("a.npz", b"PK", "numpy archives are not read"),
        ("half.pt", saved({"weight": torch.ones(99)})[:900], "cannot be read|is no checkpoint"),
        ("a.pt", saved([1, 2]), r"holds no state dict \(found .*list"),
        ("a.pt", saved({"epoch": 3}), r"holds no state dict \(found a dict with the keys epoch"),
        ("a.pt", saved({"state_dict": {}}), r"holds no state dict \(found a dict with the keys "),
    ],
)
def test_files_that_are_no_checkpoints_are_explained(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        check_weights(tmp_path / name)
    assert caught.value.where == str(tmp_path / name)


def hostile_module(folder: Path, name: str, marker: Path) -> None:
    (folder / f"{name}.py").write_text(f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n")


def test_a_configuration_that_asks_for_code_is_refused(tmp_path, tiny_clip, save_model):
    text = {**tiny_clip["text_cfg"], "hf_tokenizer_name": "x", "tokenizer_kwargs": {"trust_remote_code": True}}
    folder = save_model({**tiny_clip, "text_cfg": text})
    assert_refused(f"open_clip:local-dir:{folder}", "asks for code to be run (trust_remote_code), which is refused")


def test_a_tokenizers_own_code_is_not_run(tmp_path, tiny_clip, save_model):
    pytest.importorskip("transformers")
    marker = tmp_path / "marker"
    folder = save_model({**tiny_clip, "text_cfg": {**tiny_clip["text_cfg"], "hf_tokenizer_name": "x"}})
    hostile_module(folder, "tokenization_evil", marker)
    settings = {"tokenizer_class": "EvilTokenizer", "auto_map": {"AutoTokenizer": ["tokenization_evil.Evil", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    assert_refused(f"open_clip:local-dir:{folder}", "belong there; code beside them is not run", "load")
    assert not marker.exists()


def test_a_text_towers_own_code_is_not_run(tmp_path, tiny_clip, save_model):
    pytest.importorskip("transformers")
    marker, tower = tmp_path / "marker", tmp_path / "tower"
    tower.mkdir()
    hostile_module(tower, "configuration_evil", marker)
    settings = {"model_type": "evil", "auto_map": {"AutoConfig": "configuration_evil.Evil"}}
    (tower / "config.json").write_text(json.dumps(settings))
    folder = save_model(tiny_clip)
    document = json.loads((folder / "open_clip_config.json").read_text())
    document["model_cfg"]["text_cfg"]["hf_model_name"] = str(tower)
    (folder / "open_clip_config.json").write_text(json.dumps(document))
    assert_refused(f"open_clip:local-dir:{folder}", f"the text tower {str(tower)!r} cannot be made", "load")
    assert not marker.exists()
