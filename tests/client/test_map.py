"""Many jobs by `map`, against a real daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from claudeflow import AsyncClaudeflow, Claudeflow
from claudeflow.client import InvalidRequest, JobFailed, Progress
from claudeflow.client.values import JobFields
from tests.support.daemons import a_job
from tests.support.processes import Site


def some(count: int, **fields: Any) -> Iterator[JobFields]:
    for number in range(count):
        yield {"request": a_job(number)["request"], **fields}  # type: ignore[typeddict-item]


def test_every_job_comes_back_once_with_what_was_asked(flow: Claudeflow) -> None:
    results = list(flow.map(some(250, metadata={"a": "b"})))
    assert sorted(result.index for result in results) == list(range(250))
    for result in results:
        assert result.fields["request"]["messages"][0]["content"].startswith(f"Ticket {result.index}:")
        assert result.ok
        assert result.text == result.answer.text
        assert result.job is not None
        assert result.job.workflow == "triage"


def test_in_order_when_that_is_wanted(flow: Claudeflow) -> None:
    assert [result.index for result in flow.map(some(120), ordered=True, in_flight=30)] == list(range(120))


def test_what_is_wrong_is_a_result_and_stops_nothing(flow: Claudeflow) -> None:
    good = a_job()["request"]
    jobs: list[Any] = [
        {"request": good},
        {"request": {**good, "max_tokens": -1}},
        {"request": good, "lane": "nowhere"},
        "no mapping",
        {"request": {**good, "max_tokens": float("nan")}},
        {"request": good, "deadline": "+1s", "not_before": "+1d"},
        {"request": good},
    ]
    results = list(flow.map(jobs, ordered=True))
    assert [result.ok for result in results] == [True, False, False, False, False, False, True]
    wrong = results[1].error
    assert isinstance(wrong, InvalidRequest)
    assert list(wrong.by_field) == ["request.max_tokens"]
    assert isinstance(results[2].error, InvalidRequest)
    assert isinstance(results[3].error, TypeError)
    assert isinstance(results[4].error, ValueError)
    with pytest.raises((InvalidRequest, JobFailed)):
        results[5].answer  # noqa: B018


def test_what_is_answered_already_is_not_asked_again(flow: Claudeflow) -> None:
    jobs = [JobFields(request=a_job(n)["request"], dedupe_key=f"resumed-{n}") for n in range(20)]
    begun = flow.map(iter(jobs))
    first = [next(begun) for _ in range(5)]
    begun.close()  # type: ignore[attr-defined]
    again = list(flow.map([*jobs, jobs[0]]))
    ids = {result.index: result.job.id for result in again if result.job}
    assert len(again) == 21
    assert len(set(ids.values())) == 20
    assert ids[20] == ids[0]
    assert all(result.job is not None and ids[result.index] == result.job.id for result in first)


def test_a_full_lane_is_waited_for(flow: Claudeflow) -> None:
    results = list(flow.map(some(40, lane="tiny")))
    assert sorted(result.index for result in results) == list(range(40))
    assert all(result.ok for result in results)


def test_progress_is_told(flow: Claudeflow) -> None:
    told: list[Progress] = []
    list(flow.map([*some(9), {"request": {}}], progress=told.append))
    assert told[-1] == Progress(taken=10, in_flight=0, ended=10, failed=1)
    assert max(one.in_flight for one in told) == 9


def test_a_source_of_any_size_is_taken_a_little_at_a_time(flow: Claudeflow) -> None:
    taken, given, most = 0, 0, 0

    def source() -> Iterator[JobFields]:
        nonlocal taken, most
        for fields in some(1_500):
            taken += 1
            most = max(most, taken - given)
            yield fields

    for _ in flow.map(source(), in_flight=50):
        given += 1
    assert (taken, given) == (1_500, 1_500)
    assert most <= 50


def test_a_window_has_room_for_something() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Claudeflow("x").map([], in_flight=0)


def test_nothing_is_nothing(flow: Claudeflow) -> None:
    assert list(flow.map([])) == []


async def test_the_async_client_maps_async_sources(running: Site) -> None:
    async def source() -> AsyncIterator[JobFields]:
        for fields in some(130):
            yield fields

    async with AsyncClaudeflow(running.socket) as flow:
        results = [result async for result in flow.map(source(), ordered=True)]
        assert [result.index for result in results] == list(range(130))
        assert all(result.ok for result in results)
        assert [result.ok async for result in flow.map(some(3))] == [True] * 3
