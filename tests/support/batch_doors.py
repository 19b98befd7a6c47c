"""What may stand between the SDK and the twin when batches are tested."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import orjson

from claudeflow.twin.engine import Twin
from claudeflow.twin.transport import TwinTransport

PATH = "/v1/messages/batches"
Rewrite = Callable[[list[bytes]], list[bytes]]


def endpoint_of(request: httpx2.Request) -> str:
    """`create`, `list`, `get`, `cancel` or `results`; `message` for a plain call."""
    path = request.url.path
    if not path.startswith(PATH):
        return "message"
    rest = [part for part in path.removeprefix(PATH).split("/") if part]
    if not rest:
        return "create" if request.method == "POST" else "list"
    return rest[1] if len(rest) > 1 else "get"


class BatchDoor(httpx2.AsyncBaseTransport):
    """The twin behind somebody who notes calls, may refuse or delay them, and may rewrite results."""

    def __init__(self, twin: Twin, now: Callable[[], float]) -> None:
        self._inside = TwinTransport(twin)
        self._now = now
        self.came: list[tuple[str, float]] = []
        self.bodies: list[dict[str, Any]] = []
        self.refuse: dict[str, httpx2.Response | Exception] = {}
        self.answer_lost: set[str] = set()
        self.gates: dict[str, asyncio.Event] = {}
        self.rewrite: Rewrite | None = None

    def count(self, endpoint: str) -> int:
        """How many calls came to an endpoint."""
        return sum(name == endpoint for name, _ in self.came)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        endpoint = endpoint_of(request)
        self.came.append((endpoint, self._now()))
        body = await request.aread()
        if endpoint == "create":
            self.bodies.append(orjson.loads(body))
        refusal = self.refuse.get(endpoint)
        if isinstance(refusal, Exception):
            raise refusal
        if refusal is not None:
            return httpx2.Response(refusal.status_code, headers=refusal.headers, content=refusal.content)
        if endpoint in self.gates:
            await self.gates[endpoint].wait()
        response = await self._inside.handle_async_request(request)
        if endpoint in self.answer_lost:
            raise httpx2.ReadError("the answer was lost", request=request)
        if endpoint == "results" and self.rewrite is not None and response.status_code == 200:
            return await self._rewritten(response, self.rewrite)
        return response

    async def _rewritten(self, response: httpx2.Response, rewrite: Rewrite) -> httpx2.Response:
        lines = (await response.aread()).splitlines()
        headers = {"content-type": "application/x-jsonl"}
        content = b"".join(line + b"\n" for line in rewrite(lines))
        return httpx2.Response(200, headers=headers, content=content)


def errored(kind: str, message: str = "no") -> Callable[[bytes], bytes]:
    """A line of results becomes an error of this kind."""

    def change(line: bytes) -> bytes:
        envelope = {"type": "error", "error": {"type": kind, "message": message}, "request_id": None}
        result = {"type": "errored", "error": envelope}
        return orjson.dumps({"custom_id": orjson.loads(line)["custom_id"], "result": result})

    return change
