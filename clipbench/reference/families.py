"""Which published models are near-relatives: they err alike, so they are resampled together."""

from __future__ import annotations

import re

_ARCHITECTURES = (
    ("clip", r"clip"),
    ("vit", r"^vit"),
    ("bit", r"^bit-"),
    ("identity", r"^identity"),
    ("senet", r"^se(net|_)"),
    ("inception", r"inception"),
    ("nasnet", r"(?<!m)nasnet"),
    ("resnext", r"resnext"),
    ("wide_resnet", r"wide_resnet"),
    ("resnet", r"resnet"),
)
"""Testbed: family and what names it, the first that fits. Others are called by the letters they begin with."""

_PRETRAINING = (
    ("nllb", r"^nllb"),
    ("dfn", r"/dfn"),
    ("commonpool-xl", r"/(datacomp1b|datacomp_s34b|(datacomp|commonpool)_xl)"),
    ("commonpool-l", r"/(datacomp|commonpool)_l_"),
    ("commonpool-m", r"/(datacomp|commonpool)_m_"),
    ("commonpool-s", r"/(datacomp|commonpool)_s_"),
    ("laion400m", r"laion400m"),
    ("laion5b", r"laion5b"),
    ("laion-aesthetic", r"laion_aesthetic"),
    ("laion2b", r"laion2b"),
    ("metaclip", r"/metaclip"),
    ("merged2b", r"/merged2b"),
    ("yfcc15m", r"/yfcc15m"),
)
"""open_clip: family and what names it. DataComp's sets are parts of CommonPool's; others are called by their tag."""


def architecture_family(model: str) -> str:
    """Return the family of a model of the testbed, after its architecture: 'resnet' of 'resnet50_swsl'."""
    name = model.lower()
    known = next((family for family, words in _ARCHITECTURES if re.search(words, name)), None)
    letters = re.match(r"[a-z]+", name)
    return known or (letters[0] if letters else name)


def pretraining_family(model: str) -> str:
    """Return the family of a model of open_clip's table, after its images: 'laion2b' of 'ViT-B-32/laion2b_e16'.

    Zero-shot models of one architecture on other images have other strengths; those on the same images share them.
    """
    name = model.lower()
    known = next((family for family, words in _PRETRAINING if re.search(words, name)), None)
    return known or name.rpartition("/")[2]
