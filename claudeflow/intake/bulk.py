"""One thing done to every job that a filter means, a few at a time, so that others' writes go between.

The jobs are found first. Each is looked at again just before it is touched: one that does not meet the
filter any more is left alone.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from claudeflow.domain.errors import Conflict, IntakeError
from claudeflow.domain.job import JobId, JobRecord, JobState
from claudeflow.domain.job_filter import Match, Terms
from claudeflow.intake.desks.filters import FilterDesk
from claudeflow.intake.filter_text import InvalidFilter

AT_ONCE = 64
"""Jobs under way at once: a quarter of what the store commits together."""

MOST_JOBS = 100_000
SHOWN_IDS = 20

Act = Callable[[JobId], Awaitable[JobRecord]]


class CountDiffers(IntakeError):
    """The filter means another number of jobs than was expected; nothing was done."""

    code = "count_differs"
    http_status = 409


@dataclass(slots=True)
class Found:
    """What a filter means at this moment. Ids are kept of the first 100,000 jobs only."""

    jobs: int = 0
    ids: list[int] = field(default_factory=list)
    by_state: Counter[str] = field(default_factory=Counter)
    by_lane: Counter[str] = field(default_factory=Counter)
    by_workflow: Counter[str] = field(default_factory=Counter)
    ids_by_state: dict[str, list[int]] = field(default_factory=dict)

    def add(self, matches: list[Match]) -> None:
        """More of them."""
        self.jobs += len(matches)
        self.ids += [one.id for one in matches[: max(0, MOST_JOBS - len(self.ids))]]
        self.by_state.update(one.state for one in matches)
        self.by_lane.update(one.lane for one in matches)
        self.by_workflow.update(one.workflow for one in matches)
        for one in matches:
            shown = self.ids_by_state.setdefault(one.state, [])
            if len(shown) < SHOWN_IDS:
                shown.append(one.id)

    def unfit(self, states: Collection[JobState]) -> list[dict[str, Any]]:
        """Those that would be left alone, since a job must be in one of `states`; as `skipped` tells them."""
        return [
            {"code": Conflict.code, "detail": f"is {state}", "jobs": count, "ids": self.ids_by_state[state]}
            for state, count in self.by_state.items()
            if state not in states
        ]

    def to_json(self) -> dict[str, Any]:
        """The public form: how many, and the first of them."""
        return {
            "matched": self.jobs,
            "by_state": dict(self.by_state),
            "by_lane": dict(self.by_lane),
            "by_workflow": dict(self.by_workflow.most_common(100)),
            "ids": self.ids[:SHOWN_IDS],
        }


@dataclass(slots=True)
class Done:
    """What became of the jobs: done, or left alone for a reason."""

    jobs: int = 0
    skipped: dict[str, list[int]] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)

    def skip(self, job_id: int, code: str, detail: str) -> None:
        """Note one that was left alone; the first detail stands for all of the same code."""
        self.skipped.setdefault(code, []).append(job_id)
        self.details.setdefault(code, detail)

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        skipped = [
            {"code": code, "detail": self.details[code], "jobs": len(ids), "ids": ids[:SHOWN_IDS]}
            for code, ids in self.skipped.items()
        ]
        return {"done": self.jobs, "skipped": skipped}


async def find_all(desk: FilterDesk, terms: Terms) -> Found:
    """Every job that meets the terms."""
    found = Found()
    before_id: int | None = None
    while True:
        matches, before_id = await desk.matches(terms, before_id)
        found.add(matches)
        if before_id is None:
            return found


def check_count(found: Found, expected: int | None) -> None:
    """Raises CountDiffers, and InvalidFilter for more jobs than are done at once."""
    if expected is not None and expected != found.jobs:
        raise CountDiffers(
            f"the filter means {found.jobs:,} jobs, not {expected:,}; nothing was done: look again"
        )
    if found.jobs > MOST_JOBS:
        raise InvalidFilter(
            f"the filter means {found.jobs:,} jobs, more than {MOST_JOBS:,} at once; narrow it, by id for one"
        )


async def do_all(desk: FilterDesk, terms: Terms, ids: list[int], act: Act) -> Done:
    """Act on every job that still meets the terms."""
    done = Done()
    for some in _chunks(ids):
        still = await desk.still_matching(terms, some)
        for job_id in some:
            if job_id not in still:
                done.skip(job_id, "changed", "it does not meet the filter any more")
        await asyncio.gather(*(_do_one(job_id, act, done) for job_id in some if job_id in still))
    return done


async def _do_one(job_id: int, act: Act, done: Done) -> None:
    try:
        await act(JobId(job_id))
    except IntakeError as problem:
        done.skip(job_id, problem.code, str(problem))
    else:
        done.jobs += 1


def _chunks(ids: list[int]) -> list[list[int]]:
    return [ids[at : at + AT_ONCE] for at in range(0, len(ids), AT_ONCE)]
