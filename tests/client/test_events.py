"""Events by the client, and what must not be in them."""

from __future__ import annotations

import asyncio

import pytest

from claudeflow import AsyncClaudeflow, Claudeflow
from claudeflow.client import Event, InvalidRequest
from tests.support.daemons import a_job
from tests.support.processes import Site

MARK = "the salaries of all nurses"


def test_events_are_told_with_filters(flow: Claudeflow) -> None:
    told = flow.events(["call_ended", "job_finished"], workflow="followed")
    flow.submit(request=a_job()["request"]).wait()
    handle = flow.submit(request=a_job()["request"], workflow="followed")
    call, end = next(told), next(told)
    assert (call.type, end.type) == ("call_ended", "job_finished")
    assert call.data["job_id"] == end.data["job_id"] == handle.id
    assert call.data["usage"]["output_tokens"] > 0
    assert end.data["state"] == "succeeded"
    alone = flow.events(job=handle, last_event_id=call.id)
    assert next(alone) == end


def test_prompts_answers_and_keys_are_in_no_event(flow: Claudeflow, running: Site) -> None:
    told = flow.events()
    request = {**a_job()["request"], "system": MARK, "metadata": {"user_id": MARK}}
    answer = flow.submit(request=request, metadata={"secret": MARK}).result()
    seen: list[Event] = []
    while not seen or seen[-1].type != "job_finished":
        seen.append(next(told))
    text = repr(seen)
    assert {"jobs_submitted", "call_ended", "job_finished"} <= {event.type for event in seen}
    assert MARK not in text
    assert answer.text[:30] not in text
    assert a_job()["request"]["messages"][0]["content"] not in text


@pytest.mark.parametrize("query", [{"types": "job_finishd"}, {"lane": "standrd"}])
def test_an_unknown_filter_is_refused_at_once(flow: Claudeflow, query: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest, match="Did you mean"):
        flow.events(**query)  # type: ignore[arg-type]


async def test_the_async_client_is_told_as_well(running: Site) -> None:
    async with AsyncClaudeflow(running.socket) as flow, asyncio.timeout(30):
        told = flow.events("job_finished", workflow="async-told")
        first = asyncio.ensure_future(anext(told))
        await asyncio.sleep(0)
        seen = None
        while not first.done():
            seen = await flow.submit(request=a_job()["request"], workflow="async-told")
            await seen.wait()
        assert seen is not None
        assert (await first).data["workflow"] == "async-told"
        with pytest.raises(InvalidRequest):
            await anext(flow.events(lane="standrd"))
