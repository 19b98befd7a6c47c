"""Many jobs in one request: NDJSON, all or nothing, or with `partial` whatever is good."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from claudeflow.domain.errors import InvalidJob, Mistake
from claudeflow.domain.job import JobId, NewJob
from claudeflow.intake.desks.desk import Submitted
from claudeflow.intake.http.bodies import Line
from claudeflow.intake.http.room import Held
from claudeflow.policy.access.errors import Forbidden

CHUNK_JOBS = 100
TOO_LONG = "the line is longer than one job may be; send less in it"
_MOST_ERRORS = 1_000

Parse = Callable[[bytes], NewJob]
Submit = Callable[[Sequence[NewJob]], Awaitable[list[Submitted]]]


@dataclass(slots=True)
class Tally:
    """What became of the lines so far: each up to `settled_lines` is stored, or refused in `errors`."""

    ids: list[JobId] = field(default_factory=list)
    created: int = 0
    wrong_lines: int = 0
    settled_lines: int = 0
    last_line: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)

    def add(self, stored: Sequence[Submitted], last_line: int) -> None:
        """Count jobs that are durable now; `last_line` is the last one read."""
        self.settled_lines = last_line
        self.ids += [one.id for one in stored]
        self.created += sum(one.created for one in stored)

    def refuse(self, line: int, mistakes: list[Mistake], code: str = InvalidJob.code) -> None:
        """Count a line that is no job, or not allowed. Only the first 1,000 mistakes are kept."""
        self.wrong_lines += 1
        for mistake in mistakes[: _MOST_ERRORS - len(self.errors)]:
            self.errors.append(
                {"line": line, "code": code, "field": mistake.field, "message": mistake.message}
            )

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        return {
            "submitted": self.created,
            "existing": len(self.ids) - self.created,
            "refused": self.wrong_lines,
            "settled_lines": self.settled_lines,
            "ids": self.ids,
            "errors": self.errors,
        }


async def read_all(lines: AsyncIterator[Line], parse: Parse, tally: Tally) -> list[NewJob]:
    """Check every line; the jobs, or none when one line is wrong."""
    jobs: list[NewJob] = []
    async for line in lines:
        tally.last_line = line.number
        job = _parse_line(line, parse, tally)
        if tally.wrong_lines:
            jobs.clear()
        elif job:
            jobs.append(job)
    return jobs


async def submit_good_ones(
    submit: Submit, lines: AsyncIterator[Line], parse: Parse, tally: Tally, held: Held, *, at_once: int
) -> None:
    """Store the jobs that are right as they come in, so many at once; wrong lines are only counted."""
    jobs: list[NewJob] = []
    number = 0
    async for line in lines:
        number = line.number
        job = _parse_line(line, parse, tally)
        if job:
            jobs.append(job)
        if len(jobs) == at_once:
            tally.add(await submit(jobs), number)
            held.give_back()
            jobs = []
    tally.add(await submit(jobs) if jobs else [], number)


def _parse_line(line: Line, parse: Parse, tally: Tally) -> NewJob | None:
    if line.text is None:
        tally.refuse(line.number, [Mistake("body", TOO_LONG)])
        return None
    try:
        return parse(line.text)
    except InvalidJob as error:
        tally.refuse(line.number, error.mistakes)
        return None
    except Forbidden as refusal:
        tally.refuse(line.number, mistakes_of(refusal), refusal.code)
        return None


def mistakes_of(refusal: Forbidden) -> list[Mistake]:
    """What is wrong with a line whose job may not be sent where it is to go."""
    return [Mistake("lane", str(refusal))]
