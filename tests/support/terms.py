"""What filters mean, said once more without SQL; and a desk of filters in memory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from claudeflow.domain.job import JobId, JobRecord
from claudeflow.domain.job_filter import Comparison, Field, Match, Number, Term, Terms, Words
from claudeflow.intake.desks.filters import FoundJobs

COMPARED = {
    Comparison.EQUAL: lambda found, wanted: found == wanted,
    Comparison.LESS: lambda found, wanted: found < wanted,
    Comparison.AT_MOST: lambda found, wanted: found <= wanted,
    Comparison.MORE: lambda found, wanted: found > wanted,
    Comparison.AT_LEAST: lambda found, wanted: found >= wanted,
}


def meets(record: JobRecord, terms: Terms, now_ms: int) -> bool:
    """Whether a job meets all conditions."""
    return all(holds(record, term, now_ms) is not term.is_not for term in terms.terms)


def holds(record: JobRecord, term: Term, now_ms: int) -> bool:
    """Whether a condition holds, leaving `is_not` aside."""
    wanted = term.wanted
    if isinstance(wanted, bool):
        return record.batched is wanted
    if isinstance(wanted, Number):
        return bool(COMPARED[wanted.how](_number(record, term.field, now_ms), wanted.value))
    return any(_says(text, wanted) for text in _texts(record, term) if text is not None)


def _says(text: str, wanted: Words) -> bool:
    patterns = (".*".join(re.escape(part) for part in one.split("*")) for one in wanted.patterns)
    return text in wanted.exact or any(re.fullmatch(one, text, re.DOTALL) for one in patterns)


def _number(record: JobRecord, field: Field, now_ms: int) -> int:
    return {
        Field.ID: int(record.id),
        Field.PRIORITY: record.priority,
        Field.ATTEMPTS: record.attempts,
        Field.TRIES: record.tries,
        Field.AGE: now_ms - record.submitted_ms,
        Field.COST: record.cost_nanousd,
    }[field]


def _texts(record: JobRecord, term: Term) -> tuple[str | None, ...]:
    error = record.error
    texts: Mapping[Field, tuple[str | None, ...]] = {
        Field.STATE: (record.state.value,),
        Field.LANE: (record.lane,),
        Field.WORKFLOW: (record.workflow,),
        Field.MODEL: (record.model,),
        Field.PROMPT: (record.prompt.name if record.prompt else None,),
        Field.SUBMITTED_BY: (record.submitted_by,),
        Field.DEDUPE: (record.dedupe_key,),
        Field.STOP: (record.stop_reason,),
        Field.ERROR: (error.type, error.code) if error else (),
        Field.METADATA: (record.metadata.get(term.key or ""),),
    }
    return texts[term.field]


class FakeFilterDesk:
    """Finds jobs in a dict. It goes over ten ids at a time."""

    def __init__(self, records: Mapping[JobId, JobRecord], now_ms: int) -> None:
        self._records = records
        self._now_ms = now_ms

    async def find(self, terms: Terms, before_id: int | None, limit: int) -> FoundJobs:
        matches, next_id = await self.matches(terms, before_id)
        jobs = [self._records[JobId(one.id)] for one in matches]
        if len(jobs) >= limit:
            return FoundJobs(jobs[:limit], jobs[limit - 1].id)
        return FoundJobs(jobs, next_id)

    async def matches(self, terms: Terms, before_id: int | None) -> tuple[list[Match], int | None]:
        before_id = before_id or len(self._records) + 1
        floor = max(1, before_id - 10)
        jobs = [self._records[JobId(number)] for number in range(before_id - 1, floor - 1, -1)]
        found = [
            Match(job.id, job.state.value, job.lane, job.workflow)
            for job in jobs
            if meets(job, terms, self._now_ms)
        ]
        return found, floor if floor > 1 else None

    async def still_matching(self, terms: Terms, ids: Sequence[int]) -> set[int]:
        return {one for one in ids if meets(self._records[JobId(one)], terms, self._now_ms)}
