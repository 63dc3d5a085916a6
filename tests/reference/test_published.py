"""Published pairs of a reference and a shift."""

import pytest

from clipbench.reference.published import published_pair, published_pairs


@pytest.mark.parametrize(
    ("shift", "baseline", "n_reference", "n_shift"),
    [
        ("imagenet-v2", 87, 50000, 10000),
        ("imagenet-sketch", 87, 50000, 50889),
        ("imagenet-r", 82, 10000, 30000),
        ("objectnet", 87, 6250, 18514),
        ("imagenet-a", 87, 10000, 7500),
    ],
)
def test_the_catalogs_shifts_have_a_pair(shift, baseline, n_reference, n_shift):
    pair = published_pair("imagenet", shift)
    assert len(pair.line_models) == baseline
    assert (pair.n_reference, pair.n_shift) == (n_reference, n_shift)
    assert pair.source == "ImageNet testbed"
    assert pair.licence.startswith("MIT")
    assert "arxiv.org/abs/2007.00644" in pair.citation
    assert {model.training for model in pair.line_models} == {"standard"}
    assert len({model.name for model in pair.models}) == len(pair.models)


def test_open_clips_models_are_class_matched_only_where_all_classes_are_the_same():
    for pair in published_pairs():
        zero_shot = [model for model in pair.models if "/" in model.name and model.training == "zero_shot"]
        whole = pair.shift in ("imagenet-v2", "imagenet-sketch")
        assert {model.matched for model in zero_shot} <= {whole}
        assert not any(model.baseline for model in zero_shot)
    assert len([model for model in published_pair("imagenet", "imagenet-r").models if not model.matched]) == 117


def test_the_reference_is_that_of_the_shifts_classes():
    models = {model.name: model for model in published_pair("imagenet", "imagenet-r").models}
    assert models["vit_b_32_clip_zeroshot"].reference_top1 == pytest.approx(0.881)
    assert models["vit_b_32_clip_zeroshot"].training == "zero_shot"
    models = {model.name: model for model in published_pair("imagenet", "imagenet-v2").models}
    assert models["vit_b_32_clip_zeroshot"].reference_top1 == pytest.approx(0.63302)


def test_what_a_reader_must_know_of_a_set_is_said():
    assert "selected against ResNet-50" in published_pair("imagenet", "imagenet-a").warning
    assert "113 classes" in published_pair("imagenet", "objectnet").warning
    assert published_pair("imagenet", "imagenet-v2").warning == ""


def test_nothing_is_published_of_other_pairs():
    assert published_pair("cifar10", "imagenet-v2") is None
    assert published_pair("imagenet", "cifar10") is None
