"""Traces: files of real arrivals and sizes."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from claudeflow.simulation.examples import find_examples
from claudeflow.simulation.traces import BLOCK_TOKENS, Columns, TraceRow, read_texts, read_trace

AZURE = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.1805900,396,109
"""
MOONCAKE = """\
{"timestamp": 1500, "input_length": 1300, "output_length": 90, "hash_ids": [0, 1, 5]}
{"timestamp": 500, "input_length": 1200, "output_length": 50, "hash_ids": [0, 1, 2]}
{"timestamp": 2500, "input_length": 700, "output_length": 0, "hash_ids": [0, 1]}
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_azure_traces_are_recognised(tmp_path: Path, name: str) -> None:
    trace = read_trace(written(tmp_path, name, AZURE))
    assert trace.rows == (TraceRow(0.0, 374, 44), TraceRow(3.5, 396, 109))
    assert trace.shared_tokens == 0


def test_mooncake_traces_are_recognised_and_sorted(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path, "m.jsonl.gz", MOONCAKE))
    assert trace.rows == (TraceRow(0.0, 1200, 50), TraceRow(1.0, 1300, 90), TraceRow(2.0, 700, 1))


def test_what_all_requests_begin_with_is_shared(tmp_path: Path) -> None:
    assert read_trace(written(tmp_path, "m.jsonl", MOONCAKE)).shared_tokens == 2 * BLOCK_TOKENS


def test_own_columns_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, "own.csv", "when,in,out\n10,5,6\n12.5,7,8\n")
    trace = read_trace(path, Columns("when", "in", "out"))
    assert trace.rows == (TraceRow(0.0, 5, 6), TraceRow(2.5, 7, 8))
    assert trace.tells_sizes


def test_a_trace_may_tell_times_alone(tmp_path: Path) -> None:
    path = written(tmp_path, "own.jsonl", '{"ms": 10}\n{"ms": 2010}\n')
    trace = read_trace(path, Columns("ms", unit="ms"))
    assert [row.at_s for row in trace.rows] == pytest.approx([0.0, 2.0])
    assert not trace.tells_sizes


def test_repetitions_are_one_gap_apart(tmp_path: Path) -> None:
    assert read_trace(written(tmp_path, "m.jsonl", MOONCAKE)).span_s == 3.0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n", "the trace has no rows"),
        ("a.csv", "a,b\n1,2\n", "neither an Azure nor a Mooncake trace"),
        ("a.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\nnever,1,2\n", 'line 2: "never" is neither'),
        ("a.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n1,x,2\n", 'line 2: ContextTokens = "x" is no'),
        ("a.csv", "TIMESTAMP,ContextTokens\n1,2\n", 'line 2: no column "GeneratedTokens"'),
        ("a.jsonl", '{"timestamp": 1}\n', 'line 1: no column "input_length"'),
        ("a.jsonl", "{\n", "line 1: not JSON"),
        ("a.jsonl", "[]\n", "line 1: must be an object"),
        ("a.txt", "", "must end in .csv or .jsonl"),
        ("a.txt.gz", "", "must end in .csv or .jsonl"),
    ],
)
def test_what_is_wrong_with_a_trace_is_told_with_its_line(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        read_trace(written(tmp_path, name, text))


def test_a_broken_archive_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(b"no gzip")
    with pytest.raises(ValueError, match="cannot be read as text"):
        read_trace(path)


def test_texts_come_from_a_named_column(tmp_path: Path) -> None:
    assert read_texts(written(tmp_path, "t.csv", "id,text\n1,one\n2,two\n"), "text") == ("one", "two")
    with pytest.raises(ValueError, match="no column"):
        read_texts(written(tmp_path, "t.csv", "id,text\n1,one\n"), "words")
    with pytest.raises(ValueError, match="no rows"):
        read_texts(written(tmp_path, "t.csv", "id,text\n"), "text")


@pytest.mark.parametrize(
    ("name", "span_s", "largest", "shared_tokens"),
    [
        ("azure-llm-2023-code-1500.csv.gz", 604, 7_437, 0),
        ("azure-llm-2023-conv-1500.csv.gz", 310, 6_066, 0),
        ("mooncake-conversation-1500.jsonl.gz", 510, 123_192, 512),
    ],
)
def test_the_shipped_traces_are_what_their_readme_says(
    name: str, span_s: float, largest: int, shared_tokens: int
) -> None:
    trace = read_trace(find_examples() / "traces" / name)
    assert len(trace.rows) == 1_500
    assert trace.rows[-1].at_s == pytest.approx(span_s, abs=1)
    assert max(row.input_tokens for row in trace.rows) == largest
    assert trace.shared_tokens == shared_tokens
    assert name in (find_examples() / "traces" / "README.md").read_text(encoding="utf-8")
