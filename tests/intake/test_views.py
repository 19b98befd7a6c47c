"""The public JSON of jobs and status."""

from __future__ import annotations

from dataclasses import replace

import orjson

from claudeflow.domain.hold import EVERYTHING, Hold, HoldCause
from claudeflow.domain.job import JobError, JobId, PromptRef
from claudeflow.domain.quota import Axis
from claudeflow.domain.report import BucketStatus, PoolStatus
from claudeflow.intake.views.jobs import record_to_json, status_to_json
from tests.intake.builders import NOW_MS, a_catalog, a_job, parsed
from tests.support.fake_desk import FakeDesk


async def test_a_record_shows_times_in_utc_and_money_in_nano_dollars() -> None:
    desk = FakeDesk(a_catalog(), now_ms=NOW_MS + 7)
    await desk.submit([parsed(a_job())])
    record = replace(
        await desk.job(JobId(1)),
        deadline_ms=NOW_MS + 60_000,
        cost_nanousd=1_234,
        prompt=PromptRef("triage", "3f0c9a"),
        error=JobError("invalid_request_error", "too long", status=400, request_id="req_1"),
    )
    shown = record_to_json(record)
    assert shown["submitted_at"] == "2026-11-22T09:00:00.007Z"
    assert (shown["deadline"], shown["not_before"]) == ("2026-11-22T09:01:00.000Z", None)
    assert (shown["cost_nanousd"], shown["prompt"]) == (1_234, {"name": "triage", "version": "3f0c9a"})
    assert (shown["error"]["type"], shown["error"]["code"]) == ("invalid_request_error", None)


async def test_status_shows_holds_with_their_way_out_and_buckets_by_name() -> None:
    bucket = BucketStatus(Axis.INPUT_TOKENS, limit_per_min=4e6, level=-10.5, capacity=3e5)
    pool = PoolStatus("haiku-5.5", 0.9, True, 0.0, 12, 3, 1, (bucket,))
    hold = Hold(EVERYTHING, HoldCause.CREDIT, "credit balance is too low", NOW_MS)
    status = replace(await FakeDesk(a_catalog()).status(), pools=(pool,), holds=(hold,))
    shown = orjson.loads(orjson.dumps(status_to_json(status)))
    assert shown["pools"][0]["buckets"][0] == {
        "axis": "input_tokens",
        "limit_per_min": 4e6,
        "level": -10.5,
        "capacity": 3e5,
        "limit_is_told": False,
        "server_level": None,
        "pace_share": 1.0,
        "use": 0.0,
    }
    assert shown["holds"][0] == {
        "scope": "all",
        "cause": "credit",
        "reason": "credit balance is too low",
        "since": "2026-11-22T09:00:00.000Z",
        "until": None,
        "probe_at": None,
        "set_by": None,
        "way_out": hold.way_out,
    }
