"""A window on a flow: the order is the flow's, and no job is lost, whatever comes and goes meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claudeflow.domain.job import Candidate, JobId
from claudeflow.policy.lanes.flow import LARGEST_WINDOW, MOST_ASIDE, REFILL_BELOW, WINDOW, Flow, FlowKey
from claudeflow.policy.lanes.lines import rank
from tests.policy.builders import a_candidate

KEY = FlowKey("bulk", "triage", "claude-haiku-5-5")
PRIORITIES = st.integers(-2, 2)


class StoredFlow:
    """A flow with the jobs that a store would hold for it."""

    def __init__(self) -> None:
        self.flow = Flow(KEY)
        self.due: dict[JobId, Candidate] = {}

    def put(self, candidate: Candidate) -> None:
        self.due[candidate.id] = candidate

    def first_due(self) -> list[Candidate]:
        return sorted(self.due.values(), key=rank)[: self.flow.rows_to_read]

    def arrive(self, candidate: Candidate) -> None:
        self.put(candidate)
        self.flow.arrive(candidate)

    def refill(self) -> None:
        self.flow.begin_refill()
        first = self.first_due()
        self.flow.refill(first, all_there_is=len(first) < self.flow.rows_to_read)

    def take(self) -> Candidate | None:
        """Claim the next job as the daemon would: refill when the window runs low, then take its head."""
        if self.flow.wants_refill:
            self.refill()
        head = self.flow.head()
        if head is not None:
            self.flow.leave(head.id)
            self.due.pop(head.id, None)
        return head

    def take_all(self) -> list[Candidate]:
        taken = []
        while (head := self.take()) is not None:
            taken.append(head)
        return taken


def a_stored_flow(priorities: list[int]) -> StoredFlow:
    """Jobs 1, 2, 3… arrived in this order."""
    stored = StoredFlow()
    for number, priority in enumerate(priorities, start=1):
        stored.arrive(a_candidate(number, priority=priority))
    return stored


def ids(candidates: list[Candidate]) -> list[int]:
    return [candidate.id for candidate in candidates]


def test_an_empty_flow_has_no_head_and_wants_nothing() -> None:
    flow = Flow(KEY)
    assert flow.head() is None
    assert flow.complete
    assert not flow.wants_refill


def test_the_first_job_is_the_one_of_highest_priority_then_the_oldest() -> None:
    assert ids(a_stored_flow([0, 5, -1, 5, 0]).take_all()) == [2, 4, 1, 5, 3]


def test_only_a_window_of_a_long_flow_is_in_memory() -> None:
    stored = a_stored_flow([0] * 1_000)
    assert len(stored.flow) == WINDOW
    assert not stored.flow.complete


def test_a_window_asks_for_more_when_it_runs_low() -> None:
    stored = a_stored_flow([0] * 1_000)
    for _ in range(WINDOW - REFILL_BELOW):
        assert not stored.flow.wants_refill
        stored.take()
    stored.flow.leave(JobId(100))
    assert stored.flow.wants_refill


def test_a_window_that_shows_everything_asks_for_nothing() -> None:
    assert not a_stored_flow([0, 0, 0]).flow.wants_refill


@given(st.lists(PRIORITIES, max_size=700))
@settings(deadline=None)
def test_taking_everything_through_windows_yields_the_exact_order_and_loses_none(
    priorities: list[int],
) -> None:
    stored = a_stored_flow(priorities)
    expected = sorted(stored.due.values(), key=rank)
    assert stored.take_all() == expected


def test_a_released_job_returns_to_the_front_although_the_store_holds_more() -> None:
    stored = a_stored_flow([0] * 1_000)
    taken = [stored.take() for _ in range(5)]
    assert taken[1] is not None
    stored.arrive(taken[1])
    assert ids(stored.take_all()) == [2, *range(6, 1_001)]


def test_an_urgent_job_goes_before_a_window_full_of_others() -> None:
    stored = a_stored_flow([0] * 1_000)
    stored.arrive(a_candidate(5_000, priority=1))
    head = stored.take()
    assert head is not None
    assert head.id == 5_000


def test_a_flood_of_urgent_jobs_does_not_keep_the_window_growing() -> None:
    stored = a_stored_flow([0] * 200)
    for number in range(1_000, 3_000):
        stored.arrive(a_candidate(number, priority=1))
        assert len(stored.flow) <= LARGEST_WINDOW
    assert ids(stored.take_all()) == [*range(1_000, 3_000), *range(1, 201)]


def test_a_job_that_is_told_of_twice_is_shown_once() -> None:
    stored = a_stored_flow([0])
    stored.arrive(a_candidate(1))
    assert ids(stored.take_all()) == [1]


def test_cancelling_a_job_that_never_was_due_hides_no_other() -> None:
    stored = a_stored_flow([0] * (WINDOW + 1))
    stored.flow.leave(JobId(9_999))
    assert ids(stored.take_all()) == list(range(1, WINDOW + 2))


def test_a_job_that_arrives_while_the_store_is_read_is_not_lost() -> None:
    stored = a_stored_flow([0] * 200)
    for _ in range(WINDOW - REFILL_BELOW + 1):
        head = stored.flow.head()
        assert head is not None
        stored.flow.leave(head.id)
        del stored.due[head.id]
    stored.flow.begin_refill()
    read = stored.first_due()
    stored.arrive(a_candidate(201))
    stored.flow.refill(read, all_there_is=True)
    assert ids(stored.take_all()) == list(range(98, 202))


def test_a_job_that_is_cancelled_while_the_store_is_read_is_not_shown_again() -> None:
    stored = a_stored_flow([0] * 200)
    stored.flow.begin_refill()
    read = stored.first_due()
    stored.flow.leave(JobId(7))
    del stored.due[JobId(7)]
    stored.flow.refill(read, all_there_is=False)
    assert ids(stored.take_all()) == [number for number in range(1, 201) if number != 7]


def test_urgent_jobs_that_flood_in_while_the_store_is_read_are_not_lost() -> None:
    stored = a_stored_flow([0] * 200)
    stored.flow.begin_refill()
    read = stored.first_due()
    for number in range(1_000, 1_000 + LARGEST_WINDOW):
        stored.arrive(a_candidate(number, priority=1))
    stored.flow.refill(read, all_there_is=True)
    assert ids(stored.take_all())[:LARGEST_WINDOW] == [*range(1_000, 1_000 + LARGEST_WINDOW)]


def set_aside_all_above(stored: StoredFlow, last_id: int) -> None:
    """Set aside what comes first until a job above this id is the head, or nobody is."""
    while True:
        if stored.flow.wants_refill:
            stored.refill()
        head = stored.flow.head()
        if head is None or head.id > last_id:
            return
        stored.flow.lines.set_aside(head)


def test_the_window_reaches_behind_jobs_that_are_set_aside() -> None:
    stored = a_stored_flow([0] * 1_000)
    set_aside_all_above(stored, 900)
    for number in range(2_000, 2_000 + WINDOW):
        stored.arrive(a_candidate(number))
    assert ids(stored.take_all()) == [*range(901, 1_001), *range(2_000, 2_000 + WINDOW)]


def test_no_more_than_so_many_are_set_aside() -> None:
    stored = a_stored_flow([0] * (MOST_ASIDE + 3 * WINDOW))
    set_aside_all_above(stored, MOST_ASIDE + 3 * WINDOW)
    assert MOST_ASIDE <= len(stored.flow) <= MOST_ASIDE + 2 * WINDOW
    for number in range(10_000, 10_000 + WINDOW):
        stored.arrive(a_candidate(number))
    assert len(stored.flow) <= MOST_ASIDE + 2 * WINDOW
    for number in range(1, MOST_ASIDE + WINDOW + 1):
        stored.flow.lines.let_in(JobId(number))
    left = len(stored.due)
    assert len(stored.take_all()) == left


def test_jobs_that_come_first_while_many_are_set_aside_leave_no_more_in_sight_than_before() -> None:
    stored = a_stored_flow([0] * 1_000)
    set_aside_all_above(stored, 400)
    for number in range(2_000, 4_000):
        stored.arrive(a_candidate(number, priority=1))
        assert len(stored.flow) <= LARGEST_WINDOW + 400 + 1


def test_a_refill_that_failed_is_simply_begun_again() -> None:
    stored = a_stored_flow([0] * 200)
    stored.flow.begin_refill()
    stored.arrive(a_candidate(201))
    assert ids(stored.take_all()) == list(range(1, 202))


class ComingAndGoing:
    """Commits, what the flow hears of them, and readings of the store, in a random interleaving.

    The store changes at once; the flow is told later, in the same order. A reading shows the store
    as it was at some moment between its beginning and its end.
    """

    def __init__(self, random: Random) -> None:
        self.stored = StoredFlow()
        self.random = random
        self.untold: deque[tuple[JobId, Callable[[], object]]] = deque()
        self.taken: list[Candidate] = []
        self.reading = False
        self.read: list[Candidate] | None = None
        self.last_id = 0

    def step(self) -> None:
        weights = (5, 2, 1, 5, 4, 4, 4, 6)
        steps = (
            self.submit,
            self.release,
            self.cancel,
            self.tell,
            self.begin_reading,
            self.see_the_store,
            self.end_reading,
            self.take,
        )
        self.random.choices(steps, weights)[0]()

    def some(self) -> int:
        return self.random.choice([1, 3, 20, 110])

    def submit(self) -> None:
        priority = self.random.choice([0, 0, 0, 1, -1])
        for _ in range(self.some()):
            self.last_id += 1
            self._commit(a_candidate(self.last_id, priority=priority))

    def release(self) -> None:
        if self.taken:
            self._commit(self.taken.pop(self.random.randrange(len(self.taken))))

    def cancel(self) -> None:
        if self.stored.due:
            job_id = self.random.choice(list(self.stored.due))
            del self.stored.due[job_id]
            self.untold.append((job_id, partial(self.stored.flow.leave, job_id)))

    def tell(self) -> None:
        for _ in range(min(self.some(), len(self.untold))):
            self.untold.popleft()[1]()

    def begin_reading(self) -> None:
        if not self.reading and self.stored.flow.wants_refill:
            self.reading = True
            self.stored.flow.begin_refill()

    def see_the_store(self) -> None:
        if self.reading and self.read is None:
            self.read = self.stored.first_due()

    def end_reading(self) -> None:
        if self.read is not None:
            self.stored.flow.refill(self.read, all_there_is=len(self.read) < WINDOW)
            self.reading, self.read = False, None

    def take(self) -> None:
        """Nothing that the flow was told of is passed over."""
        if self.reading:
            return
        told = deque(self.told())
        for _ in range(self.some()):
            head = self.stored.flow.head()
            if head is None:
                assert self.stored.flow.wants_refill or not told
                return
            self.stored.flow.leave(head.id)
            if self.stored.due.pop(head.id, None) is None:
                continue
            self.taken.append(head)
            assert not told or rank(head) <= rank(told[0])
            if told and told[0] is head:
                told.popleft()

    def told(self) -> list[Candidate]:
        untold = {job_id for job_id, _ in self.untold}
        return sorted((job for job in self.stored.due.values() if job.id not in untold), key=rank)

    def finish(self) -> None:
        """In the end every job is taken, in order."""
        while self.untold:
            self.untold.popleft()[1]()
        due = dict(self.stored.due)
        assert [job for job in self.stored.take_all() if job.id in due] == sorted(due.values(), key=rank)

    def _commit(self, candidate: Candidate) -> None:
        self.stored.put(candidate)
        self.untold.append((candidate.id, partial(self.stored.flow.arrive, candidate)))


@pytest.mark.parametrize("seed", range(40))
def test_no_interleaving_of_commits_and_readings_loses_a_job_or_passes_one_over(seed: int) -> None:
    life = ComingAndGoing(Random(seed))
    for _ in range(400):
        life.step()
    life.finish()
