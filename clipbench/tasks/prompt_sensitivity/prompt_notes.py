"""What a reader of prompt sensitivity's numbers must know of the prompts and the images behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256

import numpy as np

from clipbench.errors import listed
from clipbench.stats.intervals import MIN_EXAMPLES
from clipbench.tasks.classify.classifier import TextClassifier, numbered
from clipbench.tasks.prompt_sensitivity.held_out_selection import HeldOutSelection
from clipbench.tasks.prompt_sensitivity.prompt_grid import PromptGrid
from clipbench.tasks.prompt_sensitivity.template_scores import TemplateScores


def prompt_notes(
    scores: TemplateScores, selection: HeldOutSelection, grid: PromptGrid, single: Sequence[TextClassifier], images: int
) -> Iterator[str]:
    """Yield all of it; `images` are those of the split, with those that have no label."""
    if np.ptp(scores.correct.sum(axis=0)):
        yield (
            "The best and the worst template were chosen on the images that they are reported on: the best is "
            "optimistic, the worst pessimistic, and their range too wide."
        )
    if selection.cross_fitted:
        yield (
            "There is no validation split, so templates are chosen by two-fold cross-fitting: on each half of "
            f"{scores.split} (by a hash of the ids, stratified by class), and judged on the other half."
        )
    yield from _grid_notes(grid)
    yield from _score_notes(scores, images)
    yield from _equal_prompts(single, grid)
    yield from _equal_templates(single, grid.templates)


def _grid_notes(grid: PromptGrid) -> Iterator[str]:
    """Yield what has no part in the numbers, or is not what it seems."""
    controls = len(grid.given.controls)
    if controls:
        verb = "template is a control" if controls == 1 else "templates are controls"
        yield (
            f"{controls} {verb}, there to be worse: beside the tables of templates and families they have no part in "
            "any number but the paper's two gains, where one of its prompts is among them."
        )
    if grid.most_names > grid.lists:
        yield (
            f"One class has {grid.most_names:,} names: {grid.lists} lists of names are compared, and the variance "
            "is over these; all other numbers of several names are of all of them."
        )
    if not grid.given.templates:
        yield "Classes have prompts of their own, so the k-th template stands for the k-th prompt of every class."


def _score_notes(scores: TemplateScores, images: int) -> Iterator[str]:
    """Yield what the numbers cannot say."""
    n = len(scores.rows)
    if n < MIN_EXAMPLES:
        yield f"{n} images are too few to resample: the spread over templates has no interval."
    if scores.clusters is not None:
        yield (
            "The images come in clusters, and variance components take them as independent: these have no interval, "
            "and there is no spread over templates."
        )
    if (scores.predictions == scores.predictions[:, :1]).all():
        yield "All templates predict the same of every image, so nothing varies with the template."
    if images > n:
        yield f"Left out for want of a label: {images - n:,} of {images:,} images."


def _equal_prompts(single: Sequence[TextClassifier], grid: PromptGrid) -> Iterator[str]:
    """Yield which classes have the same prompt with some template, and which share a further name."""
    classes, templates = grid.given.classes, grid.templates
    twins: dict[tuple[int, int], list[str]] = {}
    alike: dict[tuple[int, ...], list[str]] = {}
    for template, classifier in zip(templates, single, strict=True):
        for pair in classifier.twins:
            twins.setdefault(pair, []).append(template)
        for group in classifier.tied:
            alike.setdefault(group, []).append(template)
    if twins:
        pairs = [
            numbered(classes, *pair) + ("" if len(which) == len(templates) else f" with {listed(which, 2)}")
            for pair, which in twins.items()
        ]
        yield f"Equal prompts, of which the lower index wins: {listed(pairs, 5)}."
    if alike:
        groups = [
            f"{listed([classes[index] for index in group], 3)} with {listed(which, 2)}"
            for group, which in alike.items()
        ]
        yield (
            "Prompts that differ and are the same to the model, so that these classes tie, which is wrong of all of "
            f"them: {listed(groups, 5)}."
        )
    counts = Counter(name for names in grid.given.names for name in dict.fromkeys(names))
    if shared := [name for name, count in counts.items() if count > 1]:
        yield f"Names that several classes have: {listed(shared, 5)}."


def _equal_templates(single: Sequence[TextClassifier], templates: Sequence[str]) -> Iterator[str]:
    """Yield which templates make the same classifier, as those do that differ in case where a tokenizer has none."""
    groups: dict[bytes, list[str]] = {}
    for template, classifier in zip(templates, single, strict=True):
        made_of = sha256(classifier.vectors.tobytes() + classifier.column.tobytes()).digest()
        groups.setdefault(made_of, []).append(template)
    same = [" = ".join(f"'{template}'" for template in group) for group in groups.values() if len(group) > 1]
    if same:
        yield (
            f"To the model {len(groups)} of the {len(templates)} templates are distinct; those that are the same as "
            f"another count all the same: {'; '.join(same)}."
        )
