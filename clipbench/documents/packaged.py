"""Where the suites and prompt sets that come with clipbench lie: in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from clipbench.errors import UserError, did_you_mean, nearest

Kind = Literal["suites", "prompts"]


def packaged_folder(kind: Kind) -> Path:
    """Return the folder of packaged YAML files: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "_packaged" / kind
    return inside if inside.is_dir() else package.parent / kind


def packaged_files(kind: Kind) -> dict[str, Path]:
    """Return the packaged YAML files by bare name, in order of name."""
    return {path.stem: path for path in sorted(packaged_folder(kind).glob("*.yaml"))}


def prompt_files() -> dict[str, Path]:
    """Return the packaged prompt sets' files by name."""
    return packaged_files("prompts")


def find_suite(name_or_path: str | Path) -> Path:
    """Return the file of a suite: a path as given, or else `NAME` or `suites/NAME.yaml` of the packaged ones.

    Raises:
        UserError: there is neither such a file nor such a packaged suite.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    bare = len(path.parts) == 1 and path.suffix == ""
    if path.is_dir() and not bare:
        raise UserError("is a folder, not a suite", where=str(path), fix=_files_in(path))
    packaged = packaged_files("suites")
    if (bare or path.parent == Path("suites")) and path.stem in packaged:
        return packaged[path.stem]
    raise UserError(f"there is no suite {str(name_or_path)!r}", fix=_nearest(path, bare, packaged))


def _nearest(path: Path, bare: bool, packaged: dict[str, Path]) -> str:
    with_suffix = path.with_name(f"{path.name}.yaml")
    neighbours = map(str, path.parent.glob("*.y*ml")) if not bare and path.parent.is_dir() else ()
    near = str(with_suffix) if with_suffix.is_file() else nearest(str(path), neighbours)
    if near := near or nearest(path.stem, packaged):
        return f"did you mean {near!r}?"
    return f"{did_you_mean(path.stem, packaged)}; or give the path of a YAML file"


def _files_in(folder: Path) -> str:
    files = sorted(str(file) for file in folder.glob("*.yaml"))
    return f"give one of its files: {', '.join(files)}" if files else "give a YAML file"
