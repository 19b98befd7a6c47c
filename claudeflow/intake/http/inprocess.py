"""Calling the application without a socket: how the CLI works when no daemon runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.types import ASGIApp

from claudeflow.domain.caller import Caller
from claudeflow.intake.http.door.peers import PEER


async def call(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    query: Mapping[str, str],
    body: bytes,
    content_type: str | None,
    caller: Caller | None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (names in lower case) and body that the application answers."""
    requests: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]
    answers: list[Any] = []

    async def receive() -> dict[str, Any]:
        return requests.pop() if requests else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        answers.append(message)

    sent = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in (headers or {}).items()]
    sent += [(b"host", b"localhost")] if "host" not in (headers or {}) else []
    sent.append((b"content-length", str(len(body)).encode()))
    if content_type:
        sent.append((b"content-type", content_type.encode("latin-1")))
    scope = _scope(method, path, query, sent)
    await app({**scope, "state": {PEER: caller}}, receive, send)
    start, *rest = answers
    names = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
    return start["status"], names, b"".join(message.get("body", b"") for message in rest)


def _scope(
    method: str, path: str, query: Mapping[str, str], headers: list[tuple[bytes, bytes]]
) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": urlencode(query).encode("ascii"),
        "root_path": "",
        "headers": headers,
        "client": None,
        "server": None,
    }
