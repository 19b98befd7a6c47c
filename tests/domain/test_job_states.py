"""The table of transitions, and the page that is drawn from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from claudeflow.domain.job import FINAL_STATES, TRANSITIONS, JobState, may_become
from tests.domain.job_states_page import MEANING, page

PAGE = Path(__file__).parents[2] / "docs" / "job-states.md"


def reachable_from(state: JobState) -> set[JobState]:
    found, fresh = {state}, [state]
    while fresh:
        new = set(TRANSITIONS[fresh.pop()]) - found
        found |= new
        fresh += new
    return found


def test_the_page_is_drawn_from_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "python -m tests.domain.job_states_page > docs/job-states.md"
    )


def test_every_state_is_in_the_table_and_on_the_page() -> None:
    assert set(TRANSITIONS) == set(MEANING) == set(JobState)


def test_every_state_can_be_reached_from_the_queue() -> None:
    assert reachable_from(JobState.QUEUED) == set(JobState)


def test_an_answered_job_never_moves_again() -> None:
    assert not TRANSITIONS[JobState.SUCCEEDED]


@pytest.mark.parametrize("state", sorted(FINAL_STATES - {JobState.SUCCEEDED}))
def test_a_job_that_ended_without_an_answer_can_only_be_asked_for_again(state: JobState) -> None:
    assert set(TRANSITIONS[state]) == {JobState.QUEUED}


def test_only_a_running_job_can_succeed() -> None:
    assert [state for state in JobState if may_become(state, JobState.SUCCEEDED)] == [JobState.RUNNING]


def test_only_a_queued_job_can_begin_to_run() -> None:
    assert [state for state in JobState if may_become(state, JobState.RUNNING)] == [JobState.QUEUED]


def test_no_state_is_followed_by_itself() -> None:
    assert not [state for state in JobState if may_become(state, state)]


@pytest.mark.parametrize("state", JobState)
def test_a_state_is_final_when_the_job_will_not_move_by_itself(state: JobState) -> None:
    assert state.is_final == (state in {"succeeded", "failed", "cancelled", "expired"})
