"""Which of several names does a model understand best, and is the wording of the prompt worth any thought?

    python examples/names_for_own_classes.py data/leaves vit-b-32 "oak=oak tree,quercus" "maple=acer"

The folder holds CLASS/*.jpg. Each further argument gives a class other names. The page is
results/names-for-own-classes/report.html.
"""

import sys
from pathlib import Path

import yaml

import clipbench

TEMPLATES = ["a photo of a {}.", "{}", "a close-up photo of a {}.", "an image of the {}."]


def run(folder: Path, model: str, synonyms: dict[str, list[str]], output: Path) -> clipbench.Results:
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
    path.write_text(yaml.safe_dump(suite, sort_keys=False), encoding="utf-8")
    return clipbench.run(clipbench.load_suite(path), [model], clipbench.RunOptions(output=output))


def main(folder: str, model: str = "clip-tiny", *renamings: str) -> None:
    pairs = (renaming.split("=", 1) for renaming in renamings)
    synonyms = {name: others.split(",") for name, others in pairs}
    results = run(Path(folder), model, synonyms, Path("results") / "names-for-own-classes")
    for job in results.jobs():
        for table in ("templates", "synonyms", "choice"):
            if table in job.tables:
                print(job.tables[table].frame().to_string(index=False), end="\n\n")
        print(*job.notes, sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
