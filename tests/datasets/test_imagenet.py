"""ImageNet's class names and templates, as the installed open_clip holds them."""

from __future__ import annotations

import subprocess
import sys

from clipbench.datasets.classes.imagenet import imagenet_class_names


def test_thousand_names_with_the_two_known_pairs() -> None:
    names = imagenet_class_names()
    assert len(names) == 1000
    assert names[0] == "tench"
    twice = {name: [i for i, other in enumerate(names) if other == name] for name in names if names.count(name) > 1}
    assert twice == {"missile": [657, 744], "sunglasses": [836, 837]}


def test_reading_them_does_not_import_torch() -> None:
    code = "import sys; from clipbench.prompts.sets import load_prompt_set; load_prompt_set('imagenet-80'); " \
           "print('torch' in sys.modules)"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
