"""Effective robustness of published models: the known answers, and how models are found."""

import pytest
from typer.testing import CliRunner

from clipbench.cli.main import app
from clipbench.reference.clip_pair import clip_pair
from clipbench.reference.listing import paper_pair, robustness, table, tables
from clipbench.reference.robustness import find_published, published_robustness

from ..conftest import user_error

# Zero-shot CLIP ViT-B/32 beside the 87 models trained on ImageNet alone: slope, R2, rho in points, models of the line.
KNOWN = {
    "imagenet-v2": (0.9114, 0.996, 5.82, 87),
    "imagenet-sketch": (1.0712, 0.868, 28.04, 87),
    "imagenet-r": (0.6372, 0.888, 38.99, 82),
    "objectnet": (0.9803, 0.952, 18.07, 87),
    "imagenet-a": (1.9973, 0.814, 29.20, 86),
}


def test_known_answers_of_zero_shot_clip():
    results = published_robustness("vit_b_32_clip_zeroshot")
    assert [result.pair.shift for result in results] == list(KNOWN)
    for result in results:
        line = result.line
        known = (round(line.slope, 4), round(line.r2, 3), round(100 * result.rho, 2), len(line.models))
        assert known == KNOWN[result.pair.shift]
        assert result.interval.low < result.rho < result.interval.high
        # No model trained on ImageNet alone lies so far from the line.
        assert result.interval.low > 0
    # Models at nought are left out and named.
    assert results[-1].line.left_out == ("resnet50",)
    assert any("resnet50" in warning for warning in results[-1].warnings)


def test_nothing_is_expected_of_a_model_that_is_not_class_matched():
    results = {result.pair.shift: result for result in published_robustness("ViT-B-32/openai")}
    assert results["imagenet-r"].expected is None
    assert results["imagenet-r"].rho is None
    assert "all 1,000 classes" in results["imagenet-r"].warnings[0]
    assert round(100 * results["imagenet-v2"].rho, 1) == 5.5


def test_a_model_outside_the_line_and_one_inside_it_are_told():
    (best,) = published_robustness("efficientnet-l2-noisystudent", ["imagenet-v2"])
    assert any("outside the models of the line" in warning for warning in best.warnings)
    (member,) = published_robustness("vgg11_bn", ["imagenet-v2"])
    assert member.warnings == ("Its own figures have no part in the line.",)
    assert "vgg11_bn" not in member.line.models


def test_a_model_is_found_by_an_unambiguous_beginning_in_any_case():
    assert {find_published(name) for name in ("vit_b_32", "VIT_B_32_CLIP")} == {"vit_b_32_clip_zeroshot"}
    assert {find_published(name) for name in ("resnet50", "ResNet50")} == {"resnet50"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vgg", "'vgg' begins the names of several published models; give one of: vgg11, vgg11_bn, vgg13, vgg13_bn,"),
        ("vit_b_33", "there is no published model 'vit_b_33'; did you mean 'vit_b_32_clip_zeroshot'?"),
        ("resnet_101", "there is no published model 'resnet_101'; did you mean 'resnet101'?"),
        ("???", "`clipbench reference table imagenet-testbed` lists models"),
    ],
)
def test_a_name_that_is_none_gets_the_nearest(name, message):
    assert message in str(user_error(find_published, name))


def test_the_papers_pair_has_the_shares_that_follow_from_it():
    closed = {shift.dataset: round(100 * shift.share_closed) for shift in clip_pair().shifts}
    assert closed == {"imagenet-v2": 49, "imagenet-r": 133, "objectnet": 91, "imagenet-sketch": 69, "imagenet-a": 101}
    listing = paper_pair()
    cells = {row[0]: row[-1] for row in listing.rows}
    assert cells["imagenet-r"] == "133 %, beyond"
    assert cells["objectnet"] == "91 %"
    for said in ("not measured here", "not class-matched", "The paper says", "up to 75 %"):
        assert said in " ".join(listing.notes)


def test_tables_are_listed_and_printed():
    assert robustness("vit_b_32").rows[0][:5] == ("imagenet-v2", "63.30", "56.21", "50.39", "+5.82")
    assert len(robustness("vit_b_32", every=True).rows) == 12
    assert [row[0] for row in tables().rows] == ["imagenet-testbed", "open-clip", "clip-paper", "imagenet-c"]
    assert len(table("open-clip").rows) == 117
    assert "MIT" in table("imagenet-testbed").notes[0]
    assert "did you mean 'open-clip'" in str(user_error(table, "openclip"))


def test_the_command_prints_the_known_answers(clipbench):
    done = clipbench("reference", "robustness", "vit_b_32")
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
    rho = {cells[0]: float(cells[4]) for cells in lines[1:]}
    assert rho == {shift: known[2] for shift, known in KNOWN.items()}
    wrong = clipbench("reference", "robustness", "vgg")
    assert wrong.returncode == 2
    assert "several published models" in wrong.stderr


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["pair"], "133 %, beyond"),
        (["list"], "imagenet-testbed"),
        (["table", "clip-paper"], "zero-shot CLIP ViT-L/14@336"),
    ],
)
def test_the_other_commands_print(words, shown):
    done = CliRunner().invoke(app, ["reference", *words])
    assert done.exit_code == 0
    assert shown in done.stdout
