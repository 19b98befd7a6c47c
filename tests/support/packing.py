"""Prompts whose jobs may share calls, real tickets for them, and what became of these."""

from __future__ import annotations

import asyncio
import csv
import json
import shutil
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2

from claudeflow.config import Config
from claudeflow.config.settings import PromptSettings
from claudeflow.domain.events import CallEnded
from claudeflow.domain.job import JobId
from claudeflow.twin.engine import Twin
from claudeflow.twin.transport import TwinTransport
from tests.support.books import reading
from tests.support.daemons import Bench, a_config

EXAMPLES = Path(__file__).parents[2] / "examples"
TICKETS, UTTERANCES = "ticket-triage", "helpdesk-routing"


def pack_table(items: int = 10, *, wait_s: float = 2.0, verify: str = "seal", canary: str = "") -> str:
    """A `[pack]` table; `canary` has the lines of its own table."""
    table = f'\n[pack]\nmax_items = {items}\nmax_wait_s = {wait_s}\nverify = "{verify}"\n'
    return f"{table}\n[pack.canary]\n{canary}\n" if canary else table


def packed_prompts(folder: Path, table: str | None) -> PromptSettings:
    """The example prompts, the two for short texts with this `[pack]` table; None: without."""
    prompts = folder / "prompts"
    shutil.copytree(EXAMPLES / "prompts", prompts, dirs_exist_ok=True)
    for name in (TICKETS, UTTERANCES):
        original = (EXAMPLES / "prompts" / name / "prompt.toml").read_text()
        (prompts / name / "prompt.toml").write_text(original + (table or ""))
    return PromptSettings(str(prompts))


def a_packing_config(folder: Path, table: str | None = None, **changes: Any) -> Config:
    """A configuration with those prompts; packs of ten unless another table is given ("": none)."""
    prompts = packed_prompts(folder, pack_table() if table is None else table)
    return a_config(folder, prompts=prompts, **changes)


def tickets(count: int, **envelope: Any) -> list[dict[str, Any]]:
    """Jobs about real customers' messages, with 77 labels."""
    with (EXAMPLES / "inputs/intents/banking77-test-800.csv").open(newline="") as rows:
        texts = [row["text"] for row in islice(csv.DictReader(rows), count)]
    return [a_ticket(text, **envelope) for text in texts]


def a_ticket(text: str, **envelope: Any) -> dict[str, Any]:
    """A job about a customer's message."""
    return {"prompt": TICKETS, "input": {"channel": "email", "text": text}, **envelope}


def utterances(count: int, **envelope: Any) -> list[dict[str, Any]]:
    """Jobs about real requests of employees, with 150 labels."""
    with (EXAMPLES / "inputs/intents/clinc150-test-800.jsonl").open() as lines:
        texts = [json.loads(line)["text"] for line in islice(lines, count)]
    return [
        {"prompt": UTTERANCES, "input": {"text": text}, "lane": "interactive", **envelope} for text in texts
    ]


async def answers_of(bench: Bench, ids: Sequence[JobId]) -> list[Any]:
    """The structured answers of jobs; None for those that have none."""
    found = [await bench.parts.desk.answer(job_id) for job_id in ids]
    return [json.loads(json.loads(raw)["content"][0]["text"]) if raw else None for raw in found]


def packs_of(bench: Bench) -> list[CallEnded]:
    """The shared calls that have ended."""
    return bench.recorder.of(CallEnded, lambda event: event.kind == "pack")


def singles_of(bench: Bench) -> list[CallEnded]:
    """The calls for one job that have ended."""
    return bench.recorder.of(CallEnded, lambda event: event.kind == "message")


def uneven_calls(store: Path) -> list[int]:
    """Settled shared calls whose attempts do not add up to their cost and tokens, to the last one."""
    query = """SELECT c.id FROM calls AS c JOIN attempts AS a ON a.call_id = c.id
               WHERE c.kind = 'pack' AND c.state = 'settled' GROUP BY c.id
               HAVING sum(a.cost_nanousd) <> c.cost_nanousd OR sum(a.input_tokens) <> c.input_tokens
                   OR sum(a.output_tokens) <> c.output_tokens
                   OR sum(a.cache_read_tokens) <> c.cache_read_tokens
                   OR sum(a.cache_write_tokens) <> c.cache_write_5m_tokens + c.cache_write_1h_tokens"""
    with reading(store) as raw:
        return [call_id for (call_id,) in raw.execute(query)]


Answer = Callable[[httpx2.Request, bool], httpx2.Response | None]
"""What somebody on the way answers to a request, packed or not; None: it goes on to the twin."""


class OnTheWay(httpx2.AsyncBaseTransport):
    """The twin behind somebody who may answer in its place, and who can keep packs waiting."""

    def __init__(self, twin: Twin, answer: Answer = lambda _request, _packed: None) -> None:
        self._inside = TwinTransport(twin)
        self._answer = answer
        self.packed: list[bool] = []
        """Of each request whether it was a pack."""
        self.may_pass = asyncio.Event()
        self.may_pass.set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer, or let it through."""
        is_packed = b"<<item " in await request.aread()
        self.packed.append(is_packed)
        if is_packed:
            await self.may_pass.wait()
        return self._answer(request, is_packed) or await self._inside.handle_async_request(request)
