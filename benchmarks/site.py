"""How long does a site take to build and to open, how large is it, and how fast are sort, search and filter?

Builds the site of the published board (117 models x 38 sets) and one of 10 made-up models x 12 sets with pictures, or
of results of one's own, into a folder that is removed again. With playwright and a Chromium (--browser) each index is
opened from disk, also with the processor slowed four times, and its controls are used; the fastest of several times is
printed.

    python benchmarks/site.py
    python benchmarks/site.py --browser /usr/bin/chromium
    python benchmarks/site.py --results results/mine results/yours
"""

from __future__ import annotations

import argparse
import gzip
import random
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from clipbench.report.site.site import write_site
from clipbench.results.folder import Results, load_results
from clipbench.results.records import JobResult, Pedigree, Record
from clipbench.stats.intervals import wilson

_ACT = """async (act) => {
  const started = performance.now();
  act();
  document.body.getBoundingClientRect();
  return performance.now() - started;
}"""
_TYPE = """() => { const field = document.querySelector("[name=q]"); field.value = %r;
  field.dispatchEvent(new Event("input", { bubbles: true })); }"""
_ACTS = {
    "sort": "() => document.querySelectorAll('#board thead .sort')[%d].click()",
    "search": _TYPE % "vit-l",
    "all again": _TYPE % "",
    "filter": "() => document.querySelector('[data-filter]').click()",
    "unfilter": "() => document.querySelector('[data-filter]').click()",
}


def main() -> None:
    """Build, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, nargs="*", default=[], help="folders instead of the made-up models")
    parser.add_argument("--browser", type=Path, help="a Chromium, which playwright opens")
    parser.add_argument("--repeat", type=int, default=5, help="times; the fastest is printed")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        own = load_results(*arguments.results) if arguments.results else _made_up(Path(folder) / "run")
        cases: tuple[tuple[str, Results, Collection[str]], ...] = (
            ("published 117 x 38", Results(Path(folder) / "nothing"), ["open-clip"]),
            ("measured", own, []),
        )
        for number, (name, results, published) in enumerate(cases):
            site, started = Path(folder) / f"site {number}", time.perf_counter()
            write_site(results, site, published=published)
            print(f"{name}: built in {time.perf_counter() - started:.1f} s, {_sizes(site)}")
            if arguments.browser:
                _open(site / "index.html", arguments.browser, arguments.repeat)


def _sizes(site: Path) -> str:
    """Return the sizes of all pages, and of the index with what it loads, as a web server sends it."""
    pages = list(site.rglob("*.html"))
    loaded = [site / "index.html", site / "data" / "board.js"]
    loaded += [path for path in (site / "assets").iterdir() if path.stem.split(".")[0] in {"index", "site", "page"}]
    sent = sum(len(gzip.compress(path.read_bytes())) for path in loaded)
    whole = sum(path.stat().st_size for path in pages)
    return f"{len(pages)} pages of {whole / 1e6:.1f} MB, index with its data {sent / 1e3:.0f} kB gzipped"


def _open(index: Path, browser: Path, repeat: int) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        for slowed in (1, 4):
            opened: list[float] = []
            for _ in range(repeat):
                page = chromium.new_page(viewport={"width": 1440, "height": 900})
                page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slowed})
                page.goto(index.as_uri())
                opened.append(page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"))
            found = {name: min(_times(page, name, repeat)) for name in _ACTS}
            acts = ", ".join(f"{name} {best:.0f} ms" for name, best in found.items())
            count = page.evaluate("document.querySelectorAll('*').length")
            print(f"  slowed {slowed} x: {count:,} elements, interactive after {min(opened):.0f} ms; {acts}")
        chromium.close()


def _times(page: Any, name: str, repeat: int) -> list[float]:
    """Return how long an act takes until the page is laid out; what undoes it comes between."""
    undo = {"search": "all again", "filter": "unfilter", "all again": "search", "unfilter": "filter"}
    times = []
    for number in range(repeat):
        act = _ACTS[name] % (5 + number) if name == "sort" else _ACTS[name]
        if name in {"all again", "unfilter"}:
            page.evaluate(_ACTS[undo[name]])
        times.append(float(page.evaluate(f"({_ACT})({act})")))
        if name in {"search", "filter"}:
            page.evaluate(_ACTS[undo[name]])
    return times


def _made_up(folder: Path, models: int = 10, sets: int = 12, pictures: int = 12) -> Results:
    """Write jobs of made-up models with pictures."""
    results, chance = Results(folder), random.Random(0)
    (folder / "jobs").mkdir(parents=True)
    results.write_run({"suite": "made up"})
    for model in range(models):
        for dataset in range(sets):
            correct, key = round(1000 * (0.5 + chance.random() / 3)), f"{model:016x}{dataset:016x}"
            found = wilson(correct, 1000)
            ends = (found.low, found.high, 0.95, "wilson")
            record = Record("top1", correct / 1000, "fraction", *ends, n=1000, main=True, chance=0.1, commonest=0.1)
            shown = [_picture(folder, key, place) for place in range(pictures)]
            about = {"regime": "shift" if dataset % 3 == 2 else "benchmark"}
            pedigree = Pedigree(weights=f"{model}", data=f"{dataset}", protocol="zero_shot/1")
            what = (key, f"model-{model}", f"set-{dataset}", "test", "zero_shot", "photo", "done")
            job = JobResult(*what, pedigree, records=(record,), about=about)
            results.write_job(replace(job, pictures=tuple(shown)))
    return results


def _picture(folder: Path, key: str, place: int) -> dict[str, str]:
    import PIL.Image

    name = f"{key}/{place}.webp"
    path = folder / "thumbs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.effect_noise((96, 96), 40).convert("RGB").save(path, "webp", quality=60)
    return {"id": f"{place}", "role": "confident mistake", "caption": f"picture {place}", "thumb": name}


if __name__ == "__main__":
    main()
