"""Terms → SQL with parameters. No text of a caller is ever part of a statement.

A look at the jobs goes over at most so many ids at once, whatever matches: one question costs a bounded
time, and whoever asks goes on where it ended.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from claudeflow.domain.job import JobRecord, JobState
from claudeflow.domain.job_filter import Comparison, Field, Match, Number, Term, Terms, Words
from claudeflow.store.rows import record_from
from claudeflow.store.statements import SQL

LOOKED_AT = 20_000
"""Ids that one question goes over."""

INDEXED_STATES = frozenset({"failed", "cancelled", "expired", "held"})
"""States that `jobs_unsuccessful` finds; one question then goes over ten times as many ids."""

_COLUMNS = {
    Field.ID: "id",
    Field.STATE: "state",
    Field.LANE: "lane",
    Field.WORKFLOW: "workflow",
    Field.MODEL: "model",
    Field.PROMPT: "prompt_name",
    Field.SUBMITTED_BY: "submitted_by",
    Field.DEDUPE: "dedupe_key",
    Field.STOP: "stop_reason",
    Field.PRIORITY: "priority",
    Field.ATTEMPTS: "attempts",
    Field.TRIES: "tries",
    Field.COST: "cost_nanousd",
}
_STATES = {state.value: f"'{state.value}'" for state in JobState}
"""As literals: only with those does SQLite know that a partial index holds all such rows."""

_SAYS = {
    Comparison.EQUAL: "=",
    Comparison.LESS: "<",
    Comparison.AT_MOST: "<=",
    Comparison.MORE: ">",
    Comparison.AT_LEAST: ">=",
}
_RECORD = SQL.list_jobs.partition("WHERE")[0]
_MATCH = "SELECT id, state, lane, workflow FROM jobs"
_WINDOW = "WHERE id < :before_id AND id >= :floor"
_METADATA = "SELECT json_each.value FROM json_each(metadata) WHERE json_each.key"
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}
"""An age is more when the moment is less."""


@dataclass(slots=True)
class Compiled:
    """A condition in SQL, and the values of its parameters."""

    sql: str = "1"
    values: dict[str, str | int] = field(default_factory=dict)
    is_indexed: bool = False

    @property
    def index(self) -> str:
        """The index to go by, where the planner is not sure enough by itself."""
        return "INDEXED BY jobs_unsuccessful" if self.is_indexed else ""

    def value(self, value: str | int) -> str:
        """A parameter of this value, as the statement names it."""
        name = f"t{len(self.values)}"
        self.values[name] = value
        return f":{name}"


@dataclass(frozen=True, slots=True)
class Page:
    """Jobs, newest first. `next_id`: where to go on; None: that was all."""

    jobs: list[JobRecord]
    next_id: int | None


def compiled(terms: Terms, now_ms: int) -> Compiled:
    """The terms as one condition on `jobs`."""
    found = Compiled()
    conditions = [_condition(term, found, now_ms) for term in terms.terms]
    found.sql = " AND ".join(f"({condition})" for condition in conditions) or "1"
    found.is_indexed = any(_is_one_indexed_state(term) for term in terms.terms)
    return found


def page(raw: sqlite3.Connection, terms: Terms, now_ms: int, *, before_id: int | None, limit: int) -> Page:
    """The next jobs that meet the terms, of those that one question goes over."""
    where = compiled(terms, now_ms)
    before_id, floor = _window(raw, where, before_id)
    sql = f"{_RECORD} {where.index} {_WINDOW} AND {where.sql} ORDER BY id DESC LIMIT :limit"
    values = {**where.values, "before_id": before_id, "floor": floor, "limit": limit}
    rows = raw.execute(sql, values).fetchall()
    jobs = [record_from(row) for row in rows]
    if len(jobs) == limit:
        return Page(jobs, jobs[-1].id)
    return Page(jobs, floor if floor > 1 else None)


def matches(
    raw: sqlite3.Connection, terms: Terms, now_ms: int, before_id: int | None
) -> tuple[list[Match], int | None]:
    """All that meet the terms, of those that one question goes over, and where to go on."""
    where = compiled(terms, now_ms)
    before_id, floor = _window(raw, where, before_id)
    sql = f"{_MATCH} {where.index} {_WINDOW} AND {where.sql} ORDER BY id DESC"
    rows = raw.execute(sql, {**where.values, "before_id": before_id, "floor": floor})
    return [Match(*row) for row in rows], floor if floor > 1 else None


def still_matching(raw: sqlite3.Connection, terms: Terms, now_ms: int, ids: Sequence[int]) -> set[int]:
    """Those of some jobs that meet the terms now."""
    where = compiled(terms, now_ms)
    listed = ", ".join([where.value(one) for one in ids])
    rows = raw.execute(f"{_MATCH} WHERE id IN ({listed}) AND {where.sql}", where.values)
    return {row[0] for row in rows}


def _window(raw: sqlite3.Connection, where: Compiled, before_id: int | None) -> tuple[int, int]:
    """From where to where one question goes."""
    if before_id is None:
        newest = raw.execute(SQL.newest_job).fetchone()[0]
        before_id = (newest or 0) + 1
    return before_id, max(1, before_id - LOOKED_AT * (10 if where.is_indexed else 1))


def _condition(term: Term, found: Compiled, now_ms: int) -> str:
    positive = _positive(term, found, now_ms)
    return f"NOT ifnull(({positive}), 0)" if term.is_not else positive


def _positive(term: Term, found: Compiled, now_ms: int) -> str:
    match term.wanted:
        case bool():
            return f"batched = {found.value(int(term.wanted))}"
        case Number(how, value) if term.field is Field.AGE:
            return f"submitted_ms {_TURNED[_SAYS[how]]} {found.value(now_ms - value)}"
        case Number(how, value):
            return f"{_COLUMNS[term.field]} {_SAYS[how]} {found.value(value)}"
        case Words(exact, _) if term.field is Field.STATE:
            return " OR ".join(f"state = {_STATES[state]}" for state in exact)
        case Words():
            return " OR ".join(_says(expression, term.wanted, found) for expression in _texts(term, found))
        case _:
            assert_never(term.wanted)


def _texts(term: Term, found: Compiled) -> tuple[str, ...]:
    if term.field is Field.ERROR:
        return "json_extract(error, '$.type')", "json_extract(error, '$.code')"
    if term.field is Field.METADATA:
        key = found.value(term.key or "")
        return (f"({_METADATA} = {key})",)
    return (_COLUMNS[term.field],)


def _says(expression: str, words: Words, found: Compiled) -> str:
    ways = [f"{expression} GLOB {found.value(_glob(pattern))}" for pattern in words.patterns]
    if len(words.exact) == 1:
        ways.append(f"{expression} = {found.value(words.exact[0])}")
    elif words.exact:
        ways.append(f"{expression} IN ({', '.join(found.value(word) for word in words.exact)})")
    return " OR ".join(ways)


def _glob(pattern: str) -> str:
    """The pattern, in which nothing but `*` stands for anything else."""
    return pattern.replace("[", "[[]").replace("?", "[?]")


def _is_one_indexed_state(term: Term) -> bool:
    return (
        term.field is Field.STATE
        and not term.is_not
        and isinstance(term.wanted, Words)
        and len(term.wanted.exact) == 1
        and term.wanted.exact[0] in INDEXED_STATES
    )
