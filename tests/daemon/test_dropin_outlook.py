"""Whether a caller's patience will do, and what it is told when it will not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from claudeflow.daemon.dropin.buffer import Buffer
from claudeflow.daemon.dropin.outlook import UNKNOWN_RETRY_S, foresee
from claudeflow.domain.attempt import Overloaded, Reply, Throttled, Transient
from claudeflow.domain.job import JobError
from claudeflow.domain.report import Explanation
from claudeflow.policy.lanes.explain import rule_of
from claudeflow.policy.limits.gate import Gate, GateSettings

NOW_MS = 1_000_000
ERROR = JobError("overloaded_error", "Overloaded")


def explained(goes_in_s: float | None = None, until_in_s: float | None = None) -> Explanation:
    goes_at_ms = None if goes_in_s is None else NOW_MS + round(1000 * goes_in_s)
    until_ms = None if until_in_s is None else NOW_MS + round(1000 * until_in_s)
    return Explanation(1, "queued", "bucket", "it waits", until_ms=until_ms, goes_at_ms=goes_at_ms)


@pytest.mark.parametrize("goes_in_s", [None, 0.0, 9.9, 10.0])
def test_whoever_may_still_go_in_time_waits_on(goes_in_s: float | None) -> None:
    assert foresee(explained(goes_in_s), NOW_MS, left_s=10.0) is None


@pytest.mark.parametrize(
    ("goes_in_s", "until_in_s", "left_s", "retry_after_s"),
    [
        (10.1, None, 10.0, 11),
        (0.2, None, 0.0, 1),
        (3600.0, 5.0, 60.0, 3600),
        (None, 7.5, 0.0, 8),
        (None, None, 0.0, UNKNOWN_RETRY_S),
        (-3.0, None, -1.0, 1),
    ],
)
def test_whoever_may_not_is_told_when_it_would_have_gone(
    goes_in_s: float | None, until_in_s: float | None, left_s: float, retry_after_s: int
) -> None:
    found = foresee(explained(goes_in_s, until_in_s), NOW_MS, left_s)
    assert found is not None
    assert (found.status, found.retry_after_s, found.why) == (429, retry_after_s, "it waits")


@pytest.mark.parametrize(
    ("last", "status"), [(Overloaded(ERROR), 529), (Transient(ERROR), 529), (Throttled(ERROR), 429)]
)
def test_an_outage_is_no_limit(last: Overloaded | Transient | Throttled, status: int) -> None:
    found = foresee(explained(), NOW_MS, 0.0, Reply(last))
    assert found is not None
    assert found.status == status


@pytest.mark.parametrize("probes", [False, True])
def test_whoever_waits_for_a_pool_in_an_outage_is_told_of_overload_before_any_call_of_its_own(
    probes: bool,
) -> None:
    gate = Gate(GateSettings(outage_after=1))
    gate.failed(begun_at=0.0, now=1.0, jitter=0.0, probe=False)
    if probes:
        gate.granted()
    waiting = replace(explained(until_in_s=5.0), rule=rule_of(gate.why), why=f"the pool waits: {gate.why}")
    found = foresee(waiting, NOW_MS, 0.0)
    assert found is not None
    assert (found.status, found.retry_after_s) == (529, 5)


def test_whoever_waits_behind_a_429_is_told_of_a_limit() -> None:
    gate = Gate(GateSettings())
    gate.throttled(5.0, begun_at=0.0, now=1.0, jitter=0.0)
    found = foresee(replace(explained(), rule=rule_of(gate.why), why=gate.why), NOW_MS, 0.0)
    assert found is not None
    assert found.status == 429


def test_a_buffer_gives_what_it_was_given_and_drops_all_when_it_is_too_much() -> None:
    buffer = Buffer(most_bytes=4)
    assert buffer.put(b"ab")
    assert buffer.put(b"cd")
    assert buffer.take() == b"abcd"
    assert buffer.put(b"ef")
    assert not buffer.put(b"ghi")
    assert buffer.take() == b""
