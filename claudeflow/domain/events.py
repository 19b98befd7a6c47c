"""Events: everything that happens, as one frozen object. Logs, metrics and tests are listeners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from claudeflow.domain.batch_events import BatchEvent
from claudeflow.domain.budget_events import BudgetChanged, BudgetEased, BudgetThreshold
from claudeflow.domain.cache_events import CacheEvent
from claudeflow.domain.door_events import DoorEvent
from claudeflow.domain.hold import CLAUDEFLOW, Hold, HoldCause, Scope
from claudeflow.domain.job import JobError, JobId, JobState
from claudeflow.domain.mailbox_events import MailboxEvent
from claudeflow.domain.pack_events import PackEvent
from claudeflow.domain.usage import Usage


@dataclass(frozen=True, slots=True)
class DaemonReady:
    """The daemon claims jobs from now on."""

    instance: str
    requeued_jobs: int
    unknown_calls: int


@dataclass(frozen=True, slots=True)
class DaemonDraining:
    """No job is claimed any more; running calls may finish within `grace_s`."""

    running_jobs: int
    grace_s: float


@dataclass(frozen=True, slots=True)
class DaemonStopped:
    """The end of an orderly stop; `released_jobs` went back to the queue."""

    released_jobs: int


@dataclass(frozen=True, slots=True)
class ConfigReloaded:
    """A new configuration is in force."""

    source: str


@dataclass(frozen=True, slots=True)
class ConfigRefused:
    """A new configuration was wrong; the old one stays."""

    source: str
    problem: str


@dataclass(frozen=True, slots=True)
class PromptsReloaded:
    """Changed prompt folders are in force. `changes` names each prompt and its versions, old -> new."""

    folder: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PromptsRefused:
    """Changed prompt folders are wrong; the prompts that were in force stay."""

    folder: str
    problem: str


@dataclass(frozen=True, slots=True)
class PromptLeaks:
    """The stable part of a prompt holds what changes: its cached prefix will not be found again.

    `rule` is the lint's rule, `where` the first place as file:line:column.
    """

    prompt: str
    rule: str
    findings: int
    where: str


@dataclass(frozen=True, slots=True)
class JobsSubmitted:
    """Jobs were accepted and are durable."""

    lane: str
    workflow: str
    jobs: int


@dataclass(frozen=True, slots=True)
class CallEnded:
    """One API call ended, well or not. Durations in seconds, money in nano-dollars (as in `Bill`).

    `settled` is False when only the other side knows what it cost. `kind` is `message`; `prewarm` for a
    call that only wrote a prefix and `canary` for one that checked a pack: these have no job; `pack` for one
    that served `jobs` jobs, the first of which is named. `batch_id`: that batch carried it. `submitted_by`
    sent its job: null where it has none, or several.
    """

    job_id: JobId | None
    lane: str
    workflow: str
    model: str
    call_id: int
    attempt: int
    outcome: str
    http_status: int | None
    request_id: str | None
    error: JobError | None
    usage: Usage
    cost_nanousd: int
    uncached_nanousd: int
    queue_age_s: float
    duration_s: float
    streamed: bool
    settled: bool = True
    kind: str = "message"
    prompt_name: str | None = None
    prompt_version: str | None = None
    prefix: str | None = None
    unbatched_nanousd: int = 0
    plain_nanousd: int = 0
    jobs: int = 1
    batch_id: int | None = None
    submitted_by: str | None = None


@dataclass(frozen=True, slots=True)
class JobFinished:
    """A job reached a final state, or was parked."""

    job_id: JobId
    lane: str
    workflow: str
    state: JobState
    error: JobError | None
    wait_s: float
    total_s: float
    submitted_by: str | None = None


@dataclass(frozen=True, slots=True)
class JobRequeued:
    """A job went back to the queue; `delay_s` is 0 when it may go at once."""

    job_id: JobId
    lane: str
    reason: str
    delay_s: float
    submitted_by: str | None = None


@dataclass(frozen=True, slots=True)
class PoolGated:
    """A 429 stopped the whole pool for `closed_s` seconds."""

    pool: str
    closed_s: float
    retry_after_s: float | None
    theta: float


@dataclass(frozen=True, slots=True)
class PoolOpened:
    """The pool's probe came back well: it ramps up again."""

    pool: str


@dataclass(frozen=True, slots=True)
class JobMoved:
    """A waiting job has another lane or priority now."""

    job_id: JobId
    from_lane: str
    lane: str
    priority: int
    submitted_by: str | None = None


@dataclass(frozen=True, slots=True)
class HoldSet:
    """A scope may not go out any more."""

    hold: Hold


@dataclass(frozen=True, slots=True)
class HoldReleased:
    """A scope may go out again, as far as this cause goes."""

    scope: Scope
    reason: str
    cause: HoldCause = HoldCause.MANUAL
    who: str = CLAUDEFLOW


@dataclass(frozen=True, slots=True)
class KeyChanged:
    """A new API key is in use; `source` is where it was found."""

    source: str


@dataclass(frozen=True, slots=True)
class LeaseRefused:
    """A result came in for a job that someone else owns now: it was dropped."""

    job_id: JobId
    call_id: int
    submitted_by: str | None = None


@dataclass(frozen=True, slots=True)
class BooksCompared:
    """The books of a window were compared with the provider's report, in so many cells."""

    since_ms: int
    until_ms: int
    cells: int
    drifts: int


@dataclass(frozen=True, slots=True)
class BooksDrifted:
    """A number of the provider's report that the books do not explain. `day` is in UTC."""

    day: str
    model: str
    service_tier: str
    kind: str
    ours: int
    theirs: int


@dataclass(frozen=True, slots=True)
class OwnTrouble:
    """Something in claudeflow itself went wrong; `where` names the part."""

    where: str
    problem: str


Event = (
    DaemonReady
    | DaemonDraining
    | DaemonStopped
    | ConfigReloaded
    | ConfigRefused
    | PromptsReloaded
    | PromptsRefused
    | PromptLeaks
    | JobsSubmitted
    | CallEnded
    | CacheEvent
    | PackEvent
    | BatchEvent
    | MailboxEvent
    | JobFinished
    | JobRequeued
    | PoolGated
    | PoolOpened
    | JobMoved
    | HoldSet
    | HoldReleased
    | BudgetThreshold
    | BudgetEased
    | BudgetChanged
    | KeyChanged
    | LeaseRefused
    | BooksCompared
    | BooksDrifted
    | DoorEvent
    | OwnTrouble
)
Emit = Callable[[Event], None]
