"""`clipbench prompts show`: the filled strings, their token counts, and what would be cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipbench.cli.prompt_listing import show_prompts
from clipbench.prompts.tokens import count_tokens
from clipbench.reference.listing import Listing

from ..conftest import CommandLine, output_of, user_error

ROOM = "Tokens of the tokenizer of clip-tiny, start and end included; there is room for 32."


def shown(name: str, *classes: str, **options: str | int) -> Listing:
    return show_prompts(name, classes=classes, model="clip-tiny", **options)  # type: ignore[arg-type]


def test_each_string_stands_beside_its_class_and_its_tokens() -> None:
    listing = shown("a picture of a {}.", "circle", "square")
    # start, four words, the class, the full stop, end
    assert listing.rows == tuple((name, f"a picture of a {name}.", "8", "") for name in ("circle", "square"))
    assert listing.notes == (f"a picture of a {{}}.: 2 prompts of 2 classes. {ROOM}",)


def prompt_file(folder: Path, text: str) -> str:
    (folder / "mine.yaml").write_text(f"name: mine\nsource: ours\n{text}")
    return str(folder / "mine.yaml")


def test_what_would_be_cut_is_marked_and_warned_of_even_where_it_is_not_listed() -> None:
    fits, too_long = "! " * 29 + "x", "! " * 30 + "x"
    listing = shown("{}", "circle", fits, too_long)
    assert [row[2:] for row in listing.rows] == [("3", ""), ("32", ""), ("32", "yes")]
    (*_, listed, warning) = shown("{}", "circle", fits, too_long, limit=1).notes
    assert listed == "Listed: the first 1 of 3 classes; --limit 0 lists all."
    assert warning.startswith("warning: 1 prompt is longer and would be cut")


def test_a_data_set_s_own_templates_and_classes() -> None:
    listing = show_prompts("own", dataset="scenes-shape", model="clip-tiny", limit=2)
    assert {row[0] for row in listing.rows} == {"circle", "square"}
    assert listing.rows[0][1] == "a photo of a circle."
    picked = show_prompts("own", dataset="scenes-shape", classes=["square"], model="clip-tiny")
    assert {row[0] for row in picked.rows} == {"square"}


def test_of_a_set_for_single_classes_a_part_may_be_named_and_others_are_told(tmp_path: Path) -> None:
    path = prompt_file(tmp_path, "descriptions: {toad: [a dry animal], frog: [a wet animal]}\n")
    assert [row[:2] for row in shown(path, "frog").rows] == [("frog", "a wet animal")]
    path = prompt_file(tmp_path, "templates: ['a {}']\nsynonyms: {dogg: [hound], cat: [puss]}\n")
    assert shown(path, "dog", "cat").notes[-1] == "It also says something of 'dogg': no --class is one."
    assert not any("It also says" in note for note in shown(path, "dogg", "cat").notes)


def test_controls_are_marked_and_counted_apart(tmp_path: Path) -> None:
    families = "families: {article: ['a {}', 'the {}'], negation: ['a {}', 'no {}']}\ncontrols: [negation]\n"
    listing = shown(prompt_file(tmp_path, f"synonyms: {{circle: [disc]}}\n{families}"), "circle", "square")
    assert listing.columns == ("class", "prompt", "tokens", "cut", "role")
    assert [(row[0], row[1]) for row in listing.rows if not row[4]] == [
        *(("circle", text) for text in ("a circle", "the circle", "a disc", "the disc")),
        *(("square", text) for text in ("a square", "the square")),
    ]
    controls = [("circle", "no circle", "control"), ("square", "no square", "control")]
    assert [(row[0], row[1], row[4]) for row in (listing.rows[4], listing.rows[7])] == controls
    total, names, beside = listing.notes
    assert total.startswith("mine: 6 prompts of 2 classes.")
    assert names.startswith("1 class has several names, at most 2")
    assert beside.startswith("Beside them 1 control a class")


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


def test_a_suite_s_own_data_sets_lie_where_it_says_and_the_catalog_s_stay(suite: Path) -> None:
    for dataset in ("leaves", "spare"):
        listing = show_prompts("a {}", dataset=dataset, suite=suite, model="clip-tiny")
        assert [row[:2] for row in listing.rows] == [("elm", "a elm"), ("oak", "a oak")]
    assert len(show_prompts("{}", dataset="digits", suite=suite, model="clip-tiny").rows) == 10


def test_a_suite_s_own_prompt_sets_are_called_by_their_names(suite: Path) -> None:
    wild = "{name: wild, templates: ['wild {}']}}\n  - {task: zero_shot, datasets: [digits], prompts: "
    suite.write_text(SUITE.replace("photo}", wild + "[{name: wild, templates: ['{}!']}, here.yaml]}"))
    (suite.parent / "here.yaml").write_text("name: file\nsource: ours\ntemplates: ['the {}']\n")

    def first(name: str, dataset: str) -> str:
        return show_prompts(name, dataset=dataset, suite=suite, model="clip-tiny").rows[0][1]

    # Of two that are called the same, each data set has its own; any other set stays within reach.
    assert first("wild", "leaves") == "wild elm"
    assert first("wild", "digits").endswith("!")
    assert first("file", "leaves") == "the elm"
    assert first("photo", "leaves") == "a photo of a elm."


def test_a_suite_s_data_set_that_is_not_there(suite: Path) -> None:
    assert "nowhere" in str(user_error(show_prompts, "{}", dataset="unseen", suite=suite))
    fix = user_error(show_prompts, "{}", dataset="leave", suite=suite).fix
    assert fix == "did you mean 'leaves'? Classes without a data set are given by --class"
    suite.write_text(SUITE.replace("path: nowhere", "pth: nowhere"))
    assert user_error(show_prompts, "{}", dataset="leaves", suite=suite).where == f"{suite}:5: datasets.unseen.pth"


@pytest.mark.parametrize(
    ("name", "options", "where", "words"),
    [
        ("phto", {"classes": ["x"]}, None, "did you mean 'photo'?"),
        ("photo", {"dataset": "digts"}, None, "did you mean 'digits'? Classes without a data set are given by --class, "
                                              "a suite with data sets of its own by --suite"),
        ("a \udcff {}", {"classes": ["x"]}, "prompts", "write it as UTF-8"),
        ("photo", {"classes": ["x"], "suite": "quickstart"}, None, "give --dataset NAME too"),
        ("photo", {"dataset": "digits", "classes": ["thre"]}, "digits", "did you mean 'three'?"),
        ("photo", {"classes": [" "]}, "--class", "give a name, or leave --class out"),
        ("photo", {}, None, "give --dataset NAME, or --class NAME once or repeatedly"),
        ("own", {"classes": ["x"]}, None, "give --dataset NAME, or another prompt set than 'own'"),
        ("photo", {"dataset": "scenes-captions"}, "scenes-captions", "is it a set of captions?"),
        ("photo", {"classes": ["x"], "model": "timm:resnet18"}, "model timm:resnet18", "a model with a text tower"),
    ],
)  # fmt: skip
def test_wrong_use(name: str, options: dict[str, object], where: str | None, words: str) -> None:
    error = user_error(show_prompts, name, **options)
    assert error.where == where
    assert words in f"{error.problem}; {error.fix}"


def test_the_tokenizer_of_the_paper_counts_where_no_model_is_named() -> None:
    texts = ["a photo of a cat.", "a " * 75 + "b", "a " * 74 + "b", "a photo of a cat."]
    counts = count_tokens(texts)
    assert counts.room == 77
    counted = [(counts.by_text[text].tokens, counts.by_text[text].cut) for text in texts]
    assert counted == [(8, False), (77, True), (77, False), (8, False)]


def test_the_weights_of_a_named_model_are_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert count_tokens(["a photo of a cat."], "vit-b-16") == count_tokens(["a photo of a cat."])


def test_a_class_by_dotted_path_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "examples")
    counts = count_tokens(["a red circle"], "colour_words_model:ColourWords")
    assert counts.by_text["a red circle"].tokens <= counts.room


@pytest.mark.shared_data
def test_a_local_folder_s_tokenizer_counts(shared_data: Path) -> None:
    folder = f"open_clip:local-dir:{shared_data / 'models' / 'cifar-clip'}"
    assert count_tokens(["a photo of a cat."], folder).by_text["a photo of a cat."].tokens == 8


def test_the_command_prints_a_table_and_warns_beside_it(clipbench: CommandLine, tmp_path: Path) -> None:
    done = clipbench("prompts", "show", "{}", "--class", "circle", "--class", "! " * 40, "-m", "clip-tiny")
    assert output_of(done).splitlines()[:2] == ["class\tprompt\ttokens\tcut", "circle\tcircle\t3\t"]
    assert "warning: 1 prompt is longer and would be cut" in done.stderr
    (tmp_path / "mine.yaml").write_text("datasets: {two: {adapter: scenes, by: shape}}\n"
                                        "tasks: [{task: zero_shot, datasets: [two], prompts: photo}]\n")  # fmt: skip
    own = clipbench("prompts", "show", "photo", "--dataset", "two", "--suite", "mine.yaml", "-m", "clip-tiny")
    assert "circle\ta photo of a circle." in own.stdout, own.stderr
    wrong = clipbench("prompts", "show", "phto", "--class", "circle")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "error: unknown prompt set 'phto'; did you mean 'photo'?\n"
