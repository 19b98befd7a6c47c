"""Traces: real arrivals and sizes from a file, CSV or JSON lines, gzipped or not.

Three layouts: the Azure LLM inference traces (TIMESTAMP, ContextTokens, GeneratedTokens), the
Mooncake traces (timestamp in ms, input_length, output_length, hash_ids), or own columns by name.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from math import isfinite
from pathlib import Path
from typing import Any

import orjson

from claudeflow.config.checks import shown

BLOCK_TOKENS = 512
"""Tokens in one block of `hash_ids`: equal ids are equal text."""

_UNIT_S = {"s": 1.0, "ms": 0.001}


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a trace are called; without `input` and `output` it tells times alone."""

    time: str
    input: str = ""
    output: str = ""
    blocks: str = ""
    unit: str = "s"


AZURE = Columns("TIMESTAMP", "ContextTokens", "GeneratedTokens")
MOONCAKE = Columns("timestamp", "input_length", "output_length", "hash_ids", "ms")


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One request of a trace; `at_s` counts from the first one."""

    at_s: float
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace in order of time. The first `shared_tokens` of every input are the same text."""

    rows: tuple[TraceRow, ...]
    shared_tokens: int = 0
    tells_sizes: bool = True

    @property
    def span_s(self) -> float:
        """Time from the first to one mean gap after the last request, so that repetitions fit together."""
        gaps = max(1, len(self.rows) - 1)
        return self.rows[-1].at_s * (1 + 1 / gaps)


def read_trace(path: Path, columns: Columns | None = None) -> Trace:
    """The trace in a file; without `columns` the layout is recognised. Raises ValueError, OSError."""
    records = list(_records(path))
    if not records:
        raise ValueError("the trace has no rows")
    layout = columns or _recognised(records[0][1])
    rows = sorted((_row(line, record, layout) for line, record in records), key=lambda row: row.at_s)
    start_s = rows[0].at_s
    blocks = [record.get(layout.blocks) or () for _, record in records] if layout.blocks else []
    return Trace(
        rows=tuple(TraceRow(row.at_s - start_s, row.input_tokens, row.output_tokens) for row in rows),
        shared_tokens=_shared_blocks(blocks) * BLOCK_TOKENS,
        tells_sizes=bool(layout.input and layout.output),
    )


def read_texts(path: Path, column: str) -> tuple[str, ...]:
    """Texts from one column of a CSV or JSONL file. Raises ValueError, OSError."""
    texts = tuple(str(_cell(line, record, column)) for line, record in _records(path))
    if not texts:
        raise ValueError("the file has no rows")
    return texts


def _records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Each row with its line number."""
    opened = gzip.open if path.suffix == ".gz" else open
    kind = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if kind not in (".csv", ".jsonl"):
        raise ValueError(
            f"the name must end in .csv or .jsonl, or in .csv.gz or .jsonl.gz; found {path.name}"
        )
    try:
        with opened(path, "rt", encoding="utf-8", newline="") as lines:
            if kind == ".csv":
                reader = csv.DictReader(lines)
                for record in reader:
                    yield reader.line_num, record
            else:
                for number, line in enumerate(lines, start=1):
                    yield number, _json_record(number, line)
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise ValueError(f"cannot be read as text: {error}") from error


def _json_record(number: int, line: str) -> Mapping[str, Any]:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"line {number}: not JSON: {error.msg}") from error
    if not isinstance(record, dict):
        raise ValueError(f"line {number}: must be an object")  # noqa: TRY004 - the caller's one kind of error
    return record


def _recognised(record: Mapping[str, Any]) -> Columns:
    for layout in (AZURE, MOONCAKE):
        if layout.time in record:
            return layout
    raise ValueError(
        "neither an Azure nor a Mooncake trace: name its columns with `time`, `input` and `output`; "
        f"found {', '.join(map(str, record))}"
    )


def _row(line: int, record: Mapping[str, Any], layout: Columns) -> TraceRow:
    return TraceRow(
        _seconds(line, _cell(line, record, layout.time), layout.unit),
        _tokens(line, record, layout.input),
        _tokens(line, record, layout.output),
    )


def _cell(line: int, record: Mapping[str, Any], column: str) -> Any:
    value = record.get(column)
    if value is None:
        raise ValueError(f"line {line}: no column {shown(column)}; found {', '.join(map(str, record))}")
    return value


def _seconds(line: int, value: Any, unit: str) -> float:
    with contextlib.suppress(TypeError, ValueError):
        if isfinite(number := float(value)):
            return number * _UNIT_S[unit]
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"line {line}: {shown(value)} is neither a number nor a date and time") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _tokens(line: int, record: Mapping[str, Any], column: str) -> int:
    if not column:
        return 0
    value = _cell(line, record, column)
    try:
        return max(1, int(value))
    except (TypeError, ValueError) as error:
        raise ValueError(f"line {line}: {column} = {shown(value)} is no whole number") from error


def _shared_blocks(blocks: Sequence[Sequence[int]]) -> int:
    """How many blocks at the front all requests have in common."""
    if not blocks:
        return 0
    columns = zip(*blocks, strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
