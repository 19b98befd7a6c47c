"""Named prompts through the real daemon: what was submitted is what is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2

from claudeflow.config import PriceSettings, PromptSettings, load_prices
from claudeflow.daemon.catalog import build_catalog
from claudeflow.domain.events import HoldSet, OwnTrouble
from claudeflow.domain.job import JobState
from claudeflow.twin.transport import TwinTransport
from tests.support.daemons import PRICE_OF_A_MODEL_THAT_IS_NOT_THERE, Bench, a_config, a_job, opened, running

SETTINGS = 'model = "claude-haiku-5-5"\nmax_tokens = 300\nlane = "interactive"\n'


def write_prompt(folder: Path, system: str, user: str = "Ticket: {{ ticket }}") -> None:
    """The prompt `triage`, made or edited."""
    prompt = folder / "prompts" / "triage"
    prompt.mkdir(parents=True, exist_ok=True)
    (prompt / "prompt.toml").write_text(
        'model = "claude-haiku-5-5"\nmax_tokens = 300\nlane = "interactive"\n'
    )
    (prompt / "system.md").write_text(system)
    (prompt / "user.md").write_text(user)


def a_ticket(text: str) -> dict[str, Any]:
    return {"prompt": "triage", "input": {"ticket": text}}


def reload_prompts(bench: Bench) -> None:
    """What a reload does with the prompt folder."""
    shared = bench.parts.shared
    bench.parts.shelf.put_up(build_catalog(shared.config, shared.prices))


class Tap(httpx2.AsyncBaseTransport):
    """Keeps what goes over the wire to the twin."""

    def __init__(self, inner: TwinTransport) -> None:
        self._inner = inner
        self.bodies: list[dict[str, Any]] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.bodies.append(json.loads(await request.aread()))
        return await self._inner.handle_async_request(request)


async def test_a_prompt_is_sent_with_its_stable_part_cached(tmp_path: Path) -> None:
    stable = "You sort tickets. " * 200
    write_prompt(tmp_path, stable)
    config = a_config(tmp_path, prompts=PromptSettings(str(tmp_path / "prompts")))
    async with opened(tmp_path, config=config) as bench:
        tap = Tap(TwinTransport(bench.twin))
        bench.start(tap)
        [job] = await bench.run(a_ticket("VPN is down"))
        assert (job.state, job.lane, job.workflow) == (JobState.SUCCEEDED, "interactive", "triage")
        [body] = tap.bodies
        assert body["system"] == [{"type": "text", "text": stable, "cache_control": {"type": "ephemeral"}}]
        assert "VPN is down" in json.dumps(body["messages"])


async def test_a_prompt_edited_after_the_submission_does_not_change_the_job(tmp_path: Path) -> None:
    write_prompt(tmp_path, "The old text.")
    config = a_config(tmp_path, prompts=PromptSettings(str(tmp_path / "prompts")))
    async with opened(tmp_path, config=config) as bench:
        old = await bench.submit(a_ticket("one"))
        write_prompt(tmp_path, "The new text.", "New: {{ ticket }}")
        reload_prompts(bench)
        new = await bench.submit(a_ticket("two"))
        tap = Tap(TwinTransport(bench.twin))
        bench.start(tap)
        first, second = await bench.finished([*old, *new])
        sent = {body["system"][0]["text"]: json.dumps(body["messages"]) for body in tap.bodies}
        assert "Ticket: one" in sent["The old text."]
        assert "New: two" in sent["The new text."]
        assert first.prompt is not None
        assert second.prompt is not None
        assert first.prompt.version != second.prompt.version


async def test_a_prompt_that_is_gone_by_the_next_start_is_still_known_to_its_jobs(tmp_path: Path) -> None:
    write_prompt(tmp_path, "You sort tickets.")
    config = a_config(tmp_path, prompts=PromptSettings(str(tmp_path / "prompts")))
    async with opened(tmp_path, config=config) as bench:
        ids = await bench.submit(a_ticket("one"))
    async with running(tmp_path) as bench:
        assert [record.state for record in await bench.finished(ids)] == [JobState.SUCCEEDED]


async def test_jobs_of_a_model_that_has_lost_its_price_wait_until_it_is_back(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICE_OF_A_MODEL_THAT_IS_NOT_THERE)
    priced = PriceSettings(str(prices))
    async with opened(tmp_path, config=a_config(tmp_path, prices=priced)) as bench:
        [orphan] = await bench.submit(a_job(model="claude-atlas-1"))
    async with running(tmp_path) as bench:
        [trouble] = await bench.recorder.wait_for(OwnTrouble)
        assert "no price is known for claude-atlas-1" in trouble.problem
        [fine] = await bench.run(a_job(2))
        assert fine.state is JobState.SUCCEEDED
        assert await bench.states([orphan]) == [JobState.QUEUED]
        bench.parts.shared.prices = load_prices(priced)
        bench.wake()
        [held] = await bench.recorder.wait_for(HoldSet)
        assert held.hold.cause == "model_not_found"
        assert len(bench.recorder.of(OwnTrouble)) == 1
