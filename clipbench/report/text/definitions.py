"""What the metrics of a page mean, in a sentence each."""

from __future__ import annotations

import re

_DEFINITIONS = (
    (r"(strict_)?top1(_strict)?$", "top-1", "share of images whose highest-scoring class is the right one."),
    (r"top5$", "top-5", "share of images with the right class among the five that score highest."),
    (
        r"mean_per_class_recall$",
        "mean per-class recall",
        "top-1 within each class, averaged over classes, so that every class counts the same.",
    ),
    (
        r"(map|mean_average_precision)",
        "mAP",
        "average precision of each class over all images, averaged over classes. "
        "The 11-point form samples precision at eleven levels of recall, as VOC2007 did.",
    ),
    (
        r".*recall_at_\d+$",
        "R@k",
        "share of queries with a right answer among the k that score highest; any caption of an image counts as right.",
    ),
    (r".*median_rank$", "median rank", "middle rank of the first right answer; 1 is perfect, and lower is better."),
    (r".*(auroc|roc_auc)$", "ROC AUC", "chance that a positive example scores higher than a negative one."),
    (
        r".*_over_seeds$",
        "over draws",
        "the same mean over several random draws of the training examples, with its interval over the draws; the "
        "interval beside the plain name is over test images.",
    ),
    (r"top1_at_k_\d+$", "top-1 at k", "top-1 where the k most similar training images vote; no k is chosen by it."),
    (
        r"(zero_shot_top1|fitted_top1|top1_at_chosen_alpha)$",
        "zero-shot, fitted, at the chosen alpha",
        "top-1 of the text classifier's weights (alpha 0), of the fitted ones (alpha 1), and of the mixture that did "
        "best on validation data.",
    ),
    (
        r"(mean|range|standard_deviation|best|worst)$",
        "over templates",
        "top-1 of each prompt template alone: the mean, best minus worst, the standard deviation, and the ends. The "
        "best was chosen on the images it is reported on, so it is optimistic; the deviation holds the noise of the "
        "images too.",
    ),
    (r"flip_share$", "images that flip", "share of images whose prediction differs between any two templates."),
    (
        r"ensemble_(top1|gain)$",
        "ensemble",
        "top-1 with all templates averaged into one classifier, as zero-shot does, and that minus the mean.",
    ),
    (
        r"(kendall_tau|order_flip_share)$",
        "agreement of orders, order flips",
        "how far prompt templates agree on the order of the models: Kendall's tau-b averaged over pairs of templates "
        "(1: the same order, -1: the reverse), and the share of pairs of models and of templates that change order. "
        "Models that the images cannot tell apart change order by chance, which counts.",
    ),
    (
        r"(significant_)?surviving_claims$",
        "claims that survive",
        "pairs of models of which the same one is ahead with every template; of these, significant with the first.",
    ),
    (
        r"significant_order_flips$",
        "significant order flips",
        "pairs of models of which each is significantly ahead with some template, after correction for all pairs and "
        "templates: the wording changes their order, not the choice of images.",
    ),
    (
        r"(chosen_top1|chosen_gain|greedy_top1|optimism)$",
        "chosen, greedy",
        "top-1 of the template, and of the ensemble built template by template, that did best on validation data, or "
        "on the other half of the images; the chosen template's gain over the mean; and what the best template on the "
        "reported images has more, which is no gain.",
    ),
    (
        r"(photo_gain|ensemble_over_photo)$",
        "gain of a photo, of the ensemble over a photo",
        "top-1 of 'a photo of a {}.' minus that of the bare class name, and top-1 with all templates averaged minus "
        "that of 'a photo of a {}.', on the same images, in points.",
    ),
    (
        r"(names_range|(averaged_names|best_name)_gain|best_name_over_averaged)$",
        "range over lists of names, gain of several names",
        "top-1 of the best list of names minus that of the worst, on the images that they are reported on; and top-1 "
        "with all names of a class averaged, and with the best-scoring name of each class counting, minus that with "
        "the canonical names; the latter minus the former; each with all templates averaged, on the same images, in "
        "points.",
    ),
    (r".*_difference$", "difference", "the first named minus the second, on the same images, in points."),
    (
        r"shots_to_match$",
        "labels to match zero-shot",
        "labelled examples of each class with which a fitted head is as good as zero-shot, interpolated "
        "log-linearly between the numbers that were tried.",
    ),
    (
        r"(reference|shift|mean_shift|worst_shift)_top1$",
        "reference, shift, worst shift",
        "top-1 on the benchmark, on a shifted set with the same classes, and on the shift where it is lowest. Where a "
        "shift has only some of the classes, the reference is cut down to the same ones.",
    ),
    (
        r"(mean_)?gap$",
        "gap",
        "reference top-1 minus shift top-1, in points: what is lost on the way from benchmark to reality.",
    ),
    (r"relative_gap$", "relative gap", "the gap as a share of the reference top-1."),
    (
        r"logit_gap$",
        "logit gap",
        "the same gap between logits, ln(p / (1 − p)), which do not flatten near 0 and 100 %.",
    ),
    (
        r"expected_top1$",
        "expected top-1",
        "shift top-1 that the line of the baseline models, fitted to logits, gives for this reference top-1.",
    ),
    (
        r"(mean_)?effective_robustness$",
        "effective robustness",
        "shift top-1 minus the expected one, in points; above zero is more robust than a baseline model as good on the "
        "reference (Taori et al. 2020).",
    ),
    (
        r"relative_robustness$",
        "relative robustness",
        "shift top-1 minus that of the model's own baseline, the same model before it was changed, in points.",
    ),
    (
        r"(reference|mean_shift)_gain$",
        "gain",
        "top-1 of the head that was fitted on the reference minus that of zero-shot, in points.",
    ),
    (
        r"against_expectation$",
        "against expectation",
        "the number minus what published models of the same ImageNet accuracy lead to expect, in points.",
    ),
    (
        r"(clean_top1|corrupted_top1|corruption_gap)$",
        "clean, corrupted",
        "top-1 on the images as they are, and its mean over the standard corruptions and their severities; the gap is "
        "their difference, on the same images.",
    ),
    (
        r"mce(_\d+)?$",
        "mCE",
        "mean corruption error: for each corruption the model's errors over all severities as a share of the reference "
        "model's, averaged over corruptions; 100 % is the reference model, and lower is better (Hendrycks and "
        "Dietterich 2019). A number behind it says over how many corruptions, where it is not all 15.",
    ),
    (
        r"relative_mce(_\d+)?$",
        "relative mCE",
        "the same with the errors on clean images taken off first; lower is better.",
    ),
)


def definitions(names: set[str]) -> tuple[tuple[str, str], ...]:
    """Return (label, meaning) of the metrics among `names` whose meaning is known, in a fixed order."""
    known = (
        (label, meaning) for pattern, label, meaning in _DEFINITIONS if any(re.match(pattern, name) for name in names)
    )
    return tuple(known)
