"""Published pairs of a reference and a shift, and which of their models are near-relatives."""

import pytest

from clipbench.reference.families import architecture_family, pretraining_family
from clipbench.reference.published import openclip_models, published_pair, published_pairs


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
    assert published_pair("cifar10", "imagenet-v2") is published_pair("imagenet", "cifar10") is None


@pytest.mark.parametrize(
    ("family", "models"),
    [
        ("resnet", ["resnet18", "resnet50", "resnet101", "resnet152", "FixResNet50", "cafferesnet101", "fbresnet152"]),
        ("resnet", ["resnet50_swsl", "facebook_adv_trained_resnet152_denoise", "resnet101_cutmix"]),
        ("wide_resnet", ["wide_resnet50_2", "wide_resnet101_2"]),
        ("resnext", ["resnext50_32x4d", "FixResNeXt101_32x48d_v2", "instagram-resnext101_32x8d"]),
        ("senet", ["se_resnet50", "se_resnext101_32x4d", "senet154"]),
        ("efficientnet", ["efficientnet-b0", "efficientnet-b7-randaug", "efficientnet-l2-noisystudent"]),
        ("vgg", ["vgg11", "vgg19_bn"]),
        ("inception", ["googlenet/inceptionv1", "inceptionv4", "inceptionresnetv2", "bninception"]),
        ("xception", ["xception"]),
        ("nasnet", ["nasnetalarge", "pnasnet5large", "FixPNASNet"]),
        ("mnasnet", ["mnasnet0_5", "mnasnet1_0"]),
        ("bit", ["BiT-M-R50x1-ILSVRC2012"]),
        ("clip", ["vit_b_32_clip_zeroshot", "resnet50_clip_zeroshot"]),
    ],
)
def test_models_of_the_testbed_belong_to_an_architecture(family, models):
    assert {architecture_family(model) for model in models} == {family}


@pytest.mark.parametrize(
    ("family", "models"),
    [
        ("openai", ["ViT-B-32/openai", "RN50x64/openai"]),
        ("laion2b", ["ViT-B-32/laion2b_e16", "coca_ViT-L-14/mscoco_finetuned_laion2b_s13b_b90k"]),
        ("commonpool-xl", ["ViT-L-14/datacomp_xl_s13b_b90k", "ViT-bigG-14-CLIPA/datacomp1b"]),
        ("commonpool-s", ["ViT-B-32/datacomp_s_s13m_b4k", "ViT-B-32/commonpool_s_clip_s13m_b4k"]),
        ("webli", ["ViT-SO400M-14-SigLIP/webli"]),
        ("cc12m", ["RN50/cc12m", "RN50-quickgelu/cc12m"]),
        ("nllb", ["nllb-clip-base/v1", "nllb-clip-large-siglip/v1"]),
    ],
)
def test_zero_shot_models_belong_to_what_they_were_trained_on(family, models):
    assert {pretraining_family(model) for model in models} == {family}


def test_there_are_families_enough_to_resample():
    pair = published_pair("imagenet", "imagenet-v2")
    assert len({model.family for model in pair.line_models}) == 18
    assert len({model.family for model in openclip_models()}) == 16
