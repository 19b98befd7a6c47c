"""Message Batches: shapes, the course of a batch, and what is refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.twin.batches.results import shuffled
from claudeflow.twin.batches.rules import LIFETIME_S, LIMITS, MAX_BODY_BYTES
from claudeflow.twin.chance import Chance
from claudeflow.twin.changes import Change
from claudeflow.twin.tiers import BUILD, TIERS
from tests.twin.batching import (
    PATH,
    a_batch_call,
    an_item,
    asked,
    created,
    kinds,
    result_lines,
    results,
    some_items,
    told,
)
from tests.twin.builders import HEADERS, WoundClock, a_call, a_client, a_twin, headers_of, json_of, read_all
from tests.twin.recorded import Exchange, exchanges
from tests.twin.test_recordings import key_paths, rate_limit_names

RECORDED = [one for one in exchanges() if one.path.startswith(PATH)]
DESCRIPTIONS = [one for one in RECORDED if not one.path.endswith("/results")]
RESULTS = [one for one in RECORDED if one.path.endswith("/results")]
NONE_DONE = {"succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}


def recorded(status: str) -> Exchange:
    return next(one for one in DESCRIPTIONS if one.json()["processing_status"] == status)


def values_of(document: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in document.items()}


async def test_batches_have_the_fields_and_types_of_recorded_ones_in_every_status() -> None:
    twin = a_twin(clock := WoundClock(), batch_item_s=60.0)
    batch_id = await created(twin, some_items(2))
    seen = [await told(twin, batch_id)]
    seen.append(json_of(await asked(twin, "POST", f"/{batch_id}/cancel")))
    other = await created(twin, some_items(2))
    clock.advance(200)
    seen.append(await told(twin, other))

    assert [one["processing_status"] for one in seen] == ["in_progress", "canceling", "ended"]
    for ours in seen:
        theirs = recorded(ours["processing_status"]).json()
        assert list(ours) == list(theirs)
        assert values_of(ours) == values_of(theirs)
        assert list(ours["request_counts"]) == list(theirs["request_counts"])
        assert len(ours["id"]) == len(theirs["id"])
        for name in ("created_at", "expires_at", "ended_at"):
            if theirs[name] is not None:
                assert len(ours[name]) == len(theirs[name])
        lifetimes = [
            datetime.fromisoformat(one["expires_at"]) - datetime.fromisoformat(one["created_at"])
            for one in (ours, theirs)
        ]
        assert lifetimes[0] == lifetimes[1]


async def test_results_have_the_fields_of_recorded_ones() -> None:
    twin = a_twin()
    batch_id = await created(twin, some_items(2, model="claude-haiku-4-5"))
    answer = await asked(twin, "GET", f"/{batch_id}/results")
    ours = [orjson.loads(line) for line in (await read_all(answer)).splitlines()]

    for exchange in RESULTS:
        for line in exchange.body.splitlines():
            theirs = orjson.loads(line)
            assert list(theirs) == list(ours[0])
            assert key_paths(theirs) <= key_paths(ours[0])
            told_usage, our_usage = (
                theirs["result"]["message"]["usage"],
                ours[0]["result"]["message"]["usage"],
            )
            for name in ("service_tier", "inference_geo"):
                assert told_usage[name] == our_usage[name]
        headers = headers_of(answer)
        assert headers["content-type"] == exchange.headers["content-type"]
        theirs_disposition = exchange.headers["content-disposition"]
        recorded_id = exchange.path.split("/")[-2]
        assert headers["content-disposition"] == theirs_disposition.replace(recorded_id, batch_id)
    assert RESULTS


async def test_only_asking_for_a_batch_that_runs_is_answered_with_retry_after_as_on_record() -> None:
    twin = a_twin(clock := WoundClock(), batch_item_s=60.0)
    creation = await asked(twin, "POST", "", {"requests": some_items(1)})
    batch_id = json_of(creation)["id"]
    running = await asked(twin, "GET", f"/{batch_id}")
    clock.advance(600)
    ended = await asked(twin, "GET", f"/{batch_id}")

    told_by_us = [headers_of(one).get("retry-after") for one in (creation, running, ended)]
    assert told_by_us == [None, "10", None]
    creations = [one for one in DESCRIPTIONS if one.path == PATH]
    running_ones = [
        one
        for one in DESCRIPTIONS
        if one.path.count("/") == 4 and one.json()["processing_status"] == "in_progress"
    ]
    for exchanged, expected in ((creations, None), (running_ones, "10"), ([recorded("ended")], None)):
        assert exchanged
        assert {one.headers.get("retry-after") for one in exchanged} == {expected}


async def test_no_answer_about_batches_has_rate_limit_headers() -> None:
    twin = a_twin(batch_rpm=3)
    answers = [await asked(twin, "POST", "", {"requests": some_items(1)}), await asked(twin, "GET")]
    answers += [await asked(twin, "GET", "/msgbatch_none"), await asked(twin, "GET")]

    assert [answer.status for answer in answers] == [200, 200, 404, 429]
    assert not any(rate_limit_names(headers_of(answer)) for answer in answers)
    assert not any(rate_limit_names(one.headers) for one in RECORDED)


async def test_with_the_defaults_a_batch_has_ended_at_the_next_look() -> None:
    twin = a_twin()
    answer = json_of(await asked(twin, "POST", "", {"requests": some_items(250)}))
    assert answer["processing_status"] == "in_progress"
    assert (await told(twin, answer["id"]))["request_counts"] == {
        **NONE_DONE,
        "processing": 0,
        "succeeded": 250,
    }


async def test_counts_say_that_everything_is_processing_until_the_batch_has_ended() -> None:
    twin = a_twin(clock := WoundClock(), batch_item_s=10.0, batch_concurrency=2, latency_sigma=0.0)
    batch_id = await created(twin, some_items(5))
    progress = []
    for _ in range(3):
        progress.append(
            ((await told(twin, batch_id))["request_counts"], twin.batches()[0].items["succeeded"])
        )
        clock.advance(10.5)

    assert progress == [({"processing": 5, **NONE_DONE}, done) for done in (0, 2, 4)]
    assert (await told(twin, batch_id))["request_counts"] == {**NONE_DONE, "processing": 0, "succeeded": 5}


async def test_work_begins_after_the_delay_and_waves_follow_one_another() -> None:
    twin = a_twin(
        clock := WoundClock(), batch_start_s=100.0, batch_item_s=10.0, batch_concurrency=2, latency_sigma=0.0
    )
    batch_id = await created(twin, some_items(6))
    clock.advance(129.9)
    assert (await told(twin, batch_id))["processing_status"] == "in_progress"
    clock.advance(500)
    batch = await told(twin, batch_id)

    took = datetime.fromisoformat(batch["ended_at"]) - datetime.fromisoformat(batch["created_at"])
    assert took.total_seconds() == pytest.approx(130.0)
    began = clock.epoch() - 629.9
    moments = [line.at_epoch_s - began for line in twin.invoice().lines]
    assert moments == pytest.approx([110.0, 110.0, 120.0, 120.0, 130.0, 130.0])


async def test_the_same_seed_gives_the_same_course_and_another_seed_another_one() -> None:
    async def course(seed: int) -> tuple[Any, ...]:
        twin = a_twin(clock := WoundClock(), seed=seed, batch_item_s=10.0, batch_concurrency=3)
        batch_id = await created(twin, some_items(20))
        clock.advance(3_600)
        return (await told(twin, batch_id))["ended_at"], await result_lines(twin, batch_id)

    assert await course(1) == await course(1)
    assert (await course(1))[0] != (await course(2))[0]


async def test_results_come_in_another_order_than_requests_and_always_in_the_same_one() -> None:
    twin = a_twin()
    items = some_items(30)
    batch_id = await created(twin, items)
    orders = [[line["custom_id"] for line in await result_lines(twin, batch_id)] for _ in range(2)]

    assert orders[0] == orders[1]
    assert orders[0] != [item["custom_id"] for item in items]
    assert sorted(orders[0]) == sorted(item["custom_id"] for item in items)


@given(length=st.integers(0, 50), seed=st.integers(-5, 5))
def test_the_order_of_results_is_a_permutation_that_is_never_the_requests_own(length: int, seed: int) -> None:
    order = shuffled(length, Chance(seed, b"batch"))
    assert sorted(order) == list(range(length))
    assert length < 2 or order != list(range(length))
    assert length < 10 or order != list(range(length))[::-1]


async def test_a_request_gets_the_answer_that_it_gets_as_a_message_call() -> None:
    twin = a_twin()
    item = an_item("one", max_tokens=77)
    batch_id = await created(twin, [item])
    alone = json_of(await twin.handle(a_call(**item["params"])))
    message = (await results(twin, batch_id))["one"]["message"]

    for name in ("content", "stop_reason", "model"):
        assert message[name] == alone[name]
    assert message["usage"]["output_tokens"] == alone["usage"]["output_tokens"]


async def test_the_sdk_creates_a_batch_and_follows_the_address_of_its_results() -> None:
    twin = a_twin()
    async with a_client(twin) as client:
        batch = await client.messages.batches.create(requests=some_items(3))  # type: ignore[arg-type]
        seen = {
            line.custom_id: line.result.type async for line in await client.messages.batches.results(batch.id)
        }
        listed = [one.id async for one in client.messages.batches.list()]
        deleted = await client.messages.batches.delete(batch.id)

    assert seen == dict.fromkeys(("job-0", "job-1", "job-2"), "succeeded")
    assert listed == [batch.id]
    assert (deleted.id, deleted.type) == (batch.id, "message_batch_deleted")


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "The request body is not valid JSON"),
        ({}, 400, "requests: Field required"),
        ({"requests": {}}, 400, "requests: Input should be a valid list"),
        ({"requests": []}, 400, "requests: List should have at least 1 item after validation, not 0"),
        ({"requests": [7]}, 400, "requests.0: Input does not match the expected shape."),
        ({"requests": [{"params": {}}]}, 400, "requests.0.custom_id: Field required"),
        (
            {"requests": [{"custom_id": 7, "params": {}}]},
            400,
            "requests.0.custom_id: Input should be a valid",
        ),
        ({"requests": [an_item("")]}, 400, "requests.0.custom_id: String should match pattern"),
        ({"requests": [an_item("a b")]}, 400, "requests.0.custom_id: String should match pattern"),
        ({"requests": [an_item("a\n")]}, 400, "requests.0.custom_id: String should match pattern"),
        ({"requests": [an_item("x" * 65)]}, 400, "String should have at most 64 characters"),
        ({"requests": [an_item("dup"), an_item("dup")]}, 400, "Duplicate custom_id found: dup"),
        ({"requests": [{"custom_id": "a"}]}, 400, "requests.0.params: Field required"),
        (
            {"requests": [{"custom_id": "a", "params": 7}]},
            400,
            "requests.0.params: Input should be an object",
        ),
        (
            {"requests": [{"custom_id": str(number), "params": {}} for number in range(100_001)]},
            413,
            "at most 100000 items",
        ),
        (bytes(MAX_BODY_BYTES + 1), 413, "Request exceeds the maximum size"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "",
)
async def test_a_malformed_batch_is_refused_at_once(body: Any, status: int, message: str) -> None:
    twin = a_twin()
    answer = await asked(twin, "POST", "", body)
    assert answer.status == status
    assert message in json_of(answer)["error"]["message"]
    assert not twin.batches()


async def test_custom_ids_of_64_characters_of_every_allowed_kind_are_taken() -> None:
    twin = a_twin()
    custom_id = ("aZ09_-" * 11)[:64]
    assert list(await results(twin, await created(twin, [an_item(custom_id)]))) == [custom_id]


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"stream": True}, "invalid_request_error", "stream"),
        ({"speed": "fast"}, "invalid_request_error", "speed"),
        ({"max_tokens": 0}, "invalid_request_error", "max_tokens: must be greater than or equal to 1"),
        ({"max_tokens": -5}, "invalid_request_error", "max_tokens"),
        ({"messages": None}, "invalid_request_error", "messages: Field required"),
        ({"fallbacks": ["claude-haiku-5-5"]}, "invalid_request_error", "fallbacks"),
        ({"model": "claude-nobody"}, "not_found_error", "model: claude-nobody"),
        (
            {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "x" * 800_000}]},
            "invalid_request_error",
            "prompt is too long",
        ),
    ],
)
async def test_wrong_params_are_taken_and_end_as_an_error(
    changes: dict[str, Any], kind: str, message: str
) -> None:
    twin = a_twin()
    item = an_item("wrong", **{name: value for name, value in changes.items() if value is not None})
    for name, value in changes.items():
        if value is None:
            del item["params"][name]
    batch_id = await created(twin, [item, an_item("right", stream=False)])
    found = await results(twin, batch_id)

    assert found["right"]["type"] == "succeeded"
    assert found["wrong"]["type"] == "errored"
    envelope = found["wrong"]["error"]
    assert (envelope["type"], envelope["error"]["type"]) == ("error", kind)
    assert message in envelope["error"]["message"]
    assert len(twin.invoice().lines) == 1
    assert (await told(twin, batch_id))["request_counts"]["errored"] == 1


async def test_results_are_not_found_before_the_batch_has_ended() -> None:
    twin = a_twin(clock := WoundClock(), batch_item_s=60.0)
    batch_id = await created(twin, some_items(1))
    early = await asked(twin, "GET", f"/{batch_id}/results")
    clock.advance(600)

    assert early.status == 404
    assert json_of(early)["error"] == {
        "type": "not_found_error",
        "message": f"Message Batch {batch_id} has no available results.",
    }
    assert kinds(await results(twin, batch_id)) == {"succeeded": 1}


async def test_a_new_batch_is_hidden_for_a_while_but_it_is_in_the_list() -> None:
    twin = a_twin(clock := WoundClock(), batch_hidden_s=5.0)
    batch_id = await created(twin, some_items(1))

    assert (await asked(twin, "GET", f"/{batch_id}")).status == 404
    assert [one["id"] for one in json_of(await asked(twin, "GET"))["data"]] == [batch_id]
    clock.advance(5.0)
    assert (await asked(twin, "GET", f"/{batch_id}")).status == 200


async def test_canceling_ends_what_was_not_begun_and_finishes_what_is_in_work() -> None:
    twin = a_twin(clock := WoundClock(), batch_item_s=10.0, batch_concurrency=3, latency_sigma=0.0)
    batch_id = await created(twin, some_items(10))
    clock.advance(15)
    stopped = json_of(await asked(twin, "POST", f"/{batch_id}/cancel"))
    again = json_of(await asked(twin, "POST", f"/{batch_id}/cancel"))
    clock.advance(4.9)
    still = await told(twin, batch_id)
    clock.advance(0.2)
    ended = await told(twin, batch_id)

    assert stopped["request_counts"] == still["request_counts"] == {"processing": 10, **NONE_DONE}
    assert (stopped["processing_status"], still["processing_status"]) == ("canceling", "canceling")
    assert again["cancel_initiated_at"] == stopped["cancel_initiated_at"]
    assert ended["request_counts"] == {**NONE_DONE, "processing": 0, "succeeded": 6, "canceled": 4}
    found = await results(twin, batch_id)
    assert kinds(found) == {"succeeded": 6, "canceled": 4}
    assert {tuple(result) for result in found.values() if result["type"] == "canceled"} == {("type",)}
    assert len(twin.invoice().lines) == 6


async def test_canceling_before_the_work_begins_ends_everything_and_bills_nothing() -> None:
    twin = a_twin(clock := WoundClock(), batch_start_s=100.0)
    batch_id = await created(twin, some_items(4))
    assert json_of(await asked(twin, "POST", f"/{batch_id}/cancel"))["processing_status"] == "canceling"
    assert (await told(twin, batch_id))["processing_status"] == "ended"
    clock.advance(1_000)

    assert kinds(await results(twin, batch_id)) == {"canceled": 4}
    assert twin.invoice().total_nanousd == 0


async def test_a_batch_that_has_ended_cannot_be_canceled() -> None:
    twin = a_twin()
    batch_id = await created(twin, some_items(1))
    assert (await asked(twin, "POST", f"/{batch_id}/cancel")).status == 400


async def test_only_a_batch_that_has_ended_can_be_deleted() -> None:
    twin = a_twin(clock := WoundClock(), batch_item_s=60.0)
    batch_id = await created(twin, some_items(1))
    assert (await asked(twin, "DELETE", f"/{batch_id}")).status == 400
    clock.advance(600)
    answer = await asked(twin, "DELETE", f"/{batch_id}")

    assert json_of(answer) == {"id": batch_id, "type": "message_batch_deleted"}
    assert (await asked(twin, "GET", f"/{batch_id}")).status == 404
    assert (await asked(twin, "GET", f"/{batch_id}/results")).status == 404
    clock.advance(30 * 86_400)
    assert (twin.stats().batches.batches, twin.stats().batches.items["succeeded"]) == (1, 1)


async def test_results_that_are_being_read_survive_a_deletion() -> None:
    twin = a_twin()
    batch_id = await created(twin, some_items(3))
    answer = await asked(twin, "GET", f"/{batch_id}/results")
    await asked(twin, "DELETE", f"/{batch_id}")
    assert len((await read_all(answer)).splitlines()) == 3


async def test_what_is_not_answered_after_a_day_expires_and_costs_nothing() -> None:
    twin = a_twin(clock := WoundClock(), batch_item_s=50_000.0, batch_concurrency=2, latency_sigma=0.0)
    batch_id = await created(twin, some_items(6))
    clock.advance(LIFETIME_S - 1)
    assert (await told(twin, batch_id))["processing_status"] == "in_progress"
    clock.advance(1)
    batch = await told(twin, batch_id)

    assert batch["request_counts"] == {**NONE_DONE, "processing": 0, "succeeded": 2, "expired": 4}
    assert batch["ended_at"] == batch["expires_at"]
    clock.advance(100_000)
    assert kinds(await results(twin, batch_id)) == {"succeeded": 2, "expired": 4}
    assert len(twin.invoice().lines) == 2


async def test_results_are_archived_29_days_after_the_creation() -> None:
    twin = a_twin(clock := WoundClock())
    batch_id = await created(twin, some_items(1))
    clock.advance(29 * 86_400 - 1)
    assert (await asked(twin, "GET", f"/{batch_id}/results")).status == 200
    clock.advance(1)
    batch = await told(twin, batch_id)

    kept = datetime.fromisoformat(batch["archived_at"]) - datetime.fromisoformat(batch["created_at"])
    assert kept.days == 29
    assert batch["results_url"] is None
    assert batch["request_counts"]["succeeded"] == 1
    assert (await asked(twin, "GET", f"/{batch_id}/results")).status == 404


async def page(twin: Any, query: str) -> tuple[list[str], bool]:
    document = json_of(await asked(twin, "GET", query))
    ids = [one["id"] for one in document["data"]]
    assert (document["first_id"], document["last_id"]) == (ids[0], ids[-1]) if ids else (None, None)
    return ids, document["has_more"]


async def test_the_list_is_paged_from_the_newest_on() -> None:
    twin = a_twin(clock := WoundClock())
    ids = []
    for _ in range(25):
        ids.append(await created(twin, some_items(1)))
        clock.advance(1)
    newest = ids[::-1]

    assert await page(twin, "") == (newest[:20], True)
    assert await page(twin, "?limit=1000") == (newest, False)
    assert await page(twin, f"?limit=10&after_id={newest[9]}") == (newest[10:20], True)
    assert await page(twin, f"?limit=10&after_id={newest[19]}") == (newest[20:], False)
    assert await page(twin, f"?limit=3&before_id={newest[10]}") == (newest[7:10], True)
    assert await page(twin, f"?limit=3&before_id={newest[2]}") == (newest[:2], False)
    assert await page(twin, f"?after_id={ids[0]}") == ([], False)


@pytest.mark.parametrize(
    "query", ["?limit=0", "?limit=1001", "?limit=x", "?after_id=nobody", "?after_id=a&before_id=b"]
)
async def test_a_wrong_page_is_refused(query: str) -> None:
    assert (await asked(a_twin(), "GET", query)).status == 400


async def test_a_batch_is_seen_in_its_workspace_alone() -> None:
    twin = a_twin()
    there = {**HEADERS, "anthropic-workspace-id": "wrkspc_other"}
    batch_id = await created(twin, some_items(1), headers=there)

    assert json_of(await asked(twin, "GET"))["data"] == []
    for method, path in (("GET", ""), ("GET", "/results"), ("POST", "/cancel"), ("DELETE", "")):
        assert (await asked(twin, method, f"/{batch_id}{path}")).status == 404
    assert (await asked(twin, "GET", f"/{batch_id}", headers=there)).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "", 405),
        ("DELETE", "", 405),
        ("POST", "/msgbatch_x", 405),
        ("GET", "/msgbatch_x/cancel", 405),
        ("POST", "/msgbatch_x/results", 405),
        ("GET", "/msgbatch_x/nothing", 404),
        ("GET", "/msgbatch_x/results/more", 404),
        ("GET", "/msgbatch_x", 404),
    ],
)
async def test_paths_and_methods_that_do_not_exist_are_refused(method: str, path: str, status: int) -> None:
    assert (await asked(a_twin(), method, path)).status == status


async def test_a_batch_needs_a_key_and_a_version() -> None:
    twin = a_twin(keys=("k",))
    for headers, status in (({}, 401), ({"x-api-key": "wrong"}, 401), ({"x-api-key": "k"}, 400)):
        answer = await asked(twin, "POST", "", {"requests": some_items(1)}, headers=headers)
        assert answer.status == status


@pytest.mark.parametrize("tier", TIERS)
async def test_calls_about_batches_have_the_limit_of_their_tier_over_all_endpoints(tier: str) -> None:
    twin = a_twin(clock := WoundClock(), tier=tier)
    for number in range(LIMITS[tier].rpm):
        assert (await asked(twin, "GET", "" if number % 2 else "/msgbatch_x")).status in (200, 404)
    refused = await asked(twin, "POST", "", {"requests": some_items(1)})

    assert refused.status == 429
    assert json_of(refused)["error"]["type"] == "rate_limit_error"
    wait_s = int(headers_of(refused)["retry-after"])
    assert twin.stats().batches.early_calls == 0
    clock.advance(wait_s / 2)
    await asked(twin, "GET")
    assert twin.stats().batches.early_calls == 1
    clock.advance(wait_s)
    assert (await asked(twin, "GET")).status == 200


async def test_requests_that_wait_count_for_the_queue_until_they_are_answered() -> None:
    twin = a_twin(
        clock := WoundClock(), batch_queued=10, batch_item_s=10.0, batch_concurrency=4, latency_sigma=0.0
    )
    await created(twin, some_items(8))
    refused = await asked(twin, "POST", "", {"requests": some_items(3)})
    assert refused.status == 429
    assert int(headers_of(refused)["retry-after"]) > 0
    assert len(twin.batches()) == 1
    await created(twin, some_items(2))
    clock.advance(11)
    assert (await asked(twin, "POST", "", {"requests": some_items(7)})).status == 429
    await created(twin, some_items(6))


async def test_a_change_of_tier_changes_the_limits_of_batches() -> None:
    twin = a_twin(clock := WoundClock(), changes=(Change(at_s=60.0, tier=BUILD),))
    await asked(twin, "GET")
    clock.advance(120)
    answers = [(await asked(twin, "GET")).status for _ in range(LIMITS[BUILD].rpm + 1)]
    assert answers == [200] * LIMITS[BUILD].rpm + [429]


async def test_batches_draw_on_no_pool_and_are_no_message_calls() -> None:
    twin = a_twin(rpm=1)
    await results(twin, await created(twin, some_items(20)))
    stats = twin.stats()

    assert (stats.calls, stats.pools, stats.in_flight_max) == (0, {}, 0)
    assert (await twin.handle(a_call())).status == 200


async def test_the_twin_tells_of_batches_and_forgets_them_at_a_reset() -> None:
    twin = a_twin(clock := WoundClock(), batch_item_s=10.0)
    batch_id = await created(twin, some_items(2))
    clock.advance(100)
    (view,), stats = twin.batches(), twin.stats().batches

    assert (view.id, view.status, view.custom_ids) == (batch_id, "ended", ("job-0", "job-1"))
    assert view.items == {**NONE_DONE, "processing": 0, "succeeded": 2}
    assert view.cost_nanousd == twin.invoice().total_nanousd > 0
    assert (stats.batches, stats.items["succeeded"], stats.calls) == (1, 2, {"create": 1})
    twin.reset()
    assert (twin.batches(), twin.stats().batches.batches) == ([], 0)
    assert (await asked(twin, "GET", f"/{batch_id}")).status == 404


async def test_the_address_of_results_is_where_the_client_found_the_twin() -> None:
    twin = a_twin()
    call = a_batch_call(
        "POST", "", {"requests": some_items(1)}, headers={**HEADERS, "host": "127.0.0.1:8787"}
    )
    batch_id = json_of(await twin.handle(call))["id"]
    ended = await asked(twin, "GET", f"/{batch_id}", headers={**HEADERS, "host": "127.0.0.1:8787"})
    assert json_of(ended)["results_url"] == f"https://127.0.0.1:8787{PATH}/{batch_id}/results"
    theirs = recorded("ended").json()
    assert (await told(twin, batch_id))["results_url"] == theirs["results_url"].replace(
        theirs["id"], batch_id
    )
