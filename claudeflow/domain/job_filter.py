"""Which jobs are meant: terms that all must hold, each of one field. See docs/filters.md."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Field(StrEnum):
    """What a term may look at. `METADATA` has a key beside it."""

    ID = "id"
    STATE = "state"
    LANE = "lane"
    WORKFLOW = "workflow"
    MODEL = "model"
    PROMPT = "prompt"
    SUBMITTED_BY = "submitted_by"
    DEDUPE = "dedupe"
    ERROR = "error"
    STOP = "stop"
    BATCH = "batch"
    PRIORITY = "priority"
    ATTEMPTS = "attempts"
    TRIES = "tries"
    AGE = "age"
    COST = "cost"
    METADATA = "metadata"


class Comparison(StrEnum):
    """How a number is compared."""

    EQUAL = ":"
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class Words:
    """Texts of which one must be there, as a whole; those of `patterns` with `*` for any characters."""

    exact: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Number:
    """A number: as it is, an age in milliseconds, a cost in nano-dollars."""

    how: Comparison
    value: int


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. `is_not`: it must not hold; a field that is not there holds nothing."""

    field: Field
    wanted: Words | Number | bool
    key: str | None = None
    is_not: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """All conditions that a job must meet; none: every job does."""

    terms: tuple[Term, ...] = ()


EVERY_JOB = Terms()
"""No condition."""


@dataclass(frozen=True, slots=True)
class Match:
    """A job that meets all conditions, as bulk verbs look at it."""

    id: int
    state: str
    lane: str
    workflow: str
