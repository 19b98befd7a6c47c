"""Packs over the socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.intake.builders import a_catalog
from tests.intake.serving import Served, serving
from tests.support.fake_desk import FakeDesk


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(FakeDesk(a_catalog()), tmp_path) as running:
        yield running


async def test_every_prompt_version_is_told_with_its_packs_and_canaries(served: Served) -> None:
    packed, unpacked = (await served.client.get("/v1/packs")).json()["prompts"]
    assert packed == {
        "prompt": "ticket-triage",
        "version": "bf8cea7093851f2d",
        "packs": 100,
        "items": 1_000,
        "answered": 990,
        "returned": {"missing": 3, "mixed_up": 7},
        "unknown": 1,
        "saved_requests": 890,
        "canaries": 40,
        "disagreements": 1,
        "disagreement": 0.0251,
        "is_packed": True,
        "why": "with a warm cache a single call costs $0.000547 an item, packed by 10 $0.000255: packed",
    }
    assert (unpacked["is_packed"], unpacked["disagreement"]) == (False, 0.31)


async def test_a_reset_answers_with_how_the_prompt_stands_then(served: Served) -> None:
    response = await served.client.post("/v1/packs/vendor-answers/reset")
    assert response.status_code == 200
    [row] = response.json()["prompts"]
    assert (row["prompt"], row["is_packed"], row["canaries"]) == ("vendor-answers", True, 0)
    assert [row["is_packed"] for row in (await served.client.get("/v1/packs")).json()["prompts"]] == [
        True
    ] * 2


async def test_a_prompt_that_was_never_packed_cannot_be_reset(served: Served) -> None:
    response = await served.client.post("/v1/packs/advisory-triage/reset")
    assert response.status_code == 404
    assert response.json()["code"] == "pack_not_found"


async def test_unknown_parameters_are_refused(served: Served) -> None:
    assert (await served.client.get("/v1/packs", params={"prompt": "x"})).status_code == 400
    assert (await served.client.post("/v1/packs/x/reset", params={"y": "x"})).status_code == 400
