"""What is found out about a batch whose creation was never answered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.batch import RemoteBatch
from claudeflow.policy.batching.orphans import (
    KeepLooking,
    LostCreate,
    NeverCreated,
    Suspect,
    look_for,
    oldest_ms,
)
from tests.policy.batching.builders import HOUR_MS, NOW_MS, remote

LOST = LostCreate(at_ms=NOW_MS, requests=100, gone_ms=NOW_MS)
LATER_MS = NOW_MS + 10 * 60_000
NOBODY: frozenset[str] = frozenset()

IDS = st.sampled_from([f"msgbatch_{number}" for number in range(8)])
BATCHES = st.lists(
    st.builds(
        remote,
        IDS,
        st.integers(NOW_MS - 3 * HOUR_MS, NOW_MS + 2 * HOUR_MS),
        st.sampled_from([99, 100, 101]),
        ended=st.booleans(),
    ),
    max_size=10,
    unique_by=lambda batch: batch.id,
)


def found(*recent: RemoteBatch, now_ms: int = LATER_MS) -> Suspect | KeepLooking | NeverCreated:
    return look_for(LOST, recent, NOBODY, NOBODY, now_ms)


@pytest.mark.parametrize("ended", [False, True])
def test_a_batch_of_the_same_time_and_size_is_a_suspect_whether_it_runs_or_has_ended(ended: bool) -> None:
    assert found(remote("a", NOW_MS + 2_000, ended=ended)) == Suspect(("a",))


def test_a_batch_that_shows_no_requests_yet_is_one_too() -> None:
    assert found(remote("a", NOW_MS + 2_000, requests=0)) == Suspect(("a",))


@pytest.mark.parametrize(
    ("after_ms", "suspected"),
    [
        (-2 * HOUR_MS - 1, False),
        (-2 * HOUR_MS, True),
        (0, True),
        (HOUR_MS, True),
        (24 * HOUR_MS, True),
        (25 * HOUR_MS, False),
    ],
)
def test_the_api_may_date_it_two_hours_early_and_no_more_than_a_day_late(
    after_ms: int, suspected: bool
) -> None:
    assert isinstance(found(remote("a", NOW_MS + after_ms)), Suspect) is suspected


@pytest.mark.parametrize("requests", [1, 99, 101])
def test_another_number_of_requests_is_another_batch(requests: int) -> None:
    assert found(remote("a", requests=requests)) == NeverCreated()


def test_the_likeliest_suspect_comes_first() -> None:
    batches = [
        remote("later", NOW_MS + 50_000),
        remote("near", NOW_MS + 900),
        remote("early", NOW_MS - 3_000),
    ]
    assert found(*batches) == Suspect(("near", "early", "later"))


def test_a_suspect_is_told_before_the_list_is_complete() -> None:
    assert found(remote("a"), now_ms=NOW_MS + 1_000) == Suspect(("a",))


def test_an_empty_list_is_asked_again_for_two_minutes_and_then_believed() -> None:
    assert found(now_ms=NOW_MS) == KeepLooking(NOW_MS + 120_000)
    assert found(now_ms=NOW_MS + 119_999) == KeepLooking(NOW_MS + 120_000)
    assert found(now_ms=NOW_MS + 120_000) == NeverCreated()


def test_the_list_is_believed_only_a_while_after_nothing_could_be_on_its_way_any_more() -> None:
    """An upload may take ten minutes: what it brought is in the list only then."""
    slow = LostCreate(at_ms=NOW_MS, requests=100, gone_ms=NOW_MS + 600_000)
    until_ms = NOW_MS + 720_000
    assert look_for(slow, [], NOBODY, NOBODY, until_ms - 1) == KeepLooking(until_ms)
    assert look_for(slow, [], NOBODY, NOBODY, until_ms) == NeverCreated()


def test_what_is_ours_already_or_somebody_elses_is_not_suspected_again() -> None:
    batches = [remote("ours"), remote("theirs")]
    assert look_for(LOST, batches, {"ours"}, NOBODY, LATER_MS) == Suspect(("theirs",))
    assert look_for(LOST, batches, {"ours"}, {"theirs"}, LATER_MS) == NeverCreated()


@given(
    recent=BATCHES,
    ours=st.frozensets(IDS),
    others=st.frozensets(IDS),
    after_ms=st.integers(-HOUR_MS, 30 * HOUR_MS),
)
def test_it_is_never_given_up_while_a_suspect_is_unresolved_and_nothing_known_is_suspected(
    recent: list[RemoteBatch], ours: frozenset[str], others: frozenset[str], after_ms: int
) -> None:
    verdict = look_for(LOST, recent, ours, others, NOW_MS + after_ms)
    suspects = {
        batch.id for batch in recent if batch.counts.total == 100 and batch.created_ms >= oldest_ms(LOST)
    } - (ours | others)
    assert (set(verdict.ids) if isinstance(verdict, Suspect) else set()) == suspects
    assert not isinstance(verdict, NeverCreated) or after_ms >= 120_000


@given(BATCHES, IDS, st.integers(-60_000, HOUR_MS), st.integers(0, 9))
def test_looking_into_one_suspect_after_the_other_ends_with_the_one_that_is_ours(
    recent: list[RemoteBatch], own_id: str, lag_ms: int, place: int
) -> None:
    """The results of each suspect are read until those of our own come; nothing is created meanwhile."""
    recent = [batch for batch in recent if batch.id != own_id]
    recent.insert(min(place, len(recent)), remote(own_id, NOW_MS + lag_ms))
    others: set[str] = set()
    while True:
        verdict = look_for(LOST, recent, NOBODY, others, LATER_MS)
        assert isinstance(verdict, Suspect)
        if verdict.ids[0] == own_id:
            break
        others.add(verdict.ids[0])
