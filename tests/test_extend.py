"""What programs and plug-ins import stays: its names, what they are called with, and that they suffice."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest

import clipbench as package
from clipbench import extend

from .conftest import REPOSITORY

CALLS = {
    "AnalysisSettings": "* analysis",
    "ArrayFeatures": "array",
    "ColumnSpec": "name label= unit= low= high=",
    "Condition": "shots= features= head=",
    "CurveSpec": "x y log_x= second= second_label= chosen= chosen_param= chosen_label= open_ended= "
    "hollow_unless= legend=",
    "Decoding": "exif= alpha=",
    "DatasetFacts": "name classes multilabel splits regime= main_metric=",
    "DatasetInfo": "name regime= main_metric= prompts= description= source= licence= show_images=",
    "Example": "id image label= labels= captions= groups= problem=",
    "FeatureSettings": "* task split= limit= datasets train_split= features= normalise=",
    "Finding": "about metrics tables= jobs= notes= verdict=",
    "ImageFeatures": "projected backbone",
    "ImageSet": "ids features labels= label_sets= captions= groups= n_broken=",
    "IndexedSplit": "count read locate",
    "Inputs": "dataset model sets text device=",
    "Interval": "low high kind level=",
    "Metric": "name value n interval= unit= main= params=",
    "MetricSpec": "name label unit= higher_is_better= definition= source= per_example= within=",
    "ModelInfo": "name pedigree has_text logit_scale= logit_bias= features= trained_on= context_length= library=",
    "ModelPedigree": "weights transform tokenizer= precision= architecture=",
    "Needs": "splits features= strings= captions= templates= memory=",
    "Outcome": "metrics examples tables= pictures= notes= seconds=",
    "Picture": "id split role caption true_label= prediction=",
    "PromptSettings": "* task split= limit= datasets prompts=",
    "PromptedClasses": "name source classes strings templates= families= controls= names=",
    "Subject": "models= datasets= averaged= reference= split= task= prompts= condition= protocol= subset= "
    "limit= n= n_train=",
    "TableSpec": "name caption columns largest_by= curve= definition=",
    "TaskSettings": "* task split= limit= datasets",
    "Tokens": "ids lengths truncated",
    "Unavailable": "problem * where= fix=",
    "UserError": "problem * where= fix=",
    "bootstrap_mean": "values * resamples= seed= level=",
    "bootstrap_units": "n statistic * resamples= seed= level= elements= centre=",
    "class_prompts": "prompts dataset task",
    "compare": "results first= second= * metric= datasets=",
    "compare_all": "results * models= metric= datasets=",
    "write_site": "results output * title= published= images=",
    "write_site_data": "results output * published= images=",
    "decide": "images classifier model where",
    "decode": "image decoding=",
    "describe_module": "name weights * transform tokenizer= architecture= precision= logit_scale= logit_bias= "
    "features= trained_on= context_length= library=",
    "did_you_mean": "name allowed limit=",
    "disagreements": "results first= second= * metric= datasets=",
    "distinct_strings": "prompts",
    "fit_line": "names reference shift * continuity= n_reference= n_shift=",
    "load_results": "*folders",
    "load_suite": "suite * code=",
    "published_pair": "reference shift",
    "read_correct": "jobs examples columns=",
    "require_joint_space": "model task",
    "require_split": "dataset split",
    "require_training": "settings dataset task",
    "run": "suite models * only= limit= output= data_root= device= precision= batch_size= workers= thumbnails= "
    "cache= progress=",
    "shift_suite": "benchmark real * prompts= output=",
    "side_by_side": "jobs find",
    "stored_feature": "settings model task",
    "subject_of": "jobs",
    "text_classifier": "prompts text model",
    "train": "recipe output * settings= device= workers= data_root= resume= progress=",
    "unit_rows": "features",
    "verdict_of": "low high",
    "wilson": "correct n level=",
}
"""Parameters, `*` before those that have to be named, `=` behind those that may be left out."""
MEMBERS = {
    "Analysis": "Settings analyse automatic name protocol tasks",
    "AnalysisResult": "about analysis declared error hash jobs notes protocol record records status tables verdict",
    "Dataset": "classes info multilabel split splits templates",
    "Evidence": "examples jobs",
    "ImageModel": "encode_images info transform",
    "ImageTextModel": "encode_images encode_tokens info text_length tokenize transform",
    "IndexedDataset": "__getitem__ __len__ classes info locator multilabel split split_name splits templates",
    "JobResult": "condition dataset error hash limit main model notes pedigree pictures prompts records split status "
    "tables task variant",
    "PageData": "album analyses jobs leaderboard means rank results results_of unclaimed",
    "ProgressListener": "advanced analysis_failed fetching finished page planned started",
    "Results": "all analysis_results compare examples frame jobs report wide",
    "Section": "analyses name order show template title",
    "Split": "count download_bytes image keys locator shards",
    "Suite": "datasets description name only path tasks text",
    "Task": "Settings evaluate name needs protocol",
}
"""Of what is derived from, conformed to or only read."""

VERDICTS = ("higher", "lower", "not_distinguishable", "undefined")

ONLY_PROGRAMS = {"Results", "Suite", "compare", "compare_all", "disagreements", "load_results", "load_suite", "run"}

ONLY_PROGRAMS |= {"shift_suite", "train", "write_site", "write_site_data"}
PLUGINS = sorted({*CALLS, *MEMBERS, "Verdict"} - ONLY_PROGRAMS)
SHARED = "Dataset DatasetInfo Example ImageFeatures ImageTextModel IndexedDataset ModelInfo ModelPedigree Split Tokens"
PROGRAMS = sorted({*ONLY_PROGRAMS, *SHARED.split(), "UserError"})


def public(name: str) -> Any:
    return getattr(extend if name in PLUGINS else package, name)


def parameters(value: Any) -> list[str]:
    """Return a call's parameters as `CALLS` has them."""
    names = []
    for parameter in inspect.signature(value).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in names:
            names.append("*")
        star = "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
        names.append(star + parameter.name + ("" if parameter.default is parameter.empty else "="))
    return names


def members(value: type) -> set[str]:
    """Return what a class and those it is derived from define or annotate."""
    return {name for base in value.__mro__ for name in (*vars(base), *vars(base).get("__annotations__", ()))}


def test_the_names_are_these():
    assert sorted(package.__all__) == dir(package) == PROGRAMS
    assert sorted(extend.__all__) == dir(extend) == PLUGINS
    for name in {*PROGRAMS} - ONLY_PROGRAMS:
        assert getattr(package, name) is getattr(extend, name)
    assert get_args(extend.Verdict) == VERDICTS


@pytest.mark.parametrize("name", CALLS)
def test_what_could_be_called_still_can(name: str):
    value, pinned = public(name), CALLS[name].split()
    assert inspect.isclass(value) == name[0].isupper()
    found = parameters(value)
    assert found[: len(pinned)] == pinned
    assert all(new == "*" or new.endswith("=") for new in found[len(pinned) :])


@pytest.mark.parametrize("name", MEMBERS)
def test_what_was_a_member_still_is_and_no_other_is_demanded(name: str):
    value, pinned = public(name), set(MEMBERS[name].split())
    found = members(value)
    assert pinned <= found
    is_protocol = getattr(value, "_is_protocol", False)
    demanded = {name for name in found if name[0] != "_"} if is_protocol else getattr(value, "__abstractmethods__", ())
    assert set(demanded) <= pinned


@pytest.mark.parametrize("module", [package, extend])
def test_an_editor_sees_what_is_imported(module: Any):
    (checked,) = (node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.If))
    seen = {alias.name: line.module for line in checked.body for alias in line.names}
    assert sorted(seen) == sorted(module.__all__)
    for name, home in seen.items():
        assert getattr(module, name) is getattr(import_module(home), name)


def test_importing_it_imports_nothing_else():
    code = "import sys; before = set(sys.modules); import clipbench.extend; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in ast.literal_eval(done.stdout)}
    assert loaded - set(sys.stdlib_module_names) == {"clipbench"}


def test_no_module_takes_the_place_of_a_name():
    assert {module.name for module in pkgutil.iter_modules(package.__path__)}.isdisjoint(PROGRAMS)


@pytest.mark.parametrize("module", [package, extend])
def test_an_unknown_name_is_an_attribute_error(module: Any):
    with pytest.raises(AttributeError, match=f"module '{module.__name__}' has no attribute 'Nothing'"):
        module.Nothing  # noqa: B018 - looking it up is what is tested


# What documents and examples import.

ALLOWED = {"clipbench", "clipbench.extend"}
ALLOWED |= {f"clipbench.{name}" for name in PROGRAMS} | {f"clipbench.extend.{name}" for name in PLUGINS}
PAGES = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("*/*.md")]


def used(code: str) -> Iterator[str]:
    """Yield the dotted names below `clipbench` that code imports, or reaches from the imported package."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


def outside(code: str) -> set[str]:
    return {name for name in used(code) if name.partition(".")[0] == "clipbench"} - ALLOWED


@pytest.mark.parametrize("path", sorted(REPOSITORY.glob("examples/*.py")), ids=lambda path: path.name)
def test_examples_import_only_what_is_public(path: Path):
    code = path.read_text(encoding="utf-8")
    assert "clipbench" in code
    assert outside(code) == set()


def test_documents_import_only_what_is_public():
    pages = [page.read_text(encoding="utf-8") for page in PAGES]
    blocks = [block for page in pages for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL)]
    assert sum("import clipbench" in block or "from clipbench" in block for block in blocks) >= 7
    assert set().union(*map(outside, blocks)) == set()


@pytest.mark.parametrize(
    "code",
    [
        "from clipbench.models.custom import describe_module",
        "from clipbench import models",
        "from clipbench.extend import Once",
        "import clipbench.runs.progress as progress",
        "import clipbench\nclipbench.runner.run()",
    ],
)
def test_an_import_of_anything_else_would_be_noticed(code: str):
    assert outside(code)
