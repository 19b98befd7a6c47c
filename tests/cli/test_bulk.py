"""Submitting many jobs, against the real server."""

from __future__ import annotations

import json
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from claudeflow.cli.bulk import PIECE_BYTES, job_line, pieces
from claudeflow.cli.exits import Exit
from tests.cli.running_desk import RunningDesk
from tests.cli.scripted_daemon import CommandLine, ScriptedDaemon
from tests.intake.builders import a_request


def lines(*jobs: Any) -> str:
    return "".join(job if isinstance(job, str) else json.dumps(job) + "\n" for job in jobs)


def a_file(folder: Path, content: str) -> str:
    path = folder / "jobs.jsonl"
    path.write_text(content)
    return str(path)


def test_each_line_becomes_a_job(claudeflow: CommandLine, desk: RunningDesk, tmp_path: Path) -> None:
    file = a_file(tmp_path, lines(*[a_request()] * 1000))
    done = claudeflow("submit", "--jsonl", file, "--lane", "interactive")
    assert (done.exit_code, done.stdout, done.stderr) == (Exit.OK, "1,000 submitted\n", "")
    assert {job.lane for job in desk.jobs} == {"interactive"}
    assert desk.desk.commits == 1


def test_lines_come_from_stdin(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("submit", "--jsonl", "-", "--json", stdin=lines(a_request(), {"request": a_request()}))
    assert json.loads(done.stdout)["ids"] == [1, 2]


def test_options_fill_in_what_a_line_does_not_say(claudeflow: CommandLine, desk: RunningDesk) -> None:
    said = {"request": a_request(), "lane": "bulk"}
    claudeflow("submit", "--jsonl", "-", "--lane", "interactive", stdin=lines(said, {"request": a_request()}))
    assert [job.lane for job in desk.jobs] == ["bulk", "interactive"]


BAD = lines(a_request(), "\n", "{\n", {"request": a_request(max_tokens=0)}, a_request(), "[1]\n")


def test_one_bad_line_refuses_all_and_every_bad_line_is_named(
    claudeflow: CommandLine, desk: RunningDesk
) -> None:
    done = claudeflow("submit", "--jsonl", "-", stdin=BAD)
    assert done.exit_code == Exit.USAGE
    *named, last = done.stderr.splitlines()
    prefix = "claudeflow: error: "
    assert [line.removeprefix(prefix).split(": ")[0] for line in named] == ["line 3", "line 4", "line 6"]
    assert "nothing was stored" in last
    assert desk.jobs == []


def test_partial_submits_the_good_lines_and_names_the_bad_ones(
    claudeflow: CommandLine, desk: RunningDesk
) -> None:
    done = claudeflow("submit", "--jsonl", "-", "--partial", stdin=BAD)
    assert (done.exit_code, done.stdout) == (Exit.USAGE, "2 submitted, 3 refused\n")
    assert [line.split(": ")[2] for line in done.stderr.splitlines()] == ["line 3", "line 4", "line 6"]
    assert len(desk.jobs) == 2


def test_jobs_that_exist_already_are_counted(claudeflow: CommandLine, desk: RunningDesk) -> None:
    keyed = lines(*[{"request": a_request(), "dedupe_key": key} for key in ("a", "b", "a")])
    assert claudeflow("submit", "--jsonl", "-", stdin=keyed).stdout == "2 submitted, 1 existed already\n"


def test_what_was_stored_before_a_refusal_is_told(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    tally = {"submitted": 500, "existing": 0, "refused": 0, "ids": [], "errors": []}
    daemon.refuses("POST /v1/jobs", 503, "lane_full", "lane bulk is full", **tally)
    done = claudeflow("submit", "--jsonl", "-", "--partial", stdin=lines(a_request()))
    assert done.exit_code == Exit.FAILED
    assert done.stderr.splitlines() == [
        "claudeflow: before it was refused: 500 submitted",
        "claudeflow: error: lane bulk is full",
    ]


def test_a_daemon_that_refuses_before_it_has_read_everything_is_heard(
    claudeflow: CommandLine, desk: RunningDesk
) -> None:
    done = claudeflow(
        "submit", "--jsonl", "-", "--partial", stdin=lines("x" * 40_000_000 + "\n", a_request())
    )
    assert (done.exit_code, done.stdout) == (Exit.USAGE, "1 submitted, 1 refused\n")


class Endless(BytesIO):
    """A file of a million lines that counts how much of it was read."""

    def __init__(self) -> None:
        super().__init__()
        self.read_bytes = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        self.read_bytes += 100
        return b"." * 99 + b"\n" if self.read_bytes < 100_000_000 else b""


def test_a_file_is_sent_while_it_is_read() -> None:
    source = Endless()
    first = next(pieces(source, {}, lambda _: None))
    assert len(first) <= PIECE_BYTES + 100
    assert source.read_bytes == len(first)


def test_the_bytes_that_were_read_are_reported() -> None:
    seen: list[int] = []
    sent = b"".join(pieces(BytesIO(b"one\ntwo\n"), {}, seen.append))
    assert (sent, seen) == (b"one\ntwo\n", [4, 4])


UNCHANGED: Iterable[bytes] = [
    b"\n",
    b"{\n",
    b'{"a": 1}\n',
    b'{"prompt": "p", "prompt": "q"}\n',
    b'{ "prompt": "p" }',
]


@pytest.mark.parametrize("line", UNCHANGED)
def test_a_line_that_is_no_job_is_sent_as_it_is(line: bytes) -> None:
    assert job_line(line, {}) == line


def test_a_job_stays_one_line() -> None:
    assert job_line(b'{"prompt": "p", "input": {"a": "b\\nc"}}', {"lane": "x"}) == (
        b'{"lane":"x","prompt":"p","input":{"a":"b\\nc"}}\n'
    )
