"""AlexNet's errors on ImageNet-C, by which the published mCE divides.

Errors under corruption: Hendrycks and Dietterich, the evaluation code of https://github.com/hendrycks/robustness
(Apache 2.0), means over the five severities of the released JPEG files. Clean error: table 1 of "Benchmarking Neural
Network Robustness to Common Corruptions and Perturbations", 2019, https://arxiv.org/abs/1903.12261.
"""

from __future__ import annotations

from types import MappingProxyType

ALEXNET_CLEAN = 0.435

ALEXNET = MappingProxyType(
    {
        "gaussian_noise": 0.886428,
        "shot_noise": 0.894468,
        "impulse_noise": 0.922640,
        "defocus_blur": 0.819880,
        "glass_blur": 0.826268,
        "motion_blur": 0.785948,
        "zoom_blur": 0.798360,
        "snow": 0.866816,
        "frost": 0.826572,
        "fog": 0.819324,
        "brightness": 0.564592,
        "contrast": 0.853204,
        "elastic_transform": 0.646056,
        "pixelate": 0.717840,
        "jpeg_compression": 0.606500,
    }
)
"""Corruption -> top-1 error, the mean over severities 1 to 5."""
