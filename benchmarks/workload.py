"""The work: one request of about 2 KB, as a bare call and as a job make it."""

from __future__ import annotations

from typing import Any

import orjson

MODEL = "claude-haiku-5-5"
TEXT = "Rule 4711 permits tcp/443 from group app-servers to host 192.0.2.17 until the end of the month. " * 20


def request_body() -> dict[str, Any]:
    """A Messages body without a stable part, so that no job waits for another's cache write."""
    return {"model": MODEL, "max_tokens": 500, "messages": [{"role": "user", "content": TEXT}]}


def job(**fields: Any) -> bytes:
    """One job as a producer sends it."""
    return orjson.dumps({"request": request_body(), "workflow": "bench", **fields})


def jobs(count: int, **fields: Any) -> bytes:
    """Many jobs as NDJSON."""
    return (job(**fields) + b"\n") * count
