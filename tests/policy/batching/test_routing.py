"""Which jobs go to a batch, and what becomes of those that come back unanswered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.batch import ItemKind
from claudeflow.domain.usage import Terms
from claudeflow.policy.batching.lateness import late_at_ms, leave_by_ms
from claudeflow.policy.batching.routing import Requeue, Route, refused_in_batches, route, route_again
from claudeflow.policy.batching.settings import BatchPolicy, BatchSettings
from tests.policy.batching.builders import NOW_MS, SETTINGS, facts

COMPLETION_S = 1_000.0
NEEDED_S = 1_500.0
"""With the margin."""
POLICIES: tuple[BatchPolicy, ...] = ("never", "slack", "always")
SECONDS = st.floats(0, 200_000)
WHENEVER = st.none() | st.floats(-1_000, 300_000)


def routed(policy: BatchPolicy, left_s: float | None = None, **changes: Any) -> Route:
    return route(policy, facts(left_s, **changes), COMPLETION_S, NOW_MS, SETTINGS)


@pytest.mark.parametrize(("policy", "batched"), [("never", False), ("slack", True), ("always", True)])
def test_a_job_without_a_deadline_goes_to_a_batch_unless_its_lane_uses_none(
    policy: BatchPolicy, batched: bool
) -> None:
    assert routed(policy).batched is batched


@pytest.mark.parametrize(
    ("policy", "left_s", "batched"),
    [
        ("slack", NEEDED_S + 300 + 900, True),
        ("slack", NEEDED_S + 300 + 900 - 1, False),
        ("always", NEEDED_S + 900, True),
        ("always", NEEDED_S + 900 - 1, False),
        ("always", 10.0, False),
        ("always", -5.0, False),
        ("never", 500_000.0, False),
    ],
)
def test_a_deadline_must_leave_time_for_batches_their_margin_and_the_way_back(
    policy: BatchPolicy, left_s: float, batched: bool
) -> None:
    assert routed(policy, left_s).batched is batched


@pytest.mark.parametrize(("left_s", "batched"), [(86_400 + 900.0, True), (86_400 + 899.0, False)])
def test_more_than_a_day_is_always_enough_however_long_batches_take(left_s: float, batched: bool) -> None:
    assert route("always", facts(left_s), 80_000.0, NOW_MS, SETTINGS).batched is batched


OBSTACLES: list[tuple[dict[str, Any], str]] = [
    ({"terms": Terms.FAST | Terms.ANYWHERE}, "`speed`"),
    ({"refused": "fallbacks"}, "`fallbacks`"),
    ({"size_bytes": 1_000_001}, "1,000,001 bytes, and a batch takes 1,000,000"),
    ({"returned": 2}, "2 batches"),
]


@pytest.mark.parametrize(("changes", "word"), OBSTACLES)
@pytest.mark.parametrize("policy", ["slack", "always"])
def test_what_no_batch_can_take_goes_to_messages_and_says_why(
    policy: BatchPolicy, changes: dict[str, Any], word: str
) -> None:
    found = routed(policy, **changes)
    assert not found.batched
    assert word in found.why


@pytest.mark.parametrize(
    "changes", [{"size_bytes": 1_000_000}, {"terms": Terms.MARKS_1H | Terms.OTHER_MODELS | Terms.ANYWHERE}]
)
def test_what_a_batch_just_takes_goes_there(changes: dict[str, Any]) -> None:
    assert routed("slack", **changes).batched


@pytest.mark.parametrize(
    ("policy", "returned", "batched"),
    [("slack", 1, False), ("always", 1, True), ("always", 2, False), ("always", 9, False)],
)
def test_what_came_back_goes_to_no_further_batch_or_to_one_more_where_that_is_the_wish(
    policy: BatchPolicy, returned: int, batched: bool
) -> None:
    assert routed(policy, returned=returned).batched is batched


@pytest.mark.parametrize(
    ("policy", "left_s", "why"),
    [
        ("never", None, "its lane uses no batches"),
        ("slack", None, "it has no deadline"),
        ("slack", 9_000.0, "its deadline leaves time for a batch"),
        ("always", 9_000.0, "its lane prefers batches"),
        ("always", 600.0, "its deadline is in 10m, too soon for a batch, which is given 25m"),
    ],
)
def test_the_reason_is_told_in_words(policy: BatchPolicy, left_s: float | None, why: str) -> None:
    assert routed(policy, left_s).why == why


Ended = Literal[ItemKind.CANCELED, ItemKind.EXPIRED]


def again(policy: BatchPolicy, ended: Ended, left_s: float | None = None, returned: int = 0) -> Requeue:
    return route_again(policy, facts(left_s, returned=returned), COMPLETION_S, NOW_MS, SETTINGS, ended=ended)


def test_what_expired_where_batches_are_the_wish_gets_one_more_and_then_messages() -> None:
    first = again("always", ItemKind.EXPIRED)
    second = again("always", ItemKind.EXPIRED, returned=first.returned)
    assert (first.returned, first.batched) == (1, True)
    assert (second.returned, second.batched) == (2, False)


def test_what_comes_back_under_slack_goes_to_messages() -> None:
    found = again("slack", ItemKind.CANCELED)
    assert (found.returned, found.batched) == (1, False)


def test_what_comes_back_with_too_little_time_left_goes_to_messages() -> None:
    assert not again("always", ItemKind.CANCELED, left_s=1_000.0).batched


def test_what_became_of_an_item_is_told_in_words() -> None:
    assert again("always", ItemKind.EXPIRED).why == (
        "it expired in its batch; it goes to the next batch: its lane prefers batches"
    )
    assert again("slack", ItemKind.CANCELED).why == (
        "it was stopped with its batch; it goes to Messages: it has come back unanswered from 1 batch"
    )


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"max_tokens": 100, "stream": True}, None),
        ({"max_tokens": 100, "speed": None}, None),
        ({"max_tokens": 0}, "max_tokens: 0"),
        ({"max_tokens": 100, "speed": "fast"}, "speed"),
        ({"max_tokens": 100, "fallbacks": []}, "fallbacks"),
        ({"max_tokens": 100, "cache_hint": {}}, "cache_hint"),
        ({"max_tokens": 100, "context_hint": {}}, "context_hint"),
    ],
)
def test_what_the_api_takes_in_messages_alone_is_named(body: dict[str, Any], refused: str | None) -> None:
    assert refused_in_batches(body) == refused


@given(WHENEVER, SECONDS, st.integers(0, 3), st.sampled_from([0, Terms.FAST]))
def test_whatever_slack_sends_to_a_batch_always_sends_there_too(
    left_s: float | None, completion_s: float, returned: int, terms: int
) -> None:
    never, slack, always = (
        route(policy, facts(left_s, returned=returned, terms=terms), completion_s, NOW_MS, SETTINGS).batched
        for policy in POLICIES
    )
    assert not never
    assert always or not slack


@given(
    policy=st.sampled_from(POLICIES),
    left_s=WHENEVER,
    completion_s=SECONDS,
    margin=st.floats(1, 10),
    comeback_s=st.floats(0, 80_000),
)
def test_no_job_is_late_when_its_batch_leaves_at_once_and_takes_what_it_is_given(
    policy: BatchPolicy, left_s: float | None, completion_s: float, margin: float, comeback_s: float
) -> None:
    settings = BatchSettings(margin=margin, comeback_s=comeback_s)
    job = facts(left_s)
    if route(policy, job, completion_s, NOW_MS, settings).batched and job.deadline_ms is not None:
        assert leave_by_ms(job.deadline_ms, completion_s, settings) >= NOW_MS
        ended_ms = NOW_MS + round(1000 * min(86_400.0, margin * completion_s))
        assert ended_ms <= late_at_ms(job.deadline_ms, settings)


@given(WHENEVER, SECONDS)
def test_no_job_goes_to_batches_for_ever(left_s: float | None, completion_s: float) -> None:
    job, batches = facts(left_s), 0
    while route("always", job, completion_s, NOW_MS, SETTINGS).batched:
        batches += 1
        back = route_again("always", job, completion_s, NOW_MS, SETTINGS, ended=ItemKind.CANCELED)
        job = replace(job, returned=back.returned)
    assert batches <= 2
