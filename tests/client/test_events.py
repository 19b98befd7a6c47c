"""Events by the client, and what must not be in them."""

from __future__ import annotations

import asyncio

import pytest

from claudeflow import AsyncClaudeflow, Claudeflow
from claudeflow.client import Event, InvalidRequest
from claudeflow.client.values import JobFields
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


def a_token(site: Site, name: str, *roles: str) -> str:
    """A token of these roles alone."""
    made = site.cli("token", "create", name, *[word for role in roles for word in ("--role", role)])
    assert made.returncode == 0, made.stderr
    return next(word for word in made.stdout.split() if word.startswith("cf_"))


def test_who_may_only_send_follows_and_maps_its_own_jobs_alone(running: Site) -> None:
    mine, other = (a_token(running, name, "submit") for name in ("sender", "neighbour"))
    jobs: list[JobFields] = [{"request": a_job(number)["request"]} for number in range(40)]
    with (
        Claudeflow(running.socket, token=mine) as sender,
        Claudeflow(running.socket, token=other) as neighbour,
    ):
        told = sender.events()
        neighbour.submit(request=a_job()["request"]).wait()
        ids = {result.job.id for result in sender.map(jobs) if result.job is not None}
        neighbour.submit(request=a_job()["request"]).wait()
        last = sender.submit(request=a_job()["request"], workflow="last")
        last.wait()
        seen = [next(told)]
        while (seen[-1].type, seen[-1].data.get("job_id")) != ("job_finished", last.id):
            seen.append(next(told))
    assert len(ids) == len(jobs)
    assert {event.data["job_id"] for event in seen if event.type == "job_finished"} == {*ids, last.id}
    assert {event.data["submitted_by"] for event in seen} == {"token:sender"}
