"""Made-up answers of the tasks, with a known truth, for `coverage.py`."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import starmap
from statistics import NormalDist

import numpy as np
from numpy.random import Generator
from scipy.special import expit, ndtr
from sklearn.metrics import average_precision_score
from worlds.cases import Draw, IntervalCase

from clipbench.arrays import Float64Array
from clipbench.stats.clusters import answers_interval
from clipbench.stats.intervals import Interval, wilson
from clipbench.stats.simultaneous import critical_value, largest_of, level_of
from clipbench.stats.variance_components import variance_components
from clipbench.tasks.base import DatasetFacts, ImageSet, Metric
from clipbench.tasks.classify.multi_label import multi_label_outcome
from clipbench.tasks.probe.over_seeds import SeedDecisions, seed_metrics
from clipbench.tasks.prompt_sensitivity.template_metrics import root_interval
from clipbench.tasks.retrieval.pairing import Answers, accuracy
from clipbench.tasks.retrieval.ranks import Ranks, retrieval_metrics

FACTS = DatasetFacts("made up", ("first", "second"), multilabel=False, splits=("test",))


def _interval(metrics: tuple[Metric, ...], name: str) -> Callable[[float], Draw]:
    found = next(metric for metric in metrics if metric.name == name)
    return lambda truth: (found.interval, truth)


def mean_of_logistic(mean: float, deviation: float) -> float:
    """Return the mean of 1 / (1 + exp(-x)) over a normal x, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    return float(weights @ expit(mean + deviation * nodes) / math.sqrt(2 * math.pi))


# Few-shot: images and draws


def few_shot(n: int, draws: int, of_draws: float, level: float) -> IntervalCase:
    """Images of very different difficulty, draws of a given standard deviation in logits."""

    def draw(random: Generator) -> Draw:
        of_image, of_draw = 1.5 * random.standard_normal((n, 1)), of_draws * random.standard_normal(draws)
        logits = level + of_image + of_draw + 0.5 * random.standard_normal((n, draws))
        correct = random.random((n, draws)) < expit(logits)
        decided = SeedDecisions(np.arange(n), np.arange(n) % 2, correct)
        truth = mean_of_logistic(level, math.sqrt(1.5**2 + of_draws**2 + 0.5**2))
        return _interval(seed_metrics(decided, FACTS, 0.0, {}), "top1")(truth)

    world = f"{n} images, {draws} draws whose logits deviate by {of_draws}"
    return IntervalCase("few-shot", world, draw)


def pooled_few_shot(taken: int, pool: int, of_example: float) -> IntervalCase:
    """Draws that share examples, since all come from one small pool, which could have been another."""
    n, draws = 1000, 5

    def draw(random: Generator) -> Draw:
        of_pool = of_example * random.standard_normal(pool)
        of_draw = np.array([random.choice(of_pool, taken, replace=False).mean() for _ in range(draws)])
        logits = 0.5 + 1.5 * random.standard_normal((n, 1)) + of_draw + 0.5 * random.standard_normal((n, draws))
        correct = random.random((n, draws)) < expit(logits)
        decided = SeedDecisions(np.arange(n), np.arange(n) % 2, correct)
        truth = mean_of_logistic(0.5, math.sqrt(1.5**2 + of_example**2 / taken + 0.5**2))
        return _interval(seed_metrics(decided, FACTS, taken / pool, {}), "top1")(truth)

    return IntervalCase("few-shot", f"each of 5 draws holds {taken} of the pool's {pool}", draw)


# Retrieval and average precision


def retrieval(images: int, level: float, name: str) -> IntervalCase:
    """Images whose five captions are hard or easy together, in a gallery that stays as it is."""

    def draw(random: Generator) -> Draw:
        of_image = 1.2 * random.standard_normal(images)
        to_text = np.where(random.random(images) < expit(level + 0.5 + of_image), 1, 7)
        image = np.repeat(np.arange(images), 5)
        to_image = np.where(random.random(len(image)) < expit(level + of_image)[image], 1, 7)
        right = np.full(images, 5), np.ones(len(image), np.int64)
        metrics = retrieval_metrics(Ranks(to_text, to_image, image, *right), [5], [5])
        recalls = mean_of_logistic(level + 0.5, 1.2), mean_of_logistic(level, 1.2)
        return _interval(metrics, name)(float(np.mean(recalls)))

    return IntervalCase("retrieval: mean R@1", f"{images} images, logits about {level}", draw)


def average_precision(n: int, classes: int, share: float) -> IntervalCase:
    """Positives that score higher; the truth is the mean of the estimate over such samples of n images."""
    expected: list[float] = []

    def sample(random: Generator) -> tuple[Float64Array, Float64Array]:
        present = random.random((n, classes)) < share
        return present, (random.standard_normal((n, classes)) + 1.5 * present).astype(np.float32)

    def truth() -> float:
        if not expected:
            random = np.random.default_rng(0)
            means = []
            for _ in range(1000):
                present, scores = sample(random)
                seen = present.any(axis=0)
                means.append(average_precision_score(present[:, seen], scores[:, seen]))
            expected.append(float(np.mean(means)))
        return expected[0]

    def draw(random: Generator) -> Draw:
        present, scores = sample(random)
        names = tuple(map(str, range(classes)))
        facts = DatasetFacts("made up", names, multilabel=True, splits=("test",))
        labels = [tuple(np.flatnonzero(row).tolist()) for row in present]
        images = ImageSet([str(row) for row in range(n)], {}, label_sets=labels)
        return _interval(multi_label_outcome(images, scores, facts, "test").metrics, "map")(truth())

    return IntervalCase("mAP", f"{n} images, {classes} classes, positives {100 * share:.0f} %", draw)


def pairing(images: int, snippets: int, lead: float) -> IntervalCase:
    """Captions of which some score high for every image, and images of which some know their own caption better."""
    spread = math.sqrt(1 + 0.5**2)
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    first = ndtr((lead + math.hypot(spread, 0.8) * nodes) / spread) ** (snippets - 1)
    truth = float(weights @ first / math.sqrt(2 * math.pi))

    def draw(random: Generator) -> Draw:
        scores = random.standard_normal((images, images)) + 0.5 * random.standard_normal(images)
        own = np.diag(scores) + lead + 0.8 * random.standard_normal(images)
        higher = (scores >= own[:, None]) & ~np.eye(images, dtype=bool)
        ones = np.ones(images, np.int64)
        each = np.arange(images)
        return accuracy(Answers(each, higher.astype(np.int64), ones, each, ones), snippets)[1], truth

    return IntervalCase("pairing", f"one of {snippets}, {images} images, accuracy {truth:.2f}", draw)


# Templates


def _answers(random: Generator, n: int, of_template: Float64Array) -> Float64Array:
    logits = 0.8 + 1.5 * random.standard_normal((n, 1)) + of_template
    return np.asarray(random.random((n, len(of_template))) < expit(logits + 0.7 * random.standard_normal(logits.shape)))


def _template_truth(of_template: Float64Array) -> Float64Array:
    return np.array([mean_of_logistic(0.8 + effect, math.hypot(1.5, 0.7)) for effect in of_template])


def _templates(count: int, spread: float) -> Float64Array:
    quantiles = [NormalDist().inv_cdf((place + 0.5) / count) for place in range(count)]
    return spread * np.array(quantiles)


def template_spread(n: int, templates: int, spread: float) -> IntervalCase:
    effects = _templates(templates, spread)
    truth = float(_template_truth(effects).std(ddof=1))

    def draw(random: Generator) -> Draw:
        found = variance_components(_answers(random, n, effects), ("example", "template"), resamples=500)
        return root_interval(found["template"].interval), truth

    return IntervalCase("spread over templates", f"{n} images, {templates} templates, true spread {truth:.3f}", draw)


def best_template(n: int, templates: int, spread: float) -> IntervalCase:
    effects = _templates(templates, spread)
    truth = _template_truth(effects)

    def draw(random: Generator) -> Draw:
        correct = _answers(random, n, effects)
        best = int(correct.mean(axis=0).argmax())
        level = level_of(critical_value([largest_of(correct)]))
        of_all = wilson(int(correct[:, best].sum()), n, level)
        return Interval(of_all.low, of_all.high, of_all.kind), float(truth[best])

    return IntervalCase("best template", f"{n} images, {templates} templates that deviate by {spread} in logits", draw)


def answers_together(n: int, answers: int, level: float) -> IntervalCase:
    """The answers of a model under several corruptions, or with several templates, to images of other difficulty."""
    effects = np.linspace(-1, 1, answers)
    truth = float(np.mean([mean_of_logistic(level + effect, 1.5) for effect in effects]))

    def draw(random: Generator) -> Draw:
        logits = level + 1.5 * random.standard_normal((n, 1)) + effects
        return answers_interval(random.random((n, answers)) < expit(logits)), truth

    return IntervalCase("mean over corruptions or templates", f"{n} images, {answers} answers each, {truth:.2f}", draw)


INTERVALS = [
    *starmap(few_shot, [(200, 5, 0.0, 0.5), (1000, 5, 0.2, 0.5), (2000, 5, 0.5, -1.0), (2000, 3, 0.2, 2.5)]),
    *starmap(pooled_few_shot, [(2, 100, 1.0), (8, 16, 1.0), (8, 10, 1.0)]),
    *((retrieval(n, level, "mean_recall_at_1")) for n in (100, 300) for level in (0.0, 3.0)),
    average_precision(300, 10, 0.1),
    *starmap(pairing, [(40, 8, 1.0), (100, 2, 3.0), (100, 32, 2.0)]),
    *starmap(answers_together, [(100, 5, 5.0), (300, 25, 1.0), (1000, 75, -2.0)]),
    *starmap(template_spread, [(300, 10, 0.3), (1000, 25, 0.05), (1000, 5, 0.0)]),
    *starmap(best_template, [(300, 10, 0.0), (1000, 25, 0.05), (1000, 5, 0.3)]),
]
