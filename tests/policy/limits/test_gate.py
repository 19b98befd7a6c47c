"""One 429 stops the whole pool; one probe opens it again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.limits.gate import SMALL_PROBE_S, Gate, GateKind, GateSettings

SETTINGS = GateSettings(default_pause_s=5.0, max_default_pause_s=60.0, jitter_share=0.2, max_jitter_s=5.0)
ROUNDING_S = 1e-6
JITTER = st.floats(min_value=0, max_value=1, exclude_max=True)


def a_closed_gate(retry_after_s: float | None = 30.0, jitter: float = 0.0) -> Gate:
    """Closed at second 10 by a call begun at second 9."""
    gate = Gate(SETTINGS)
    gate.throttled(retry_after_s, begun_at=9.0, now=10.0, jitter=jitter)
    return gate


def a_probing_gate() -> Gate:
    gate = a_closed_gate()
    assert gate.granted()
    return gate


def test_an_open_gate_lets_everybody_through() -> None:
    gate = Gate(SETTINGS)
    assert gate.is_open
    assert gate.refusal(0.0) is None
    assert not gate.granted()
    assert gate.closed_for_s(0.0) == 0.0


def test_a_429_closes_it_and_says_until_when() -> None:
    gate = a_closed_gate()
    refusal = gate.refusal(10.0)
    assert refusal is not None
    assert refusal.at == 40.0
    assert gate.closed_for_s(15.0) == 25.0
    assert not gate.is_open


@given(
    retry_after_s=st.floats(min_value=0, max_value=100_000),
    jitter=JITTER,
    share=st.floats(min_value=0, max_value=1),
)
def test_a_throttled_gate_stays_closed_until_retry_after(
    retry_after_s: float, jitter: float, share: float
) -> None:
    gate = a_closed_gate(retry_after_s, jitter)
    asked_at = 10.0 + share * retry_after_s
    if asked_at < 10.0 + retry_after_s:
        assert gate.refusal(asked_at) is not None


@given(st.lists(st.tuples(st.floats(0, 10_000), JITTER), min_size=1, max_size=10))
def test_later_429s_only_ever_prolong_the_pause(answers: list[tuple[float, float]]) -> None:
    gate, until = Gate(SETTINGS), 0.0
    for second, (retry_after_s, jitter) in enumerate(answers):
        now = 10.0 + second
        gate.throttled(retry_after_s, begun_at=9.0, now=now, jitter=jitter)
        until = max(until, now + retry_after_s)
        assert now + gate.closed_for_s(now) >= until - ROUNDING_S


def test_jitter_only_ever_lengthens_the_pause_by_a_share_of_it() -> None:
    assert a_closed_gate(10.0, jitter=0.5).closed_for_s(10.0) == 11.0
    assert a_closed_gate(1_000.0, jitter=0.5).closed_for_s(10.0) == 1_002.5


@pytest.mark.parametrize(
    ("in_a_row", "pause_s"), [(1, 5.0), (2, 10.0), (3, 20.0), (4, 40.0), (5, 60.0), (9, 60.0)]
)
def test_without_retry_after_the_pause_doubles_at_each_429_in_a_row(in_a_row: int, pause_s: float) -> None:
    gate, now = Gate(SETTINGS), 0.0
    for _ in range(in_a_row):
        now += 100.0
        assert gate.refusal(now) is None
        gate.granted()
        gate.throttled(None, begun_at=now, now=now + 1.0, jitter=0.0)
    assert gate.closed_for_s(now + 1.0) == pause_s


def test_a_pause_that_proved_too_short_is_followed_by_longer_ones() -> None:
    gate, now, pauses = Gate(SETTINGS), 0.0, []
    for _ in range(4):
        now += 100.0
        gate.granted()
        gate.throttled(1.0, begun_at=now, now=now, jitter=0.0)
        pauses.append(gate.closed_for_s(now))
    assert pauses == [1.0, 5.0, 10.0, 20.0]


def test_a_success_ends_the_row_of_429s() -> None:
    gate = a_closed_gate(None)
    gate.granted()
    gate.call_came_back(probe=True)
    gate.throttled(None, begun_at=20.0, now=21.0, jitter=0.0)
    assert gate.closed_for_s(21.0) == 5.0


def test_one_probe_goes_and_nobody_else() -> None:
    gate = a_closed_gate()
    assert gate.refusal(40.0) is None
    assert gate.granted()
    refusal = gate.refusal(41.0)
    assert refusal is not None
    assert refusal.at is None
    assert gate.closed_for_s(41.0) == 0.0


def test_a_probe_that_comes_back_opens_the_gate() -> None:
    gate = a_probing_gate()
    gate.call_came_back(probe=True)
    assert gate.is_open


def test_an_older_call_that_comes_back_proves_nothing() -> None:
    closed, probing = a_closed_gate(), a_probing_gate()
    for gate in (closed, probing):
        gate.call_came_back(probe=False)
        assert not gate.is_open


def test_a_probe_that_is_throttled_closes_the_gate_anew() -> None:
    gate = a_probing_gate()
    assert gate.throttled(20.0, begun_at=40.5, now=41.0, jitter=0.0)
    assert gate.closed_for_s(41.0) == 20.0


def test_a_429_of_a_call_begun_before_the_closing_belongs_to_the_same_episode() -> None:
    gate = a_closed_gate()
    assert not gate.throttled(50.0, begun_at=9.5, now=12.0, jitter=0.0)
    assert gate.closed_for_s(12.0) == 50.0


def test_an_older_429_while_the_probe_is_out_closes_the_gate_under_it() -> None:
    gate = a_probing_gate()
    gate.throttled(60.0, begun_at=9.5, now=45.0, jitter=0.0)
    gate.call_came_back(probe=True)
    assert gate.closed_for_s(45.0) == 60.0


def test_after_a_probe_that_never_left_the_next_call_is_the_probe() -> None:
    gate = a_probing_gate()
    gate.probe_abandoned(probe=True)
    assert gate.refusal(40.0) is None
    assert gate.granted()


def test_an_ordinary_call_that_never_left_changes_nothing() -> None:
    gate = a_probing_gate()
    gate.probe_abandoned(probe=False)
    assert gate.refusal(1_000.0) is not None


# Probes


def test_a_giant_is_the_probe_only_when_no_smaller_job_came_for_a_while() -> None:
    gate = a_closed_gate()
    refusal = gate.refusal(40.0, small=False)
    assert refusal is not None
    assert refusal.at == 40.0 + SMALL_PROBE_S
    assert refusal.smaller_may_pass
    assert gate.refusal(40.0) is None
    assert gate.refusal(40.0 + SMALL_PROBE_S, small=False) is None


# Outages


def fail(gate: Gate, times: int, now: float, jitter: float = 0.0, *, probe: bool = False) -> list[bool]:
    return [gate.failed(now - 0.1, now, jitter, probe=probe) for _ in range(times)]


def test_failures_in_a_row_are_an_outage() -> None:
    gate = Gate(SETTINGS)
    assert fail(gate, 5, now=10.0) == [False] * 4 + [True]
    assert (gate.kind, gate.closed_for_s(10.0)) == (GateKind.OUTAGE, 5.0)
    refusal = gate.refusal(12.0)
    assert refusal is not None
    assert refusal.why == "paused in an outage"


def test_a_success_in_between_is_no_outage() -> None:
    gate = Gate(SETTINGS)
    for _ in range(10):
        assert not any(fail(gate, 4, now=10.0))
        gate.call_came_back(probe=False)
    assert gate.is_open
    assert gate.kind is None


def test_probes_of_an_outage_go_at_growing_intervals_with_jitter() -> None:
    gate = Gate(SETTINGS)
    now, pauses = 10.0, []
    fail(gate, 5, now, jitter=0.5)
    for _ in range(6):
        pauses.append(gate.closed_for_s(now))
        now += pauses[-1]
        assert gate.refusal(now) is None
        assert gate.granted()
        assert fail(gate, 1, now, jitter=0.5, probe=True) == [False]
    assert pauses == [7.5, 12.5, 22.5, 32.5, 32.5, 32.5]


def test_failures_that_still_come_in_leave_the_pause_alone() -> None:
    gate = Gate(SETTINGS)
    fail(gate, 5, now=10.0)
    fail(gate, 50, now=14.0)
    assert gate.closed_for_s(14.0) == 1.0


def test_any_answer_ends_an_outage() -> None:
    gate = Gate(SETTINGS)
    fail(gate, 5, now=10.0)
    gate.call_came_back(probe=False)
    assert gate.is_open


def test_a_429_in_an_outage_is_an_episode_that_only_the_probe_ends() -> None:
    gate = Gate(SETTINGS)
    fail(gate, 5, now=10.0)
    assert gate.throttled(30.0, begun_at=9.0, now=11.0, jitter=0.0)
    gate.call_came_back(probe=False)
    assert (gate.kind, gate.closed_for_s(11.0)) == (GateKind.RATE, 30.0)


def test_a_probe_after_a_429_that_fails_begins_an_outage() -> None:
    gate = a_probing_gate()
    assert gate.failed(40.0, 41.0, 0.0, probe=True)
    assert (gate.kind, gate.why) == (GateKind.OUTAGE, "paused in an outage")


def test_it_says_that_a_probe_is_out() -> None:
    assert a_probing_gate().why == "a probe is out: closed after a 429"
    assert Gate(SETTINGS).why == "open"
