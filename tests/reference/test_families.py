"""Near-relatives among published models."""

import pytest

from clipbench.reference.families import architecture_family, pretraining_family
from clipbench.reference.openclip import openclip_models
from clipbench.reference.published import published_pair


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
