"""Which checkpoints stay, and which trainings go on with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipbench.training.checkpoints import Checkpoints, recipe_digest
from clipbench.training.recipe import load_recipe


def test_those_of_an_earlier_training_do_not_outlive_the_first_of_a_new_one(tmp_path: Path) -> None:
    """They are further, and would be taken for the newest; what a killed process has half written goes too."""
    earlier, new = (Checkpoints(tmp_path, recipe, 2) for recipe in ("earlier", "new"))
    for step in (100, 200):
        earlier.write(step, {})
    draft = tmp_path / ".step-000000300.pt.0123.part"
    draft.write_bytes(b"half")
    for step in (10, 20, 30):
        new.write(step, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000020.pt", "step-000000030.pt"]
    found = new.newest()
    assert found is not None
    assert found[1]["step"] == 30


@pytest.mark.parametrize(
    ("setting", "same"),
    [("part=16", True), ("save_every=7", True), ("keep=9", True), ("seed=1", False), ("schedule.batch=8", False)],
)
def test_a_recipe_goes_on_where_the_weights_would_be_the_same(setting: str, same: bool) -> None:
    digests = [recipe_digest(load_recipe("clip-tiny", settings).recipe) for settings in ((), (setting,))]
    assert (digests[0] == digests[1]) == same
