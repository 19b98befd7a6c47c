"""Bulk: many jobs from a file of JSON lines, sent as it is read, in bounded memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.job_text import STDIN, dump, job_of, parse_object
from claudeflow.cli.offline import checked
from claudeflow.cli.output import console, note, print_json
from claudeflow.cli.problems import mistake_line, problem_of
from claudeflow.cli.remote import Answer, Door
from claudeflow.domain.errors import InvalidJob

UPLOAD_TIMEOUT_S = 900.0
LONGEST_LINE_BYTES = 64 * 1024 * 1024
PIECE_BYTES = 64 * 1024

Advance = Callable[[int], None]


def submit_lines(
    door: Door, source: str, defaults: Mapping[str, Any], *, partial: bool, as_json: bool
) -> Exit:
    """Submit one job for each line. Every bad line is named; without `partial` one bad line refuses all."""
    with _opened(source) as lines, _progress(lines) as advance:
        answer = door.call(
            "POST",
            "/v1/jobs",
            query={"partial": "true"} if partial else None,
            body=pieces(lines, defaults, advance),
            content_type="application/x-ndjson",
            timeout_s=UPLOAD_TIMEOUT_S,
        )
    if not answer.ok:
        _tell_stored(answer)
    outcome = checked(answer).json()
    for mistake in outcome["errors"]:
        note(f"error: {mistake_line(mistake)}")
    if as_json:
        print_json(outcome)
    else:
        click.echo(_summary(outcome))
    return Exit.USAGE if outcome["refused"] else Exit.OK


def pieces(lines: BinaryIO, defaults: Mapping[str, Any], advance: Advance) -> Iterator[bytes]:
    """The lines as jobs, in pieces of about 64 KiB. Line numbers stay what they are in the file."""
    piece = bytearray()
    number = 0
    while line := lines.readline(LONGEST_LINE_BYTES):
        number += 1
        if len(line) == LONGEST_LINE_BYTES and not line.endswith(b"\n"):
            raise click.UsageError(f"line {number} is longer than {LONGEST_LINE_BYTES} bytes")
        piece += job_line(line, defaults)
        advance(len(line))
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


def job_line(line: bytes, defaults: Mapping[str, Any]) -> bytes:
    """One line as a job with the defaults filled in. What is no job is sent unchanged, to be refused."""
    try:
        value = parse_object(line)
    except InvalidJob:
        return line
    job = job_of(value)
    if job is None or (job is value and all(key in job for key in defaults)):
        return line
    return dump({**defaults, **job}) + b"\n"


def _tell_stored(answer: Answer) -> None:
    """Say what was stored before a partial submission was refused; its answer is an error that counts too."""
    problem = problem_of(answer)
    if "submitted" in problem:
        note(f"before it was refused: {_summary(problem)}")


def _summary(outcome: Mapping[str, Any]) -> str:
    parts = [f"{outcome['submitted']:,} submitted"]
    if outcome["existing"]:
        parts.append(f"{outcome['existing']:,} existed already")
    if outcome["refused"]:
        parts.append(f"{outcome['refused']:,} refused")
    return ", ".join(parts)


def _opened(source: str) -> AbstractContextManager[BinaryIO]:
    if source == STDIN:
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(source).open("rb")
    except OSError as error:
        raise click.UsageError(f"{source}: {error.strerror}") from error


def _progress(lines: BinaryIO) -> AbstractContextManager[Advance]:
    """A bar over the bytes read, for a person at a terminal only."""
    if not sys.stderr.isatty():
        return nullcontext(lambda _: None)
    return _bar(_size_of(lines))


def _size_of(lines: BinaryIO) -> int | None:
    try:
        return os.fstat(lines.fileno()).st_size or None
    except OSError:
        return None


def _bar(total: int | None) -> AbstractContextManager[Advance]:
    from contextlib import contextmanager

    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("submitting"), BarColumn(), DownloadColumn(), TimeRemainingColumn())

    @contextmanager
    def showing() -> Iterator[Advance]:
        with Progress(*columns, console=console(stderr=True), transient=True) as progress:
            bar = progress.add_task("submitting", total=total)
            yield lambda size: progress.advance(bar, size)

    return showing()
