"""The files of a site's data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from clipbench.report.site.data.board import Cell, Rank, schema
from clipbench.report.site.data.files import write_site_data
from clipbench.results.folder import Results

from ..made_up import HOSTILE, classification, with_pictures

Make = Callable[..., Results]


def read(output: Path) -> dict[str, Any]:
    document = json.loads((output / "data" / "board.json").read_text("utf-8"))
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(schema()).validate(document)
    return document


def files(output: Path) -> set[str]:
    return {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}


def test_files_hold_the_board_its_schema_and_the_evidence_of_each_number(plausible: Results, tmp_path: Path) -> None:
    output = tmp_path / "site"
    write_site_data(plausible, output, published=["open-clip"])
    document = read(output)
    jobs = {job for column in document["board"]["columns"] for *_, job, _ in column["cells"] if job}
    assert {f"jobs/{job}.json" for job in jobs} <= files(output)
    assert json.loads((output / "data" / "board.schema.json").read_text()) == schema()
    for column in document["board"]["columns"]:
        for _, value, _, _, marks, job, _ in column["cells"]:
            if job and "x" not in marks:
                records = json.loads((output / "jobs" / f"{job}.json").read_text())["records"]
                assert round(next(record["value"] for record in records if record["main"]), 6) == value
    csv, parquet = pd.read_csv(output / "data" / "board.csv"), pd.read_parquet(output / "data" / "board.parquet")
    assert len(csv) == len(parquet) == sum(len(column["cells"]) for column in document["board"]["columns"])
    assert list(csv.columns) == list(parquet.columns)


def test_the_documentation_names_every_field() -> None:
    page = (Path(__file__).parents[3] / "docs" / "site-data.md").read_text("utf-8")
    parts = (schema(), *schema()["$defs"].values())
    fields = {name for part in parts for name in part.get("properties", ())}
    assert {name for name in {*fields, *Cell._fields, *Rank._fields} if f"`{name}`" not in page} == set()


def test_a_field_that_nothing_fills_is_absent(make_results: Make, tmp_path: Path) -> None:
    write_site_data(make_results(classification("a", "digits", 0.5)), tmp_path)
    (model,) = read(tmp_path)["board"]["models"]
    assert set(model) == {"slug", "name", "origin", "benchmark_mean"}


def test_the_digest_is_of_the_content_and_not_of_the_moment(make_results: Make, tmp_path: Path) -> None:
    results = make_results(classification("a", "digits", 0.5))
    write_site_data(results, tmp_path / "one")
    write_site_data(results, tmp_path / "two")
    results.write_job(classification("b", "digits", 0.5))
    write_site_data(results, tmp_path / "three")
    one, two, three = (read(tmp_path / name)["content"] for name in ("one", "two", "three"))
    assert one == two != three


def test_the_script_is_the_document_and_cannot_end_a_script(make_results: Make, tmp_path: Path) -> None:
    write_site_data(make_results(*(classification(text, text, 0.5) for text in HOSTILE.values())), tmp_path)
    script = (tmp_path / "data" / "board.js").read_text("utf-8")
    found = re.fullmatch(r"window\.clipbench=(.*);\n", script, re.DOTALL)
    assert found
    assert "<" not in script
    assert script.isascii()
    assert json.loads(found[1]) == read(tmp_path)


@pytest.mark.parametrize("name", ["../../escape", "/etc/passwd", "..", "con", "\ud800", "=1+1", *HOSTILE.values()])
def test_no_name_leads_out_of_the_folder(make_results: Make, tmp_path: Path, name: str) -> None:
    results = make_results()
    job = replace(classification("a", "digits", 0.5), model=name, dataset=name)
    picture = {"id": name, "caption": name, "thumb": "../../secret.webp"}
    (tmp_path / "secret.webp").write_bytes(b"RIFF secret")
    results.write_job(replace(job, pictures=(picture,), about={"source": name, "n_classes": name}))
    output = tmp_path / "deep" / "site"
    write_site_data(results, output)
    expected = {
        f"jobs/{job.hash}.json",
        "data/changes.json",
        *(f"data/board.{kind}" for kind in ("json", "js", "csv", "parquet", "schema.json")),
    }
    assert files(output) == expected
    assert {path.name for path in tmp_path.iterdir()} == {"run", "secret.webp", "deep"}
    assert read(output)["board"]["models"][0]["slug"]
    assert not (output / "data" / "board.csv").read_text().splitlines()[1].startswith("=")


def test_pictures_are_copied_by_their_content_unless_none_are_wanted(make_results: Make, tmp_path: Path) -> None:
    results = make_results()
    job = with_pictures(results, classification("a", "digits", 0.5), ["true: a; predicted: b"])
    results.write_job(job)
    write_site_data(results, tmp_path / "with")
    write_site_data(results, tmp_path / "without", images=False)
    (picture,) = json.loads((tmp_path / "with" / "jobs" / f"{job.hash}.json").read_text())["pictures"]
    stored = (results.folder / "thumbs" / job.pictures[0]["thumb"]).read_bytes()
    assert (tmp_path / "with" / picture["image"]).read_bytes() == stored
    assert picture["caption"] == "true: a; predicted: b"
    assert not (tmp_path / "without" / "img").exists()
    assert json.loads((tmp_path / "without" / "jobs" / f"{job.hash}.json").read_text())["pictures"] == []


def test_no_file_says_where_the_results_were_made(make_results: Make, tmp_path: Path) -> None:
    job = classification("open_clip:ViT-B-32@/home/ann/mine.pt", "digits", 0.5)
    broken = ({"id": "/home/ann/cat.png", "problem": "cannot open '/home/ann/cat.png'"},)
    failed = replace(job, hash="f" * 32, dataset="other", status="failed", records=(), error="no /home/ann/other here")
    write_site_data(make_results(replace(job, broken=broken, n_broken=1), failed), tmp_path / "site")
    for path in (tmp_path / "site").rglob("*.*"):
        assert b"ann/" not in path.read_bytes(), path
    assert read(tmp_path / "site")["board"]["models"][0]["name"] == "open_clip:ViT-B-32@…/mine.pt"
