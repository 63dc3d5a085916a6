"""Which of several names does a model understand best, and is the wording of the prompt worth any thought?

    python examples/names_for_own_classes.py data/leaves vit-b-32 "oak=oak tree,quercus" "maple=acer"

The folder holds CLASS/*.jpg. Each further argument gives a class other names. The page is
results/names-of-FOLDER/report.html.
"""

import sys
from pathlib import Path

import yaml

import clipbench
from clipbench.extend import JobResult, ProgressListener

TEMPLATES = ["a photo of a {}.", "{}", "a close-up photo of a {}.", "an image of the {}."]


class Last(ProgressListener):
    """Keeps what was found now: the results folder also has what was found before, with other names or models."""

    job: JobResult | None = None

    def finished(self, result: JobResult, again: bool) -> None:
        self.job = result


def run(folder: Path, model: str, synonyms: dict[str, list[str]], output: Path) -> JobResult:
    suite = {
        "name": output.name,
        "datasets": {"own": {"adapter": "folder", "path": str(folder.resolve())}},
        "tasks": [
            {
                "task": "prompt_sensitivity",
                "datasets": "own",
                "prompts": {"name": "own names", "templates": TEMPLATES, "synonyms": synonyms},
            }
        ],
    }
    path = output / "suite.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(suite, sort_keys=False, allow_unicode=True), encoding="utf-8")
    last = Last()
    clipbench.run(path, [model], output=output, progress=last)
    assert last.job is not None  # the suite has one job
    return last.job


def other_names(arguments: list[str]) -> dict[str, list[str]]:
    found = {}
    for argument in arguments:
        name, _, others = argument.partition("=")
        if not others:
            sys.exit(f"{argument!r}: write a class and its other names, as oak=quercus,english oak")
        found[name] = [other.strip() for other in others.split(",")]
    return found


def main(arguments: list[str]) -> None:
    if not arguments:
        sys.exit(__doc__)
    folder, model = Path(arguments[0]), arguments[1] if len(arguments) > 1 else "clip-tiny"
    job = run(folder, model, other_names(arguments[2:]), Path("results") / f"names-of-{folder.name}")
    if job.status == "failed":
        sys.exit(job.error)
    print(f"{job.model} on {folder}, {job.records[0].n} images", end="\n\n")
    for table in ("templates", "names", "choice"):
        if table in job.tables:
            print(job.tables[table].frame().to_string(index=False), end="\n\n")
    print(*job.notes, sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
