"""`clipbench prompts show`: the filled strings, their token counts, and what would be cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipbench.cli.prompt_listing import PromptListing, show_prompts
from clipbench.errors import UserError
from clipbench.prompts.tokens import count_tokens

from ..conftest import CommandLine

ROOM = "Tokens of the tokenizer of clip-tiny, start and end included; there is room for 32."


def shown(name: str, *classes: str, **options: str | int) -> PromptListing:
    return show_prompts(name, classes=classes, model="clip-tiny", **options)  # type: ignore[arg-type]


def test_each_string_stands_beside_its_class_and_its_tokens() -> None:
    listing = shown("a picture of a {}.", "circle", "square")
    # start, four words, the class, the full stop, end
    assert listing.rows == (
        ("circle", "a picture of a circle.", "8", ""),
        ("square", "a picture of a square.", "8", ""),
    )
    assert listing.notes == (f"a picture of a {{}}.: 2 prompts of 2 classes. {ROOM}",)


def test_what_would_be_cut_is_marked_and_warned_of_even_where_it_is_not_listed() -> None:
    fits, too_long = "! " * 29 + "x", "! " * 30 + "x"
    listing = shown("{}", "circle", fits, too_long)
    assert [row[2:] for row in listing.rows] == [("3", ""), ("32", ""), ("32", "yes")]
    (*_, listed, warning) = shown("{}", "circle", fits, too_long, limit=1).notes
    assert listed == "Listed: the first 1 of 3 classes; --limit 0 lists all."
    assert warning.startswith(
        "warning: 1 prompt is longer and would be cut, the model would not see the end; the first"
    )


def test_a_data_set_s_own_templates_and_classes() -> None:
    listing = show_prompts("own", dataset="scenes-shape", model="clip-tiny", limit=2)
    assert {row[0] for row in listing.rows} == {"circle", "square"}
    assert listing.rows[0][1] == "a photo of a circle."
    picked = show_prompts("own", dataset="scenes-shape", classes=["square"], model="clip-tiny")
    assert {row[0] for row in picked.rows} == {"square"}


def test_of_a_set_with_descriptions_a_part_may_be_named(tmp_path: Path) -> None:
    path = tmp_path / "d.yaml"
    path.write_text("name: d\nsource: ours\ndescriptions: {toad: [a dry animal], frog: [a wet animal]}\n")
    assert [row[:2] for row in shown(str(path), "frog").rows] == [("frog", "a wet animal")]


def test_a_set_that_names_no_class_given_says_so(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("name: s\nsource: ours\ntemplates: ['a {}']\nsynonyms: {dogg: [hound], cat: [puss]}\n")
    assert shown(str(path), "dog", "cat").notes[-1] == "It also says something of 'dogg': no --class is one."
    assert not any("It also says" in note for note in shown(str(path), "dogg", "cat").notes)


def test_controls_are_marked_and_counted_apart(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "name: c\nsource: ours\ncontrols: [negation]\nsynonyms: {circle: [disc]}\n"
        "families: {article: ['a {}', 'the {}'], negation: ['a {}', 'no {}']}\n"
    )
    listing = shown(str(path), "circle", "square")
    assert listing.columns == ("class", "prompt", "tokens", "cut", "role")
    assert [(row[0], row[1], row[4]) for row in listing.rows] == [
        ("circle", "a circle", ""),
        ("circle", "the circle", ""),
        ("circle", "a disc", ""),
        ("circle", "the disc", ""),
        ("circle", "no circle", "control"),
        ("square", "a square", ""),
        ("square", "the square", ""),
        ("square", "no square", "control"),
    ]
    assert listing.notes == (
        f"c: 6 prompts of 2 classes. {ROOM}",
        "1 class has several names, at most 2: each is filled into every template, and all are averaged.",
        "Beside them 1 control a class: measured, never averaged with the others.",
    )


SUITE = """
datasets:
  leaves: {adapter: folder, path: pictures}
  spare: {adapter: folder, path: pictures}
  unseen: {adapter: folder, path: nowhere}
tasks:
  - {task: zero_shot, datasets: [leaves], prompts: photo}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite with a data set of its own beside it."""
    for name in ("elm", "oak"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        (tmp_path / "pictures" / name / "1.png").touch()
    (tmp_path / "mine.yaml").write_text(SUITE)
    return tmp_path / "mine.yaml"


@pytest.mark.parametrize("dataset", ["leaves", "spare"])
def test_a_suite_s_own_data_set_lies_where_the_suite_says(suite: Path, dataset: str) -> None:
    listing = show_prompts("a {}", dataset=dataset, suite=suite, model="clip-tiny")
    assert [row[:2] for row in listing.rows] == [("elm", "a elm"), ("oak", "a oak")]


def test_a_suite_s_own_prompt_sets_are_called_by_their_names(suite: Path) -> None:
    suite.write_text(
        SUITE.replace(
            "prompts: photo}",
            "prompts: {name: wild, templates: ['wild {}']}}\n"
            "  - {task: zero_shot, datasets: [digits], prompts: [{name: wild, templates: ['{}!']}, here.yaml]}",
        )
    )
    (suite.parent / "here.yaml").write_text("name: file\nsource: ours\ntemplates: ['the {}']\n")

    def first(name: str, dataset: str) -> str:
        return show_prompts(name, dataset=dataset, suite=suite, model="clip-tiny").rows[0][1]

    # Of two that are called the same, each data set has its own; any other set stays within reach.
    assert first("wild", "leaves") == "wild elm"
    assert first("wild", "digits").endswith("!")
    assert first("file", "leaves") == "the elm"
    assert first("photo", "leaves") == "a photo of a elm."


def test_beside_a_suite_the_catalog_s_data_sets_stay(suite: Path) -> None:
    assert len(show_prompts("{}", dataset="digits", suite=suite, model="clip-tiny").rows) == 10


def test_a_suite_s_data_set_that_is_not_there(suite: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        show_prompts("{}", dataset="unseen", suite=suite)
    with pytest.raises(UserError) as caught:
        show_prompts("{}", dataset="leave", suite=suite)
    assert str(caught.value) == (
        "unknown data set 'leave'; did you mean 'leaves'? Classes without a data set are given by --class"
    )


def test_a_broken_suite_says_its_line(suite: Path) -> None:
    suite.write_text(SUITE.replace("path: nowhere", "pth: nowhere"))
    with pytest.raises(UserError, match=r"mine\.yaml:5: datasets\.unseen\.pth: unknown key"):
        show_prompts("{}", dataset="leaves", suite=suite)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("phto", {"classes": ["x"]}, "unknown prompt set 'phto'; did you mean 'photo'?"),
        ("photo", {"dataset": "digts"}, "unknown data set 'digts'; did you mean 'digits'? Classes without a data set "
                                        "are given by --class, a suite with data sets of its own by --suite"),
        ("a \udcff {}", {"classes": ["x"]}, r"prompts: 'a \udcff {}' holds bytes that are no text; write it as UTF-8"),
        ("photo", {"classes": ["x"], "suite": "quickstart"}, "a suite is named, but none of its data sets; give "
                                                             "--dataset NAME too"),
        ("photo", {"dataset": "digits", "classes": ["thre"]}, "digits: it has no class 'thre'; did you mean 'three'?"),
        ("photo", {}, "there are no classes to fill in; give --dataset NAME, or --class NAME once or repeatedly"),
        ("own", {"classes": ["x"]}, "classes alone have no templates of their own; give --dataset NAME, or another "
                                    "prompt set than 'own'"),
        ("photo", {"dataset": "scenes-captions"}, "scenes-captions: has no classes to name in prompts; is it a set of "
                                                  "captions?"),
        ("photo", {"classes": ["x"], "model": "timm:resnet18"}, "model timm:resnet18: it embeds no text, so it has no "
         "tokenizer; name a model with a text tower; clipbench list models shows some"),
    ],
)  # fmt: skip
def test_wrong_use(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        show_prompts(name, **options)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_the_tokenizer_of_the_paper_counts_where_no_model_is_named() -> None:
    texts = ["a photo of a cat.", "a " * 75 + "b", "a " * 74 + "b", "a photo of a cat."]
    counts = count_tokens(texts)
    assert counts.room == 77
    assert [(counts.of[text].tokens, counts.of[text].cut) for text in texts] == [
        (8, False),
        (77, True),
        (77, False),
        (8, False),
    ]


def test_the_weights_of_a_named_model_are_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert count_tokens(["a photo of a cat."], "vit-b-16") == count_tokens(["a photo of a cat."])


def test_a_class_by_dotted_path_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "examples")
    counts = count_tokens(["a red circle"], "colour_words_model:ColourWords")
    assert counts.of["a red circle"].tokens <= counts.room


@pytest.mark.shared_data
def test_a_local_folder_s_tokenizer_counts(shared_data: Path) -> None:
    folder = f"open_clip:local-dir:{shared_data / 'models' / 'cifar-clip'}"
    assert count_tokens(["a photo of a cat."], folder).of["a photo of a cat."].tokens == 8


def test_the_command_prints_a_table_and_warns_beside_it(clipbench: CommandLine, tmp_path: Path) -> None:
    done = clipbench("prompts", "show", "{}", "--class", "circle", "--class", "! " * 40, "-m", "clip-tiny")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == ["class\tprompt\ttokens\tcut", "circle\tcircle\t3\t"]
    assert "warning: 1 prompt is longer and would be cut" in done.stderr
    (tmp_path / "mine.yaml").write_text("datasets: {two: {adapter: scenes, by: shape}}\n"
                                        "tasks: [{task: zero_shot, datasets: [two], prompts: photo}]\n")  # fmt: skip
    own = clipbench("prompts", "show", "photo", "--dataset", "two", "--suite", "mine.yaml", "-m", "clip-tiny")
    assert "circle\ta photo of a circle." in own.stdout, own.stderr
    wrong = clipbench("prompts", "show", "phto", "--class", "circle")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "error: unknown prompt set 'phto'; did you mean 'photo'?\n"
