"""How much top-1 moves with the wording, in small worlds and on drawn images."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_rel
from statsmodels.stats.proportion import proportion_confint

import clipbench
from clipbench.errors import UserError
from clipbench.stats.differences import simultaneous_differences
from clipbench.stats.simultaneous import bonferroni, level_of
from clipbench.tasks.classify.zero_shot import ZeroShot, ZeroShotSettings
from clipbench.tasks.prompt_sensitivity.prompt_sensitivity import PromptSensitivity, PromptSensitivitySettings
from clipbench.tasks.prompts import PromptedClasses

from .conftest import values

SETTINGS = PromptSensitivitySettings(task="prompt_sensitivity", datasets=("toys",))
ZERO_SHOT = ZeroShotSettings(task="zero_shot", datasets=("toys",))
TEMPLATES = ("{}", "a {}", "the {}", "no {}", "{}!", "so {}")
FAMILIES = {"article": (1, 2), "mark": (0, 4)}


def filled(classes, templates=TEMPLATES, families=FAMILIES):
    strings = tuple(tuple(template.replace("{}", name) for template in templates) for name in classes)
    return PromptedClasses("wording", "", tuple(classes), strings, templates, families)


@pytest.fixture
def noisy(make_inputs, facts):
    """noisy(classes): 300 images, the last without a label, and prompts that miss their class by much."""

    def make(classes=("cat", "dog", "fox", "owl"), templates=TEMPLATES, **fields):
        random = np.random.default_rng(7)
        prompts = filled(classes, templates, FAMILIES if templates == TEMPLATES else {})
        centres = dict(zip(dict.fromkeys(classes), np.eye(len(classes), 16), strict=False))
        texts = {
            string: centres[name] + random.normal(0, 0.3, 16)
            for name, strings in zip(classes, prompts.strings, strict=True)
            for string in strings
        }
        labels = random.integers(0, len(classes), 300)
        images = np.array([centres[classes[label]] for label in labels]) + random.normal(0, 0.4, (300, 16))
        labels[-1] = -1
        return make_inputs(images, texts, facts(classes), labels=labels, **fields), prompts

    return make


@pytest.fixture
def by_hand(make_inputs, facts):
    """Four images of two classes: the first template is right about all, the second about three, the third about 0."""
    texts = {
        "a cat": [1, 0],
        "a dog": [0, 1],
        "the cat": [1, 0],
        "the dog": [1, 0.5],
        "no cat": [0, 1],
        "no dog": [1, 0],
    }
    images = [[1, 0], [0.9, 0.42], [0.5, 0.86], [0, 1]]
    inputs = make_inputs(images, texts, facts(["cat", "dog"]), labels=[0, 0, 1, 1])
    prompts = filled(["cat", "dog"], ("a {}", "the {}", "no {}"), {"word": (0, 1, 2)})
    return PromptSensitivity().evaluate(inputs, SETTINGS, prompts), prompts


@pytest.mark.parametrize(
    "classes", [("cat", "dog", "fox", "owl"), ("cat", "dog", "cat", "owl")], ids=["apart", "twins"]
)
def test_each_template_is_as_good_as_a_zero_shot_job_with_it_alone(noisy, classes):
    inputs, prompts = noisy(classes)
    outcome = PromptSensitivity().evaluate(inputs, SETTINGS, prompts)
    for position in range(len(TEMPLATES)):
        alone = replace(prompts, strings=tuple((strings[position],) for strings in prompts.strings))
        expected = ZeroShot().evaluate(inputs, ZERO_SHOT, alone)
        assert outcome.tables["templates"]["top1"][position] == values(expected)["top1"]
        assert outcome.examples[f"correct.{position}"].tolist() == expected.examples["correct"].tolist()
    together = ZeroShot().evaluate(inputs, ZERO_SHOT, prompts)
    assert values(outcome)["ensemble_top1"] == values(together)["top1"]


def test_the_same_holds_when_images_come_in_several_chunks(noisy, monkeypatch):
    monkeypatch.setattr("clipbench.tasks.classify.decisions._SCORES_AT_A_TIME", 4 * 100)
    inputs, prompts = noisy()
    outcome = PromptSensitivity().evaluate(inputs, SETTINGS, prompts)
    alone = replace(prompts, strings=tuple((strings[2],) for strings in prompts.strings))
    expected = ZeroShot().evaluate(inputs, ZERO_SHOT, alone)
    assert outcome.examples["correct.2"].tolist() == expected.examples["correct"].tolist()


def test_metrics_by_hand(by_hand):
    outcome, _ = by_hand
    found = {metric.name: metric for metric in outcome.metrics}
    assert outcome.tables["templates"]["top1"][:3].tolist() == [1.0, 0.75, 0.0]
    assert found["mean"].value == pytest.approx(7 / 12)
    assert found["mean"].main
    assert found["range"].value == 1.0
    assert found["standard_deviation"].value == pytest.approx(np.sqrt(13 / 48))
    assert all(found[name].interval is None for name in ("range", "standard_deviation", "template_spread"))
    component = outcome.tables["variance"].set_index("component").loc["template", "value"]
    assert found["template_spread"].value == pytest.approx(component**0.5)
    assert (found["best"].value, found["best"].params["template"]) == (1.0, "a {}")
    assert (found["worst"].value, found["worst"].params["position"]) == (0.0, 2)
    assert found["flip_share"].value == 1.0
    assert found["ensemble_gain"].value == pytest.approx(found["ensemble_top1"].value - 7 / 12)
    assert all(metric.n == 4 for metric in outcome.metrics)
    assert "optimistic" in outcome.notes[0]
    above_chance = ("mean", "best", "worst", "ensemble_top1", "chosen_top1")
    assert all((found[name].chance, found[name].commonest) == (0.5, 0.5) for name in above_chance)
    assert found["flip_share"].chance is None


def test_examples_classes_and_pictures_by_hand(by_hand):
    outcome, _ = by_hand
    rows = outcome.examples[["id", "correct_share", "predictions", "first_prediction", "most_frequent_prediction"]]
    assert rows.iloc[0].tolist() == ["image-0", pytest.approx(2 / 3), 2, "cat", "cat"]
    classes = outcome.tables["per_class"].set_index("class")
    assert classes.loc["cat", ["n", "lowest", "highest", "range"]].tolist() == [2, 0, 1, 1]
    assert outcome.pictures[0].role == "flips between prompts"
    assert outcome.pictures[0].caption == "true: cat; predicted: cat (2 of 3 templates), dog (1)"


def test_families_are_compared_with_their_plain_template(noisy):
    inputs, prompts = noisy()
    outcome = PromptSensitivity().evaluate(inputs, SETTINGS, prompts)
    table, examples = outcome.tables["families"], outcome.examples
    assert table[["family", "plain", "template"]].values.tolist() == [
        ["article", "a {}", "the {}"],
        ["mark", "{}", "{}!"],
    ]
    right = [examples[f"correct.{position}"].to_numpy() for position in range(len(TEMPLATES))]
    together = simultaneous_differences([(right[2], right[1]), (right[4], right[0])])
    expected = [list(difference.numbers) for difference in together]
    assert table[["difference", "low", "high"]].to_numpy().tolist() == expected
    # With one other template each, a family's effect is that template's.
    effects = outcome.tables["family_effects"]
    assert effects[["family", "plain", "others"]].values.tolist() == [["article", "a {}", 1], ["mark", "{}", 1]]
    assert effects[["difference", "low", "high"]].to_numpy().tolist() == expected
    families = ["mark", "article", "article", "", "mark", ""]
    assert outcome.tables["templates"]["family"].tolist() == [*families, ""]
    without = PromptSensitivity().evaluate(inputs, SETTINGS, replace(prompts, families={}))
    assert not {"families", "family_effects"} & set(without.tables)


def test_a_family_s_effect_is_the_mean_of_its_others(noisy):
    inputs, prompts = noisy()
    prompts = replace(prompts, families={"many": (0, 1, 2, 3)})
    outcome = PromptSensitivity().evaluate(inputs, SETTINGS, prompts)
    (effect,) = outcome.tables["family_effects"].to_dict("records")
    assert effect["others"] == 3
    assert effect["difference"] == pytest.approx(outcome.tables["families"]["difference"].mean())
    examples = outcome.examples
    others = examples[["correct.1", "correct.2", "correct.3"]].mean(axis=1)
    interval = ttest_rel(others, examples["correct.0"].astype(float)).confidence_interval()
    assert [effect["low"], effect["high"]] == pytest.approx(list(interval))


def test_prompts_that_the_model_cannot_tell_apart_are_told(make_inputs, facts):
    """As those of a tokenizer that lowers case, or that knows no letter of a language."""
    prompts = filled(("cat", "dog", "fox"), ("{}", "A {}", "a {}", "その{}"), {})
    texts = {"cat": [1, 0, 0], "dog": [0, 1, 0], "fox": [0, 0, 1]}
    texts |= {
        f"{article} {name}": [1, 1, 1] + 3 * np.array(texts[name]) for name in prompts.classes for article in "Aa"
    }
    texts |= {"そのcat": [1, 0, 1], "そのdog": [1, 0, 1], "そのfox": [0, 0, 1]}
    inputs = make_inputs(np.eye(3), texts, facts(prompts.classes), labels=np.arange(3))
    outcome = PromptSensitivity().evaluate(inputs, SETTINGS, prompts)
    assert outcome.tables["templates"]["top1"].tolist()[:4] == [1, 1, 1, pytest.approx(1 / 3)]
    assert outcome.notes[-2:] == (
        "Prompts that differ and are the same to the model, so that these classes tie, which is wrong of all of them: "
        "cat, dog with その{}.",
        "To the model 3 of the 4 templates are distinct; those that are the same as another count all the same: "
        "'A {}' = 'a {}'.",
    )


def test_controls_are_measured_and_have_no_part_in_anything_else(noisy):
    inputs, prompts = noisy()
    without = replace(
        prompts,
        strings=tuple(strings[:-1] for strings in prompts.strings),
        templates=TEMPLATES[:-1],
        families={"article": (1, 2)},
    )
    controlled = replace(without, controls=TEMPLATES[-1:], families={"article": (1, 2), "vague": (0, 5)})
    plain, outcome = (PromptSensitivity().evaluate(inputs, SETTINGS, given) for given in (without, controlled))
    table = outcome.tables["templates"].set_index("template")
    assert table["role"].tolist() == ["", "", "", "", "", "control", "baseline"]
    every = PromptSensitivity().evaluate(inputs, SETTINGS, prompts).tables["templates"].set_index("template")
    assert table.loc["so {}", "top1"] == every.loc["so {}", "top1"]
    assert outcome.metrics == plain.metrics
    for name in ("variance", "choice", "per_class", "gains"):
        assert outcome.tables[name].equals(plain.tables[name])
    assert outcome.tables["families"]["template"].tolist() == ["the {}", "so {}"]
    assert outcome.tables["families"]["difference"][1] == pytest.approx(table["top1"].iloc[5] - table["top1"].iloc[0])
    assert any(note.startswith("1 template is a control") for note in outcome.notes)


def test_gains_are_the_papers_two_steps(noisy):
    inputs, prompts = noisy(templates=("{}", "the {}", "so {}", "a photo of a {}."))
    outcome = PromptSensitivity().evaluate(inputs, SETTINGS, prompts)
    found = {metric.name: metric for metric in outcome.metrics}
    top1 = outcome.tables["templates"].set_index("template")["top1"]
    assert found["photo_gain"].value == pytest.approx(top1["a photo of a {}."] - top1["{}"])
    assert found["ensemble_over_photo"].value == pytest.approx(found["ensemble_top1"].value - top1["a photo of a {}."])
    table = outcome.tables["gains"]
    gained = [found[f"{gain}"] for gain in ("photo_gain", "ensemble_over_photo", "ensemble_gain", "chosen_gain")]
    assert table["difference"].tolist() == [gain.value for gain in gained]
    assert table["low"].tolist() == [gain.interval.low for gain in gained]
    assert table["better"].tolist()[:3] == ["a photo of a {}.", "all 4 templates", "all 4 templates"]
    assert [gain.interval.family for gain in gained] == [4] * 4
    assert [gain.interval.kind for gain in gained] == ["score", "score", "student", "student"]


def test_a_set_without_the_papers_single_prompts_is_measured_beside_them(noisy):
    inputs, prompts = noisy(templates=("the {}", "so {}", "a photo of a {c}."))
    outcome = PromptSensitivity().evaluate(inputs, SETTINGS, prompts)
    table = outcome.tables["templates"]
    assert table["template"].tolist() == ["the {}", "so {}", "a photo of a {c}.", "{}"]
    assert table["role"].tolist() == ["", "", "", "baseline"]
    bare = replace(prompts, strings=tuple((name,) for name in prompts.classes))
    assert table["top1"][3] == values(ZeroShot().evaluate(inputs, ZERO_SHOT, bare))["top1"]
    assert values(outcome)["mean"] == pytest.approx(table["top1"][:3].mean())


def test_variance_components_stand_in_a_table(noisy):
    inputs, prompts = noisy()
    outcome = PromptSensitivity().evaluate(inputs, SETTINGS, prompts)
    table = outcome.tables["variance"].set_index("component")
    assert table.index.tolist() == ["example", "template", "residual"]
    assert table["low"].isna().tolist() == [True, False, True]
    (spread,) = (metric for metric in outcome.metrics if metric.name == "template_spread")
    low, value, high = table.loc["template", ["low", "value", "high"]]
    assert (spread.value, spread.interval.high) == pytest.approx((value**0.5, high**0.5))
    assert spread.interval.low == pytest.approx(max(low, 0) ** 0.5)


def test_the_best_and_the_worst_template_have_an_interval_that_holds_for_any(noisy):
    inputs, prompts = noisy()
    outcome = PromptSensitivity().evaluate(inputs, SETTINGS, prompts)
    for name in ("best", "worst"):
        (metric,) = (metric for metric in outcome.metrics if metric.name == name)
        right = round(metric.value * metric.n)
        alone = proportion_confint(right, metric.n, method="wilson")
        widest = proportion_confint(right, metric.n, 1 - level_of(bonferroni(6)), method="wilson")
        assert widest[0] <= metric.interval.low < alone[0]
        assert alone[1] < metric.interval.high <= widest[1]
        assert metric.interval.family == 6


def test_images_in_clusters_have_intervals_by_cluster(noisy):
    clusters = [f"track {row % 75}" for row in range(300)]
    inputs, prompts = noisy(clusters=clusters)
    outcome = PromptSensitivity().evaluate(inputs, SETTINGS, prompts)
    found = {metric.name: metric for metric in outcome.metrics}
    assert (found["template_spread"].value, found["template_spread"].interval) == (None, None)
    kinds = {metric.name: metric.interval.kind for metric in outcome.metrics if metric.interval}
    without = {"range", "standard_deviation", "template_spread"}
    assert set(kinds) == set(found) - without
    assert all(kind.startswith("cluster") for kind in kinds.values())
    assert outcome.tables["variance"]["low"].isna().all()
    assert any("images come in clusters" in note for note in outcome.notes)
    assert outcome.examples["cluster"].tolist() == clusters[:-1]


def test_the_mean_has_the_variance_of_its_images(noisy):
    inputs, prompts = noisy()
    outcome = PromptSensitivity().evaluate(inputs, SETTINGS, prompts)
    shares, mean = outcome.examples["correct_share"], outcome.metrics[0]
    size = mean.value * (1 - mean.value) / (shares.var() / len(shares))
    expected = proportion_confint(mean.value * size, size, method="wilson")
    assert [mean.interval.low, mean.interval.high] == pytest.approx(list(expected), abs=1e-3)
    assert mean.interval.kind == "effective wilson"


def test_few_images_leave_no_interval_of_the_spread(by_hand):
    outcome, _ = by_hand
    assert outcome.tables["variance"]["low"].isna().all()
    assert any("4 images are too few" in note for note in outcome.notes)


def test_templates_that_agree_everywhere_leave_no_interval_around_their_deviation(make_inputs, facts):
    texts = {"cat": [1, 0], "a cat": [1, 0], "dog": [0, 1], "a dog": [0, 1]}
    inputs = make_inputs([[1, 0]] * 24, texts, facts(["cat", "dog"]), labels=[0] * 24)
    outcome = PromptSensitivity().evaluate(inputs, SETTINGS, filled(["cat", "dog"], TEMPLATES[:2], {}))
    found = {metric.name: metric for metric in outcome.metrics}
    assert (found["template_spread"].value, found["template_spread"].interval) == (0, None)
    assert found["ensemble_gain"].interval.kind == "score"
    assert found["ensemble_gain"].interval.low < 0
    assert outcome.pictures == ()
    assert any("nothing varies" in note for note in outcome.notes)
    dogs = outcome.tables["per_class"].iloc[1]
    assert (dogs["n"], dogs[["mean", "range"]].isna().all()) == (0, True)


@pytest.mark.parametrize(
    ("strings", "problem", "fix"),
    [
        ((("cat",), ("dog",)), "have one template", "imagenet-80"),
        ((("cat", "a cat"), ("dog",)), "have 1 for 'dog' and 2 for 'cat'", "no descriptions"),
    ],
)
def test_prompts_must_be_several_and_as_many_for_each_class(facts, model, strings, problem, fix):
    prompts = PromptedClasses("own words", "", ("cat", "dog"), strings)
    with pytest.raises(UserError) as caught:
        PromptSensitivity().needs(SETTINGS, facts(["cat", "dog"]), model(), prompts)
    assert problem in caught.value.problem
    assert fix in caught.value.fix
    assert caught.value.where == "toys"


def test_what_cannot_be_done_is_refused_before_anything_is_embedded(facts, model):
    task, prompts = PromptSensitivity(), filled(["cat", "dog"])
    with pytest.raises(UserError, match="multi-label"):
        task.needs(SETTINGS, facts(["cat", "dog"], multilabel=True), model(), prompts)
    with pytest.raises(UserError, match="at least two classes"):
        task.needs(SETTINGS, facts(["cat"]), model(), filled(["cat"]))
    with pytest.raises(UserError, match="one space"):
        task.needs(SETTINGS, facts(["cat", "dog"]), model(has_text=False), prompts)
    with pytest.raises(UserError, match="no split 'test'"):
        task.needs(SETTINGS, facts(["cat", "dog"], splits=("train",)), model(), prompts)


def test_descriptions_of_equal_number_are_compared_by_position(make_inputs, facts):
    texts = {"meows": [1, 0], "purrs": [1, 0.1], "barks": [0, 1], "growls": [0.2, 1]}
    prompts = PromptedClasses("told", "", ("cat", "dog"), (("meows", "purrs"), ("barks", "growls")))
    inputs = make_inputs([[1, 0], [0, 1]], texts, facts(["cat", "dog"]), labels=[0, 1])
    outcome = PromptSensitivity().evaluate(inputs, SETTINGS, prompts)
    assert outcome.tables["templates"]["template"].tolist() == ["meows", "purrs", "{}", "a photo of a {}."]
    assert any("k-th prompt of every class" in note for note in outcome.notes)


def test_memory_is_bounded_and_stated(facts, model):
    needs = PromptSensitivity().needs(SETTINGS, facts(["cat", "dog"]), model(), filled(["cat", "dog"]))
    # Six templates and a photo's: 48 bytes an image and template, whatever the number of classes.
    assert needs.memory({"test": 2000}, 512) - needs.memory({"test": 1000}, 512) == 48 * 7 * 1000
    assert len(needs.strings) == 14


def test_the_same_strings_as_templates_and_as_descriptions_are_two_jobs(tmp_path):
    names = ["circle", "square", "triangle", "diamond", "star", "heart", "ring", "crescent"]
    described = "".join(f"\n          {name}: [{name}, a photo of a {name}.]" for name in names)
    suite = tmp_path / "same.yaml"
    suite.write_text(f"""
name: same
tasks:
  - task: prompt_sensitivity
    datasets: scenes-shape
    limit: 80
    prompts:
      - {{name: templates, templates: ["{{}}", "a photo of a {{}}."]}}
      - name: described
        descriptions:{described}
""")
    folders = {"output": tmp_path / "results", "cache": tmp_path / "cache"}
    jobs = clipbench.run(suite, "clip-tiny", device="cpu", workers=0, **folders).jobs()
    assert [job.error for job in jobs] == ["", ""]
    roles = {job.variant: job.tables["templates"].frame()["role"].tolist() for job in jobs}
    assert roles == {"templates": ["", ""], "described": ["", "", "baseline", "baseline"]}
