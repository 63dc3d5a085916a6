"""Nothing that comes with a checkpoint is executed: not its pickle, not its configuration, not its tokenizer."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from clipbench.errors import UserError
from clipbench.models.catalog import find_model
from clipbench.models.weights.weights_file import check_weights

from .conftest import Malicious, assert_refused, load


@pytest.fixture
def tiny_architecture(tiny_clip, monkeypatch) -> str:
    """An architecture that open_clip knows for the length of a test."""
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "Tiny-CLIP", tiny_clip)
    return "Tiny-CLIP"


@pytest.fixture
def state(tiny_clip, save_model) -> dict[str, torch.Tensor]:
    return load_file(save_model(tiny_clip) / "open_clip_model.safetensors")


def plain_pickle(path: Path, content: object) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


def legacy_torch(path: Path, content: object) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("write", [plain_pickle, legacy_torch, lambda path, content: torch.save(content, path)])
@pytest.mark.parametrize("suffix", [".pt", ".bin"])
def test_a_pickle_with_code_is_refused_and_nothing_runs(write, suffix, tmp_path, tiny_architecture):
    marker, file = tmp_path / "marker", tmp_path / f"evil{suffix}"
    write(file, {"extra": Malicious(marker), "state_dict": {"logit_scale": torch.ones(())}})
    source = find_model(f"open_clip:{tiny_architecture}@{file}")
    source.fetch()
    for step in (source.look, lambda: source.load("cpu", "float32")):
        with pytest.raises(UserError) as caught:
            step()
        assert not marker.exists()
        assert str(caught.value) == (
            f"{file}: is a pickle that refers to io.open; a pickle can run code, so only tensors and plain values are "
            "loaded; save it again as safetensors, or as torch.save({'state_dict': model.state_dict()}, FILE)"
        )


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_no_protocol_of_pickle_runs_code(protocol, tmp_path):
    marker, file = tmp_path / "marker", tmp_path / "evil.pt"
    file.write_bytes(pickle.dumps(Malicious(marker), protocol=protocol))
    with pytest.raises(
        UserError, match=r"only tensors and plain values are loaded|cannot be read as a torch checkpoint"
    ):
        check_weights(file)
    assert not marker.exists()


def test_a_training_checkpoint_loads_and_equals_the_safetensors(tmp_path, state, tiny_architecture):
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
    embeddings = [
        load(f"open_clip:{tiny_architecture}@{tmp_path / name}").encode_images(pixels)
        for name in ("plain.safetensors", "epoch_3.pt", "state.bin")
    ]
    assert torch.equal(embeddings[0].projected, embeddings[1].projected)
    assert torch.equal(embeddings[0].projected, embeddings[2].projected)


def test_a_checkpoint_is_named_as_the_user_named_it(tmp_path, state, tiny_architecture):
    save_file(state, tmp_path / "plain.safetensors")
    spec = f"open_clip:{tiny_architecture}@{tmp_path / 'plain.safetensors'}"
    assert load(spec).info.name == spec


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_torchscript_archives_are_refused(tmp_path):
    file = tmp_path / "ViT-B-32.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(file))
    with pytest.raises(UserError, match=r"is a TorchScript archive.*refused; OpenAI's weights are in the catalog"):
        check_weights(file)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.safetensors", b"not tensors", "is not a safetensors file"),
        ("a.pt", b"not tensors", "cannot be read as a torch checkpoint|is no checkpoint"),
        ("a.pt", b"", "cannot be read as a torch checkpoint"),
        ("a.npz", b"PK", "numpy archives are not read"),
    ],
)
def test_files_that_are_no_checkpoints_are_explained(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        check_weights(tmp_path / name)
    assert caught.value.where == str(tmp_path / name)


def test_a_damaged_archive_is_explained(tmp_path, state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    file = tmp_path / "half.pt"
    file.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    assert not zipfile.is_zipfile(file)
    with pytest.raises(UserError, match=r"half\.pt: (cannot be read|is no checkpoint)"):
        check_weights(file)


@pytest.mark.parametrize(
    ("content", "found"),
    [([1, 2], "list"), ({"epoch": 3}, "a dict with the keys epoch"), ({"state_dict": {}}, "a dict with the keys ")],
)
def test_a_file_without_a_state_dict_says_what_it_holds(content, found, tmp_path):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(UserError, match=f"holds no state dict \\(found .*{found}"):
        check_weights(tmp_path / "other.pt")


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
