"""The client while the daemon is killed and started again."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from claudeflow import AsyncClaudeflow, Claudeflow
from claudeflow.client import DaemonUnavailable, Event, Mapped
from claudeflow.client.values import JobFields
from claudeflow.twin.child import twin_process
from claudeflow.twin.settings import TwinSettings
from tests.client.conftest import NOBODY_THERE, QUICK
from tests.client.test_map import some
from tests.support.books import disagreements, states_of
from tests.support.daemons import PLENTY, a_job
from tests.support.processes import Daemon, Site, daemon_at, invoice_of

pytestmark = NOBODY_THERE

PATIENCE_S = 40.0
SLOW = TwinSettings(reply_tokens=20, ttft_s=0.3, latency_sigma=0.0, **PLENTY)
ENDLESS = TwinSettings(reply_tokens=20, ttft_s=3600.0, latency_sigma=0.0, **PLENTY)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


def killed(daemon: Daemon) -> None:
    daemon.kill()


def stopped(daemon: Daemon) -> None:
    daemon.signal(signal.SIGTERM)
    daemon.ended()


@pytest.mark.parametrize("end", [killed, stopped])
def test_a_map_goes_on_over_restarts_and_nothing_is_lost_or_doubled(
    folder: Path, stack: ExitStack, end: object
) -> None:
    assert callable(end)
    twin = stack.enter_context(twin_process(SLOW))
    site = Site(folder, twin.address)
    daemon = stack.enter_context(daemon_at(site))
    flow = stack.enter_context(Claudeflow(site.socket))
    given: list[Mapped] = []
    for result in flow.map(some(90), in_flight=30):
        given.append(result)
        if len(given) in (10, 50):
            end(daemon)
            daemon = stack.enter_context(daemon_at(site))
    assert sorted(result.index for result in given) == list(range(90))
    assert all(result.ok for result in given)
    assert states_of(site.store) == {"succeeded": 90}
    stopped(daemon)
    assert disagreements(site.store, invoice_of(twin.address)) == []


def test_a_wait_goes_on_over_a_restart(folder: Path, stack: ExitStack) -> None:
    twin = stack.enter_context(twin_process(SLOW))
    site = Site(folder, twin.address)
    daemon = stack.enter_context(daemon_at(site))
    flow = stack.enter_context(Claudeflow(site.socket))
    handle = flow.submit(request=a_job()["request"], not_before="+2s")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(handle.result, PATIENCE_S)
        killed(daemon)
        stack.enter_context(daemon_at(site))
        assert waiting.result(PATIENCE_S).text
    assert handle.job().succeeded


async def test_an_async_wait_goes_on_over_a_restart(folder: Path, stack: ExitStack) -> None:
    import asyncio

    twin = stack.enter_context(twin_process(QUICK))
    site = Site(folder, twin.address)
    daemon = stack.enter_context(daemon_at(site))
    async with AsyncClaudeflow(site.socket) as flow:
        handle = await flow.submit(request=a_job()["request"], not_before="+2s")
        waiting = asyncio.create_task(handle.text(PATIENCE_S))
        await asyncio.sleep(0)
        killed(daemon)
        await asyncio.to_thread(stack.enter_context, daemon_at(site))
        assert await waiting


def test_a_daemon_that_stays_away_is_told_of_after_patience(folder: Path, stack: ExitStack) -> None:
    twin = stack.enter_context(twin_process(ENDLESS))
    site = Site(folder, twin.address)
    daemon = stack.enter_context(daemon_at(site))
    flow = stack.enter_context(Claudeflow(site.socket, patience_s=0.3))
    handle = flow.submit(request=a_job()["request"])
    told = flow.events()
    killed(daemon)
    for ask in (handle.wait, lambda: next(told), lambda: next(flow.map(some(1)))):
        with pytest.raises(DaemonUnavailable, match=str(site.socket)):
            ask()


def test_a_stream_goes_on_over_a_restart_and_tells_of_the_gap(folder: Path, stack: ExitStack) -> None:
    twin = stack.enter_context(twin_process(QUICK))
    site = Site(folder, twin.address)
    daemon = stack.enter_context(daemon_at(site))
    flow = stack.enter_context(Claudeflow(site.socket))
    told = flow.events(["job_finished", "daemon_ready", "daemon_stopped"])
    first = flow.submit(request=a_job()["request"]).id
    assert next(told).data["job_id"] == first
    stopped(daemon)
    ended = next(told)
    assert ended.type == "daemon_stopped"
    stack.enter_context(daemon_at(site))
    gap = next(told)
    assert (gap.type, gap.data["reason"], gap.data["missed"]) == ("gap", "other_daemon", None)
    ready = next(told)
    assert ready.type == "daemon_ready"
    assert ready.data["instance"] == ready.id.split("-")[0] != ended.id.split("-")[0]
    second = flow.submit(request=a_job(2)["request"]).id
    assert next(told).data["job_id"] == second


def test_a_stream_begun_after_an_event_goes_on_from_there(folder: Path, stack: ExitStack) -> None:
    twin = stack.enter_context(twin_process(QUICK))
    site = Site(folder, twin.address)
    stack.enter_context(daemon_at(site))
    flow = stack.enter_context(Claudeflow(site.socket))
    told = flow.events("job_finished")
    results = list(flow.map(some(3)))
    events: list[Event] = [next(told) for _ in range(3)]
    again = flow.events("job_finished", last_event_id=events[0].id)
    assert [next(again), next(again)] == events[1:]
    assert {event.data["job_id"] for event in events} == {result.job.id for result in results if result.job}
    assert events[0].at.endswith("Z")


def test_a_submission_whose_answer_is_lost_is_made_once(folder: Path, stack: ExitStack) -> None:
    twin = stack.enter_context(twin_process(QUICK))
    site = Site(folder, twin.address)
    daemon = stack.enter_context(daemon_at(site))
    flow = stack.enter_context(Claudeflow(site.socket))
    flow.status()
    done = threading.Event()
    ids: list[int] = []

    def submit() -> None:
        while not done.is_set():
            ids.append(flow.submit(request=JobFields(a_job()["request"])).id)  # type: ignore[misc]

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(submit) for _ in range(4)]
        killed(daemon)
        stack.enter_context(daemon_at(site))
        done.set()
        for one in asking:
            one.result(PATIENCE_S)
        assert len(set(ids)) == len(ids)
    assert sum(states_of(site.store).values()) == len(ids)
