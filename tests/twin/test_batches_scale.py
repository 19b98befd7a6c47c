"""Batches of a real size, in virtual time and in a process of their own."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from typing import Any

import anthropic
import httpx2
import orjson
import pytest

from claudeflow.twin.child import twin_process
from claudeflow.twin.engine import Twin
from claudeflow.twin.fault_script import parse_faults
from claudeflow.twin.settings import TwinSettings
from tests.twin.batching import PATH, asked, created, kinds, results, some_items, told
from tests.twin.builders import HEADERS, JumpingLoop, WoundClock, a_twin, in_virtual_time, text_block

MANY = 10_000


def test_ten_thousand_requests_in_virtual_time_need_no_timers_of_the_twin() -> None:
    settings = TwinSettings(batch_item_s=30.0, batch_concurrency=250, batch_start_s=60.0)

    async def work(loop: JumpingLoop) -> tuple[int, int, dict[str, int]]:
        twin = Twin(settings)
        system = [text_block(6_000, ttl="1h")]
        batch_id = await created(twin, some_items(MANY, system=system, max_tokens=50))
        polls = 0
        while (await told(twin, batch_id))["processing_status"] != "ended":
            polls += 1
            await asyncio.sleep(60)
        (view,) = twin.batches()
        assert (view.cache_writes, view.cache_reads) == (250, MANY - 250)
        return loop.timers - polls, len(twin.invoice().lines), kinds(await results(twin, batch_id))

    timers, lines, found = in_virtual_time(work)
    assert timers <= 1
    assert (lines, found) == (MANY, {"succeeded": MANY})


async def test_requests_that_wait_and_results_are_kept_as_bytes() -> None:
    twin = a_twin(clock := WoundClock(), batch_start_s=100.0)
    gc.collect()
    before = len(gc.get_objects())
    await created(twin, some_items(MANY))
    gc.collect()
    waiting = len(gc.get_objects()) - before
    clock.advance(200)
    lines = len(twin.invoice().lines)
    gc.collect()
    done = len(gc.get_objects()) - before

    assert waiting < 500
    assert lines == MANY
    # A line of the invoice and its tokens are all that is left of each answer, besides its bytes.
    assert done < 4 * MANY


@pytest.mark.parametrize("canceled", [True, False])
async def test_params_are_forgotten_when_their_requests_have_ended(*, canceled: bool) -> None:
    twin = a_twin(clock := WoundClock(), batch_start_s=100.0)
    tracemalloc.start()
    try:
        batch_id = await created(twin, some_items(1_000, system=[text_block(9_000)], max_tokens=1))
        waiting = tracemalloc.get_traced_memory()[0]
        if canceled:
            await asked(twin, "POST", f"/{batch_id}/cancel")
        clock.advance(200)
        assert kinds(await results(twin, batch_id)) == {"canceled" if canceled else "succeeded": 1_000}
        done = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert waiting > 9_000_000
    assert done < waiting / 3


@pytest.fixture(scope="module")
def settings() -> TwinSettings:
    faults = parse_faults(
        [
            {"kind": "batch_create_lost", "calls": [1, 1]},
            {"kind": "batch_partial", "calls": [1, 1]},
        ]
    )
    return TwinSettings(faults=faults)


async def test_a_served_twin_keeps_batches_over_broken_connections_and_clients(
    settings: TwinSettings,
) -> None:
    with twin_process(settings) as process:
        async with httpx2.AsyncClient(base_url=process.address, headers=HEADERS) as first:
            with pytest.raises(httpx2.TransportError):
                await first.post(PATH, json={"requests": some_items(2_000)})
        async with httpx2.AsyncClient(base_url=process.address, headers=HEADERS) as second:
            (batch,) = (await second.get(PATH)).json()["data"]
            with pytest.raises(httpx2.TransportError):
                await second.get(f"{PATH}/{batch['id']}/results")
        async with anthropic.AsyncAnthropic(api_key="k", base_url=process.address, max_retries=0) as client:
            found = {line.custom_id async for line in await client.messages.batches.results(batch["id"])}
        async with httpx2.AsyncClient(base_url=process.address) as control:
            (view,) = (await control.get("/twin/batches")).json()
            (named,) = (await control.get("/twin/batches?custom_ids=true")).json()
            stats: Any = (await control.get("/twin/stats")).json()
            invoice: Any = (await control.get("/twin/invoice")).json()

    assert len(found) == 2_000
    assert (view["status"], view["items"]["succeeded"]) == ("ended", 2_000)
    assert "custom_ids" not in view
    assert set(named["custom_ids"]) == found
    assert stats["batches"]["calls"] == {"create": 1, "list": 1, "results": 2, "get": 1}
    assert {
        line["client_request_id"]: line["about"]["service_tier"] for line in invoice["lines"]
    } == dict.fromkeys(found, "batch")


async def test_a_client_that_stops_reading_results_leaves_the_twin_in_order() -> None:
    with twin_process() as process:
        async with httpx2.AsyncClient(base_url=process.address, headers=HEADERS) as client:
            made = await client.post(PATH, content=orjson.dumps({"requests": some_items(3_000)}))
            path = f"{PATH}/{made.json()['id']}/results"
            async with client.stream("GET", path) as answer:
                async for _ in answer.aiter_lines():
                    break
        async with httpx2.AsyncClient(base_url=process.address, headers=HEADERS) as client:
            assert len((await client.get(path)).text.splitlines()) == 3_000
