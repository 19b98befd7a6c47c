"""The front door without a daemon: the same answers, from the store alone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from claudeflow.daemon.offline import offline_call
from claudeflow.domain.errors import ConfigError, StoreLocked
from claudeflow.domain.job import JobState
from claudeflow.store.lock import instance_lock
from tests.support.books import states_of
from tests.support.daemons import a_config, a_job, running


def call(folder: Path, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
    status, _, answer = offline_call(
        config_path=options.get("config"),
        store_path=folder / "store.db",
        method=method,
        path=path,
        query={},
        body=None if body is None else json.dumps(body).encode(),
        content_type="application/json",
    )
    return status, json.loads(answer)


def test_a_job_is_kept_for_the_next_daemon(tmp_path: Path) -> None:
    assert call(tmp_path, "POST", "/v1/jobs", a_job()) == (201, {"id": 1, "created": True})
    assert call(tmp_path, "GET", "/v1/jobs/1")[1]["state"] == "queued"

    async def work() -> list[JobState]:
        async with running(tmp_path, config=a_config(tmp_path)) as bench:
            return [record.state for record in await bench.finished([(await bench.parts.desk.job(1)).id])]  # type: ignore[arg-type]

    assert asyncio.run(work()) == [JobState.SUCCEEDED]
    status, job = call(tmp_path, "GET", "/v1/jobs/1")
    assert (status, job["state"], job["result"]["type"]) == (200, "succeeded", "message")


def test_cancel_and_retry_work_without_a_daemon(tmp_path: Path) -> None:
    call(tmp_path, "POST", "/v1/jobs", a_job())
    assert call(tmp_path, "POST", "/v1/jobs/1/cancel")[1]["state"] == "cancelled"
    assert call(tmp_path, "POST", "/v1/jobs/1/retry")[1]["state"] == "queued"
    assert call(tmp_path, "GET", "/v1/status")[1]["phase"] == "offline"
    assert call(tmp_path, "GET", "/-/ready")[0] == 503


def test_a_wrong_job_is_refused_and_nothing_is_stored(tmp_path: Path) -> None:
    status, problem = call(tmp_path, "POST", "/v1/jobs", a_job(lane="fast"))
    assert status == 422
    assert problem["errors"][0]["field"] == "lane"
    assert states_of(tmp_path / "store.db") == {}


def test_a_store_in_use_is_left_alone(tmp_path: Path) -> None:
    with instance_lock(tmp_path / "store.db"), pytest.raises(StoreLocked, match="is in use by process"):
        call(tmp_path, "POST", "/v1/jobs", a_job())
    assert not (tmp_path / "store.db").exists()


def test_a_bad_configuration_is_named(tmp_path: Path) -> None:
    config = tmp_path / "claudeflow.toml"
    config.write_text("[lanes]\n")
    with pytest.raises(ConfigError, match="at least one lane"):
        call(tmp_path, "GET", "/v1/status", config=config)
