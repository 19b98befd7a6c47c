"""Single jobs by the client, against a real daemon."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from claudeflow import AsyncClaudeflow, Claudeflow
from claudeflow.client import (
    Conflict,
    DaemonUnavailable,
    InvalidRequest,
    JobFailed,
    NotFound,
    WaitTimedOut,
)
from tests.client.conftest import NOBODY_THERE
from tests.support.daemons import a_job
from tests.support.processes import Site

REQUEST = a_job()["request"]
PATIENCE_S = 30.0


def test_from_a_request_to_its_answer(flow: Claudeflow) -> None:
    handle = flow.submit(request=REQUEST, lane="interactive", metadata={"ticket": "7"})
    assert handle.created
    message = handle.result(PATIENCE_S)
    assert message["type"] == "message"
    assert message.text == message["content"][0]["text"] == handle.text()
    assert message.stop_reason == message["stop_reason"]
    job = handle.job()
    assert (job.id, job.state, job.lane, job.workflow) == (handle.id, "succeeded", "interactive", "triage")
    assert job.succeeded
    assert job.metadata == {"ticket": "7"}
    assert job.cost_nanousd > 0
    assert job.raw["model"] == job.model
    assert "result" not in job.raw


def test_a_dedupe_key_names_the_job_that_is_there(flow: Claudeflow) -> None:
    first = flow.submit(request=REQUEST, dedupe_key="once")
    again = flow.submit(request=REQUEST, dedupe_key="once")
    assert (first.created, again.created, again.id) == (True, False, first.id)


def test_what_is_wrong_with_a_job_is_told_by_field(flow: Claudeflow) -> None:
    with pytest.raises(InvalidRequest) as refused:
        flow.submit(request={**REQUEST, "max_tokens": -1}, lane="intractive")
    error = refused.value
    assert (error.code, error.status) == ("invalid_job", 422)
    assert set(error.by_field) == {"request.max_tokens", "lane"}
    assert "Did you mean" in error.by_field["lane"]
    assert error.by_field["lane"] in str(error)


def test_times_may_be_moments_and_lengths(flow: Claudeflow) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    job = flow.submit(request=REQUEST, not_before=later, deadline=timedelta(days=2)).job()
    assert job.not_before is not None
    assert datetime.fromisoformat(job.not_before) - later < timedelta(seconds=1)
    assert job.deadline is not None
    assert datetime.fromisoformat(job.deadline) > later
    with pytest.raises(ValueError, match="has no zone"):
        flow.submit(request=REQUEST, deadline=datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_job_that_waits_can_be_waited_for_only_so_long_and_cancelled(flow: Claudeflow) -> None:
    handle = flow.submit(request=REQUEST, not_before=timedelta(days=1))
    with pytest.raises(WaitTimedOut) as late:
        handle.wait(0.0)
    assert late.value.job.state == "queued"
    assert isinstance(late.value, TimeoutError)
    assert handle.cancel().state == "cancelled"
    with pytest.raises(JobFailed) as ended:
        handle.result()
    assert ended.value.job.state == "cancelled"
    assert f"job {handle.id} cancelled" in str(ended.value)
    flow.retry(handle.id)
    assert handle.wait(PATIENCE_S).succeeded


def test_what_has_its_answer_cannot_be_cancelled(flow: Claudeflow) -> None:
    handle = flow.submit(request=REQUEST)
    handle.wait(PATIENCE_S)
    with pytest.raises(Conflict) as refused:
        handle.cancel()
    assert (refused.value.code, refused.value.status) == ("conflict", 409)


def test_a_job_that_is_not_there_is_not_found(flow: Claudeflow) -> None:
    for ask in (flow.job, flow.wait, flow.result, flow.cancel):
        with pytest.raises(NotFound) as refused:
            ask(10**12)
        assert refused.value.code == "job_not_found"


def test_jobs_are_listed_page_by_page(flow: Claudeflow, monkeypatch: pytest.MonkeyPatch) -> None:
    handles = [
        flow.submit(request=REQUEST, workflow="listed", not_before=timedelta(days=1)) for _ in range(5)
    ]
    newest_first = [handle.id for handle in reversed(handles)]
    monkeypatch.setattr("claudeflow.client.session.PAGE", 2)
    assert [job.id for job in flow.jobs(workflow="listed")] == newest_first
    assert [job.id for job in flow.jobs(workflow="listed", limit=3)] == newest_first[:3]
    assert list(flow.jobs(workflow="listed", state="failed")) == []
    with pytest.raises(InvalidRequest, match="state"):
        next(flow.jobs(state="finished"))  # type: ignore[arg-type]


def test_the_status_is_what_the_daemon_says(flow: Claudeflow) -> None:
    assert {lane["lane"] for lane in flow.status()["lanes"]} == {"standard", "interactive", "tiny"}


def test_one_client_serves_many_threads(flow: Claudeflow) -> None:
    texts: list[str] = []

    def ask() -> None:
        texts.append(flow.submit(request=REQUEST).text(PATIENCE_S))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(texts) == 8


def test_a_closed_client_opens_new_connections(running: Site) -> None:
    flow = Claudeflow(running.socket)
    flow.status()
    flow.close()
    assert flow.status()["phase"] == "running"
    flow.close()


async def test_the_async_client_does_the_same(running: Site) -> None:
    async with AsyncClaudeflow(running.socket, workflow="async") as flow:
        handle = await flow.submit(request=REQUEST)
        assert (await handle.result(PATIENCE_S)).text == await handle.text()
        assert (await handle.wait()).succeeded
        assert (await handle.job()).workflow == "async"
        with pytest.raises(Conflict):
            await handle.cancel()
        assert [job.id async for job in flow.jobs(workflow="async")] == [handle.id]
        assert (await flow.status())["phase"] == "running"
        waits = await flow.submit(request=REQUEST, not_before="+1d")
        assert (await waits.cancel()).state == "cancelled"
        with pytest.raises(JobFailed):
            await flow.result(waits)
        await flow.retry(waits)
        assert (await flow.wait(waits, PATIENCE_S)).succeeded


@NOBODY_THERE
def test_without_a_daemon_the_socket_and_the_way_out_are_named_at_once(tmp_path: Path) -> None:
    nobody = tmp_path / "nobody.sock"
    with Claudeflow(nobody, patience_s=3_600.0) as flow, pytest.raises(DaemonUnavailable) as gone:
        flow.submit(request=REQUEST)
    assert gone.value.place == str(nobody)
    assert str(nobody) in str(gone.value)
    assert "claudeflow run" in str(gone.value)


@NOBODY_THERE
def test_the_environment_says_where_the_daemon_is(
    running: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAUDEFLOW_CONFIG", str(running.config))
    with Claudeflow() as flow:
        assert flow.status()["phase"] == "running"
    monkeypatch.setenv("CLAUDEFLOW_SOCKET", str(tmp_path / "other.sock"))
    with Claudeflow() as flow, pytest.raises(DaemonUnavailable, match=r"other\.sock"):
        flow.status()


def test_a_place_is_named_in_one_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="not both"):
        Claudeflow(tmp_path, base_url="http://127.0.0.1:1")
    with pytest.raises(ValueError, match=r"must be like http://127.0.0.1:8765; found '127\.0\.0\.1:1'"):
        Claudeflow(base_url="127.0.0.1:1")
    monkeypatch.delenv("CLAUDEFLOW_SOCKET", raising=False)
    monkeypatch.setenv("CLAUDEFLOW_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(ValueError, match=r"none\.toml"):
        Claudeflow()
    (tmp_path / "none.toml").write_text("[")
    with pytest.raises(ValueError, match="no TOML"):
        Claudeflow()


def test_a_job_is_named_by_its_id_or_a_handle(flow: Claudeflow) -> None:
    handle = flow.submit(request=REQUEST)
    assert flow.job(handle).id == flow.job(handle.id).id == flow.job(handle.job()).id == handle.id
    with pytest.raises(TypeError, match="whole number, or by a handle; found '7'"):
        flow.job("7")  # type: ignore[arg-type]
    assert repr(handle) == f"JobHandle(id={handle.id}, created=True)"
