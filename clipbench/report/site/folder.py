"""A site's folder: a build takes the place of the former one, and removes of it what it has no more."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from clipbench.errors import UserError, quoted
from clipbench.files import cannot_write, write_atomically
from clipbench.fingerprint import digest_file

MANIFEST = "data/manifest.json"
"""Names all other files that the last build wrote, each with its sha256; after an interruption also the former one."""
_STAGE = ".building"
_FORMAT = 1


@contextmanager
def site_written(output: Path) -> Iterator[Path]:
    """Give an empty folder to write a site in; at the end of the block its files take the place of the former ones.

    Until then the former site stays as it is. Of its files those go that its manifest names, that are as it wrote them
    and that the new one lacks; nothing else is touched.

    Raises:
        UserError: the output is no folder, cannot be written, or has files of another origin where the site's would be.
    """
    made, stage = not output.exists(), output / _STAGE
    if not made and not output.is_dir():
        raise UserError("is a file", where=str(output), fix="a site is a folder: give another name with -o")
    try:
        if stage.is_symlink():
            stage.unlink()
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir(parents=True)
    except OSError as error:
        raise cannot_write(output, error) from error
    try:
        yield stage
        try:
            _take_place(stage, output)
        except OSError as error:
            raise cannot_write(output, error) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        if made:
            with suppress(OSError):
                output.rmdir()


def _take_place(stage: Path, output: Path) -> None:
    found = sorted(path for path in stage.rglob("*") if path.is_file())
    new = {path.relative_to(stage).as_posix(): digest_file(path) for path in found}
    former = _manifest(output)
    foreign = [name for name in new if _linked(output, name) or (name not in former and (output / name).exists())]
    if foreign:
        problem = f"has links, or files that no build of a site wrote, where this one would write: {quoted(foreign, 3)}"
        raise UserError(problem, where=str(output), fix="give an empty folder with -o, or remove them")
    # If this is interrupted, the next build knows the files of both.
    _write_manifest(output, {**former, **{name: [*former.get(name, ()), known] for name, known in new.items()}})
    for name in sorted(new, key=lambda name: (name.startswith("data/board."), name)):
        place = output / name
        if not place.is_file() or digest_file(place) != new[name]:
            place.parent.mkdir(parents=True, exist_ok=True)
            (stage / name).replace(place)
    for name in former.keys() - new.keys():
        with suppress(OSError, ValueError):
            _remove(output, name, former[name])
    _write_manifest(output, {name: [known] for name, known in new.items()})


def _manifest(output: Path) -> dict[str, Sequence[str]]:
    """Return digests of what the last build wrote; nothing where no manifest says it.

    What leads out of the folder is left out.
    """
    try:
        files = json.loads((output / MANIFEST).read_bytes())["files"].items()
        return {name: [str(digest) for digest in known] for name, known in files if _is_below(name)}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def _write_manifest(output: Path, files: Mapping[str, Sequence[str]]) -> None:
    document = {"format": _FORMAT, "files": {name: files[name] for name in sorted(files)}}
    write_atomically(output / MANIFEST, json.dumps(document, indent=1).encode())


def _is_below(name: str) -> bool:
    return not {"", ".", ".."} & set(name.split("/")) and not set("\\:\0") & set(name)


def _linked(output: Path, name: str) -> bool:
    return any((output / path).is_symlink() for path in (Path(name), *_folders(name)))


def _folders(name: str) -> list[Path]:
    """Return the folders that a file lies in, below the site's, the nearest first."""
    return [*Path(name).parents][:-1]


def _remove(output: Path, name: str, known: Sequence[str]) -> None:
    """Remove a file, and the folders that it leaves empty, unless a link leads to it or it changed since."""
    place = output / name
    if _linked(output, name) or not place.is_file() or digest_file(place) not in known:
        return
    place.unlink()
    for folder in _folders(name):
        (output / folder).rmdir()
