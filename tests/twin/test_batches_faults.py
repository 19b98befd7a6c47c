"""What can go wrong with batches."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from claudeflow.twin.engine import Twin
from claudeflow.twin.errors import ConnectionDropped, ConnectionRefused
from claudeflow.twin.fault_script import parse_faults
from claudeflow.twin.faults import ANSWERS, BATCHES
from claudeflow.twin.script import read_script
from claudeflow.twin.settings import TwinSettings, settings_from_json, settings_to_json
from tests.twin.batching import asked, created, kinds, result_lines, results, some_items, told
from tests.twin.builders import WoundClock, a_call, a_twin, headers_of, json_of, read_all

STATUSES = {
    "rate_429": 429,
    "ramp_429": 429,
    "spend_cap": 429,
    "overloaded_529": 529,
    "error_500": 500,
    "error_502_html": 502,
    "credit_empty": 400,
    "usage_limit_400": 400,
    "billing_402": 402,
    "auth_401": 401,
    "org_on_hold": 400,
    "conn_reset": 0,
    "silent": 0,
}


def a_faulty_twin(kind: str, clock: WoundClock | None = None, **fault: Any) -> Twin:
    settings = {name: fault.pop(name) for name in list(fault) if name.startswith(("batch_", "latency_"))}
    return a_twin(clock, faults=parse_faults([{"kind": kind, **fault}]), **settings)


async def status_of(twin: Twin, method: str, path: str = "", body: Any = None) -> int:
    try:
        return (await asked(twin, method, path, body)).status
    except ConnectionDropped:
        return 0


def creation(count: int = 1) -> dict[str, Any]:
    return {"requests": some_items(count)}


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"kind": "rate_429", "on": "nowhere"}, "give messages, batches, batches.create"),
        ({"kind": "stall", "on": "batches"}, "unknown key 'on'"),
        ({"kind": "rate_429", "on": "batches", "model": "claude-opus-5"}, "give model or on, not both"),
        ({"kind": "batch_late", "model": "claude-opus-5"}, "unknown key 'model'"),
        ({"kind": "batch_late", "on": "batches"}, "unknown key 'on'"),
        ({"kind": "batch_late", "item_share": 0.5}, "unknown key 'item_share'"),
        ({"kind": "batch_expire", "item_share": 2}, "item_share = 2"),
        ({"kind": "stream_error", "error_type": "invalid_request_error"}, "for batch_item_error alone"),
        ({"kind": "batch_partial", "orderly": 1}, "true or false"),
    ],
)
def test_a_wrong_fault_of_batches_is_refused_with_what_is_allowed(
    fault: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match="fault 1") as caught:
        parse_faults([fault])
    assert complaint in str(caught.value)


def test_faults_of_batches_survive_the_way_to_another_process() -> None:
    faults = parse_faults(
        [
            {"kind": "rate_429", "on": "batches.get", "calls": [2, 3]},
            {"kind": "batch_partial", "orderly": True, "after_share": 0.25},
            {"kind": "batch_item_error", "item_share": 0.5, "error_type": "invalid_request_error"},
        ]
    )
    settings = TwinSettings(faults=faults, batch_item_s=3.0)
    assert settings_from_json(orjson.loads(orjson.dumps(settings_to_json(settings)))) == settings


def test_every_answer_is_checked_here() -> None:
    assert set(STATUSES) == ANSWERS


@pytest.mark.parametrize("kind", sorted(ANSWERS))
async def test_a_fault_that_answers_can_be_aimed_at_batches(kind: str) -> None:
    twin = a_faulty_twin(kind, on="batches", calls=[2, 4])
    batch_id = await created(twin, some_items(1))
    met = [
        await status_of(twin, "POST", "", creation()),
        await status_of(twin, "GET", f"/{batch_id}"),
        await status_of(twin, "GET", f"/{batch_id}/results"),
    ]

    assert met == [STATUSES[kind]] * 3
    assert await status_of(twin, "GET", f"/{batch_id}") == 200
    assert len(twin.batches()) == 1
    assert (await twin.handle(a_call())).status == 200


@pytest.mark.parametrize("kind", ["rate_429", "overloaded_529", "error_500"])
async def test_a_fault_of_message_calls_leaves_batches_alone(kind: str) -> None:
    twin = a_faulty_twin(kind)
    batch_id = await created(twin, some_items(1))
    assert kinds(await results(twin, batch_id)) == {"succeeded": 1}
    assert (await twin.handle(a_call())).status == STATUSES[kind]


async def test_a_fault_can_be_aimed_at_one_endpoint_whose_calls_it_counts() -> None:
    twin = a_faulty_twin("error_500", on="batches.get", calls=[2, 2])
    batch_id = await created(twin, some_items(1))
    await asked(twin, "GET")
    assert [await status_of(twin, "GET", f"/{batch_id}") for _ in range(3)] == [200, 500, 200]


async def test_calls_before_retry_after_are_early() -> None:
    twin = a_faulty_twin(
        "rate_429", clock := WoundClock(), on="batches.create", calls=[1, 1], retry_after_s=30
    )
    refused = await asked(twin, "POST", "", creation())
    assert headers_of(refused)["retry-after"] == "30"
    clock.advance(29)
    await asked(twin, "GET")
    clock.advance(1)
    await asked(twin, "GET")
    assert twin.stats().batches.early_calls == 1


async def test_a_countdown_tells_the_time_that_is_left() -> None:
    twin = a_faulty_twin("overloaded_529", clock := WoundClock(), on="batches", until_s=100, countdown=True)
    await asked(twin, "GET")
    clock.advance(40)
    assert headers_of(await asked(twin, "GET"))["retry-after"] == "60"


async def test_an_outage_befalls_batches_and_the_work_goes_on_meanwhile() -> None:
    twin = a_faulty_twin("outage", clock := WoundClock(), from_s=10, until_s=20, batch_item_s=3.0)
    batch_id = await created(twin, some_items(1))
    clock.advance(15)
    with pytest.raises(ConnectionRefused):
        await asked(twin, "GET", f"/{batch_id}")
    clock.advance(5)
    assert (await told(twin, batch_id))["processing_status"] == "ended"


async def test_lost_headers_take_retry_after_away() -> None:
    twin = a_faulty_twin("headers_lost", on="batches", batch_item_s=10.0)
    batch_id = await created(twin, some_items(1))
    assert "retry-after" not in headers_of(await asked(twin, "GET", f"/{batch_id}"))


async def test_a_skewed_clock_shows_in_the_date_and_not_in_the_batch() -> None:
    right, skewed = a_twin(), a_faulty_twin("clock_skew", on="batches", offset_s=3_600)
    ours, theirs = [await asked(twin, "POST", "", creation()) for twin in (right, skewed)]
    assert headers_of(ours)["date"] != headers_of(theirs)["date"]
    assert json_of(ours)["created_at"] == json_of(theirs)["created_at"]


async def test_a_lost_creation_leaves_a_batch_that_the_list_shows_and_that_is_billed() -> None:
    twin = a_faulty_twin("batch_create_lost", calls=[1, 1])
    assert await status_of(twin, "POST", "", creation(3)) == 0
    (listed,) = json_of(await asked(twin, "GET"))["data"]

    assert set(await results(twin, listed["id"])) == {"job-0", "job-1", "job-2"}
    assert len(twin.invoice().lines) == 3
    assert await status_of(twin, "POST", "", creation()) == 200


async def test_an_unheard_creation_leaves_nothing() -> None:
    twin = a_faulty_twin("batch_create_unheard", calls=[1, 1])
    assert await status_of(twin, "POST", "", creation(3)) == 0
    assert json_of(await asked(twin, "GET"))["data"] == []
    assert (twin.batches(), twin.invoice().lines) == ([], [])
    assert await status_of(twin, "POST", "", creation()) == 200


@pytest.mark.parametrize(
    ("fault", "ends_after_s"), [({"factor": 3.0}, 330.0), ({"for_s": 500.0}, 610.0), ({"factor": 0.5}, 55.0)]
)
async def test_a_late_batch_takes_longer_or_begins_later(
    fault: dict[str, float], ends_after_s: float
) -> None:
    twin = a_faulty_twin(
        "batch_late",
        clock := WoundClock(),
        calls=[1, 1],
        batch_start_s=100.0,
        batch_item_s=10.0,
        latency_sigma=0.0,
        **fault,
    )
    late = await created(twin, some_items(2))
    usual = await created(twin, some_items(2))
    began = twin.batches()[0].created_epoch_s
    clock.advance(1_000)
    ended = {view.id: view.ended_epoch_s for view in twin.batches()}

    took = [(ended[batch_id] or 0.0) - began for batch_id in (late, usual)]
    assert took == pytest.approx([ends_after_s, 110.0])


async def test_a_batch_that_is_too_late_expires() -> None:
    twin = a_faulty_twin("batch_late", clock := WoundClock(), for_s=86_400)
    batch_id = await created(twin, some_items(3))
    clock.advance(86_399)
    assert (await told(twin, batch_id))["processing_status"] == "in_progress"
    clock.advance(1)
    assert kinds(await results(twin, batch_id)) == {"expired": 3}
    clock.advance(100_000)
    assert not twin.invoice().lines


async def test_a_share_of_the_requests_expires_and_costs_nothing() -> None:
    twin = a_faulty_twin("batch_expire", item_share=0.25)
    found = await results(twin, await created(twin, some_items(400)))
    counted = kinds(found)

    assert counted["expired"] == pytest.approx(100, abs=35)
    assert counted["succeeded"] == 400 - counted["expired"] == len(twin.invoice().lines)
    assert {tuple(result) for result in found.values() if result["type"] == "expired"} == {("type",)}


@pytest.mark.parametrize("error_type", ["overloaded_error", "api_error", "invalid_request_error"])
async def test_a_share_of_the_requests_fails_with_the_error_asked_for(error_type: str) -> None:
    twin = a_faulty_twin("batch_item_error", item_share=0.25, error_type=error_type)
    batch_id = await created(twin, some_items(400))
    errors = [result["error"] for result in (await results(twin, batch_id)).values() if "error" in result]

    assert len(errors) == pytest.approx(100, abs=35)
    assert {error["error"]["type"] for error in errors} == {error_type}
    assert len({error["request_id"] for error in errors}) == len(errors)
    assert len(twin.invoice().lines) == 400 - len(errors)
    assert (await told(twin, batch_id))["request_counts"]["errored"] == len(errors)


async def test_which_requests_fail_differs_from_batch_to_batch_and_follows_from_the_seed() -> None:
    async def failing(seed: int) -> list[list[str]]:
        faults = parse_faults([{"kind": "batch_item_error", "item_share": 0.3}])
        twin = a_twin(faults=faults, seed=seed)
        batches = [await results(twin, await created(twin, some_items(60))) for _ in range(2)]
        return [[name for name, result in found.items() if "error" in result] for found in batches]

    first, second = await failing(1)
    assert sorted(first) != sorted(second)
    assert [first, second] == await failing(1)
    assert (await failing(2))[0] != first


@pytest.mark.parametrize("after_share", [0.0, 0.5, 0.99])
async def test_results_break_off_within_a_line(after_share: float) -> None:
    twin = a_faulty_twin("batch_partial", calls=[1, 1], after_share=after_share)
    batch_id = await created(twin, some_items(100))
    answer = await asked(twin, "GET", f"/{batch_id}/results")
    parts: list[bytes] = []
    with pytest.raises(ConnectionDropped):
        await read_all(answer, parts)
    lines = b"".join(parts).split(b"\n")

    assert answer.status == 200
    assert len(lines) == int(100 * after_share) + 1
    assert lines[-1].startswith(b'{"custom_id":"job-')
    assert all(orjson.loads(line)["custom_id"] for line in lines[:-1])
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(lines[-1])
    assert len(await result_lines(twin, batch_id)) == 100


async def test_results_may_lack_lines_without_a_word() -> None:
    twin = a_faulty_twin("batch_partial", calls=[1, 1], after_share=0.7, orderly=True)
    batch_id = await created(twin, some_items(100))
    short = await result_lines(twin, batch_id)
    whole = await result_lines(twin, batch_id)

    assert (len(short), len(whole)) == (70, 100)
    assert whole[:70] == short
    assert (await told(twin, batch_id))["request_counts"]["succeeded"] == 100


async def test_slow_results_come_line_by_line_with_pauses() -> None:
    twin = a_faulty_twin("slow_body", clock := WoundClock(), on="batches.results", gap_s=2.0)
    batch_id = await created(twin, some_items(4))
    answer = await asked(twin, "GET", f"/{batch_id}/results")
    assert len((await read_all(answer)).splitlines()) == 4
    assert clock.slept_s == [2.0] * 4


async def test_large_results_come_in_pieces() -> None:
    twin = a_twin()
    batch_id = await created(twin, some_items(200))
    answer = await asked(twin, "GET", f"/{batch_id}/results")
    parts: list[bytes] = []
    whole = await read_all(answer, parts)
    assert len(parts) > 4
    assert max(len(part) for part in parts) < len(whole) / 4


async def test_no_fault_of_batches_befalls_a_message_call() -> None:
    for kind in sorted(BATCHES):
        assert (await a_faulty_twin(kind).handle(a_call())).status == 200
    for kind in sorted(ANSWERS):
        assert (await a_faulty_twin(kind, on="batches").handle(a_call())).status == 200


async def test_replaced_faults_count_their_calls_and_their_time_from_then() -> None:
    twin = a_twin(clock := WoundClock())
    await created(twin, some_items(1))
    clock.advance(500)
    script = "[[fault]]\nkind = 'batch_create_unheard'\ncalls = [1, 1]\nuntil_s = 10"
    twin.replace_faults(read_script(script).faults)
    assert [await status_of(twin, "POST", "", creation()) for _ in range(2)] == [0, 200]
