"""A producer of claudeflow: it submits jobs over the socket when they arrive, and waits for answers.

`CLAUDEFLOW_SOCKET` names the socket. Bulk jobs that arrive together go in one request; whoever submitted
an interactive job waits for it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from itertools import groupby
from typing import Any

from stage import BULK, INTERACTIVE, Cue, Job, Outcome, Plan, request, run_play

SOCKET = os.environ["CLAUDEFLOW_SOCKET"]
WORKFLOW = "bench"
LOOK_EVERY_S = 0.25
ENDED = {"succeeded", "failed", "cancelled", "expired"}


async def ask(method: str, path: str, body: bytes = b"", kind: str = "application/json") -> Any:
    """One request to the daemon on a connection of its own; the JSON of its answer."""
    reader, writer = await asyncio.open_unix_connection(SOCKET)
    head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    head += f"content-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    try:
        top = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(top.split("content-length:")[1].split("\r\n")[0])
        answer = await reader.readexactly(length)
    finally:
        writer.close()
    if not top.startswith(("http/1.1 200", "http/1.1 201")):
        raise RuntimeError(f"{method} {path}: {top.splitlines()[0]} {answer[:300]!r}")
    return json.loads(answer)


def wire(job: Job) -> bytes:
    """A job as the daemon takes it."""
    return json.dumps({"request": request(job.number), "workflow": WORKFLOW, "lane": job.lane}).encode()


async def finished(lane: str) -> tuple[int, int]:
    """How many jobs of a lane have succeeded and failed."""
    status = await ask("GET", "/v1/status")
    rows = [row for row in status["lanes"] if row["lane"] == lane]
    return sum(row["succeeded"] for row in rows), sum(row["failed"] for row in rows)


async def serve(job: Job, began: float, outcome: Outcome) -> None:
    """Submit one interactive job and wait for its answer."""
    number = (await ask("POST", "/v1/jobs", wire(job)))["id"]
    record = {"state": "queued"}
    while record["state"] not in ENDED:
        record = await ask("GET", f"/v1/jobs/{number}?wait=30")
    if record["state"] == "succeeded":
        outcome.done += 1
        outcome.interactive_s.append(time.monotonic() - began - job.at_s)
    else:
        outcome.note_failure(RuntimeError(record["state"]))


async def submit_all(plan: Plan, began: float, outcome: Outcome) -> None:
    """Let every job arrive, and wait for the interactive ones."""
    async with asyncio.TaskGroup() as group:
        for (at_s, lane), together in groupby(plan.jobs, key=lambda job: (job.at_s, job.lane)):
            await asyncio.sleep(max(0.0, began + at_s - time.monotonic()))
            if lane == INTERACTIVE:
                for job in together:
                    group.create_task(serve(job, began, outcome))
            else:
                lines = b"\n".join(wire(job) for job in together)
                await ask("POST", "/v1/jobs?partial=true", lines, "application/x-ndjson")


async def watch_bulk(plan: Plan, before: tuple[int, int]) -> tuple[int, int]:
    """Wait until every bulk job has ended; how many succeeded and failed."""
    expected = sum(job.lane == BULK for job in plan.jobs)
    while True:
        succeeded, failed = (now - then for now, then in zip(await finished(BULK), before, strict=True))
        if succeeded + failed >= expected:
            return succeeded, failed
        await asyncio.sleep(LOOK_EVERY_S)


async def play(plan: Plan, cue: Cue) -> Outcome:
    """The whole performance."""
    outcome = Outcome()
    before = await finished(BULK)
    began = await cue()
    try:
        async with asyncio.timeout(began + plan.give_up_s - time.monotonic()), asyncio.TaskGroup() as group:
            group.create_task(submit_all(plan, began, outcome))
            bulk = group.create_task(watch_bulk(plan, before))
        succeeded, failed = bulk.result()
    except TimeoutError:
        succeeded, failed = (now - then for now, then in zip(await finished(BULK), before, strict=True))
    outcome.done += succeeded
    outcome.failed += failed
    outcome.completed_s = time.monotonic() - began
    return outcome


run_play(play)
