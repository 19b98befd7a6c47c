"""Explain: which rule or bucket holds one job, in words.

The reasons are given by those who decide; here they are put in the order in which they bind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from claudeflow.domain.job import JobRecord, JobState
from claudeflow.domain.report import Ahead, Explanation
from claudeflow.domain.words import plural
from claudeflow.policy.lanes.admission import Wait
from claudeflow.policy.lanes.parking import Block

NO_DAEMON = "no daemon runs that could send it"


@dataclass(frozen=True, slots=True)
class Moments:
    """One moment on both clocks: monotonic seconds and epoch milliseconds."""

    now: float
    now_ms: int

    def epoch_ms(self, at: float | None) -> int | None:
        """A monotonic moment on the calendar."""
        return None if at is None else self.now_ms + round(1000 * (at - self.now))


@dataclass(frozen=True, slots=True)
class Standing:
    """How a due job stands in its pool.

    `block` is what parks it, if anything. `wait` is what the limiter said to the job or to the one
    whose turn it is; `gate` why the whole pool is closed, with the moment of the probe.
    """

    ahead: Ahead
    block: Block | None = None
    gate: Wait | None = None
    wait: Wait | None = None
    seconds: float | None = None


def explain_at_rest(record: JobRecord, now_ms: int, *, held_by: str | None = None) -> Explanation | None:
    """Why a job is where it is, unless it is due and waits for its turn. `held_by`: its own hold."""
    state = record.state
    if state.is_final:
        reason = f": {record.error.message}" if record.error else ""
        verb = "was" if state is JobState.CANCELLED else "has"
        return _plain(record, "finished", f"it {verb} {state.value}{reason}")
    if state is JobState.RUNNING:
        return _plain(record, "running", "its call is under way")
    if state is JobState.HELD:
        why = record.wait_reason or "parked for a person"
        return _plain(record, "parked", f"{why}; `claudeflow retry {record.id}` queues it again")
    if held_by is not None:
        return _plain(record, "hold", held_by)
    if record.not_before_ms > now_ms:
        why = record.wait_reason or "not before its time"
        at_ms = record.not_before_ms
        found = Explanation(record.id, state.value, "not_before", why, at_ms, goes_at_ms=at_ms)
        return _unless_too_late(found, record.deadline_ms)
    return None


def explain_waiting(record: JobRecord, standing: Standing, moments: Moments) -> Explanation:
    """What a due job waits for."""
    rule, why, until = _binding(record, standing)
    goes_at_ms = None
    over_at = standing.block.ends_at if standing.block is not None else until
    if standing.seconds is not None and (standing.block is None or over_at is not None):
        is_stopped = standing.block is not None or standing.gate is not None
        begins_at = max(moments.now, over_at or moments.now) if is_stopped else moments.now
        goes_at_ms = moments.epoch_ms(begins_at + standing.seconds)
    until_ms = moments.epoch_ms(until)
    found = Explanation(record.id, record.state.value, rule, why, until_ms, standing.ahead, goes_at_ms)
    return _unless_too_late(found, record.deadline_ms)


def rule_of(why: str) -> str:
    """The stable code for what the limiter said."""
    for sign, rule in (
        ("bucket", "bucket"),
        ("ceiling", "ceiling"),
        ("first answer", "ceiling"),
        ("probe", "probe"),
    ):
        if sign in why:
            return rule
    return "gate"


def _binding(record: JobRecord, standing: Standing) -> tuple[str, str, float | None]:
    """Rule, words and moment of what holds the job."""
    ahead, block, wait = standing.ahead, standing.block, standing.wait
    if block is not None:
        return block.rule, block.why, block.until
    if standing.gate is not None:
        return rule_of(standing.gate.why), f"the pool waits: {standing.gate.why}", standing.gate.until
    if wait is not None and wait.candidate.id == record.id:
        return rule_of(wait.why), f"it is next, and waits: {wait.why}", wait.until
    if ahead.pool:
        behind = (
            f"{plural(ahead.pool, 'job goes', 'jobs go')} first, {ahead.workflow:,} of them of its workflow"
        )
        what = f"; the next of them waits: {wait.why}" if wait is not None else ""
        return "behind", behind + what, None
    return "next", "it goes at the next look", None


def _unless_too_late(found: Explanation, deadline_ms: int | None) -> Explanation:
    """A job whose deadline comes before its turn does not go: it expires."""
    if deadline_ms is None or found.goes_at_ms is None or found.goes_at_ms < deadline_ms:
        return found
    return replace(found, why=f"{found.why}; it will expire, for its deadline comes first", goes_at_ms=None)


def _plain(record: JobRecord, rule: str, why: str) -> Explanation:
    return Explanation(record.id, record.state.value, rule, why)
