"""Whether a submitted job's per-example table is one, and its numbers are those of the job's records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.analyses.rankings.per_example import JobValues, spec_of
from clipbench.errors import UserError, problem_of, quoted
from clipbench.results.records import JobResult

if TYPE_CHECKING:
    import pandas as pd

_AGAIN = "publish the file as clipbench wrote it, or run the job again"
_MOST_ROWS = 5_000_000
_MOST_BYTES = 2_000_000_000
_LONGEST_TEXT = 4096
_MOST_COLUMNS = 2_000


def problems_of(job: JobResult, path: Path) -> Iterator[UserError]:
    """Yield what is wrong with a job's table; nothing in it is unpickled or run."""
    try:
        table = _read(path)
        yield from _compared(job, table, str(path))
    except UserError as error:
        yield error
    except Exception as error:  # noqa: BLE001 - readers of parquet differ in what a damaged file makes them raise
        yield UserError(f"cannot be read as parquet ({problem_of(error)[:200]})", where=str(path), fix=_AGAIN)


def _read(path: Path) -> pd.DataFrame:
    """Read a table of plain columns.

    Raises:
        UserError: it has others, or would be too large to read.
    """
    from pyarrow import types
    from pyarrow.parquet import ParquetFile

    def refuse(problem: str) -> UserError:
        return UserError(problem, where=str(path), fix=_AGAIN)

    plain = (types.is_boolean, types.is_integer, types.is_floating)
    with ParquetFile(path) as file:
        schema, about = file.schema_arrow, file.metadata
        texts = [field.name for field in schema if types.is_string(field.type) or types.is_large_string(field.type)]
        odd = [f for f in schema if f.name not in texts and not any(is_of(f.type) for is_of in plain)]
        if odd:
            raise refuse(f"column {odd[0].name[:60]!r} holds {str(odd[0].type)[:60]}, neither text nor numbers")
        twice = len(set(schema.names)) < len(schema.names)
        if twice or len(schema.names) > _MOST_COLUMNS or "id" not in texts:
            raise refuse(f"has no column 'id' of text, or columns of one name: {quoted(schema.names)}")
        size = sum(about.row_group(group).total_byte_size for group in range(about.num_row_groups))
        if about.num_rows > _MOST_ROWS or size > _MOST_BYTES:
            raise refuse(f"has {about.num_rows:,} rows and {size:,} bytes, of at most {_MOST_ROWS:,}, {_MOST_BYTES:,}")
    # A short file may repeat a long text millions of times: texts are read once each, and measured before.
    with ParquetFile(path, read_dictionary=texts) as file:
        table = file.read(use_threads=False)
    for name in texts:
        for chunk in table[name].chunks:
            _check_lengths(name, chunk.dictionary, refuse)
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame.astype(dict.fromkeys(texts, object))


def _check_lengths(name: str, known: Any, refuse: Any) -> None:
    import pyarrow.compute

    longest = pyarrow.compute.max(pyarrow.compute.binary_length(known)).as_py() or 0
    if longest > _LONGEST_TEXT:
        raise refuse(f"column {name[:60]!r} has a text of {longest:,} bytes, of at most {_LONGEST_TEXT:,}")


def _compared(job: JobResult, table: pd.DataFrame, where: str) -> Iterator[UserError]:
    """Compare a table with the records that are means over it."""
    if not table["id"].is_unique or table["id"].isna().any():
        yield UserError("column 'id' has an id twice, or none", where=where, fix=_AGAIN)
        return
    for number, record in enumerate(job.records):
        if record.main and record.n != len(table):
            problem = f"has {len(table):,} rows, but records[{number}].n ({record.metric}) is {record.n:,}"
            yield UserError(problem, where=where, fix=_AGAIN)
        elif record.value is not None and spec_of(job, record.metric).per_example:
            try:
                JobValues.of(job, table, record.metric)
            except UserError as error:
                yield UserError(f"records[{number}].value: {error.problem}", where=where, fix=_AGAIN)
