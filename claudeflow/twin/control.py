"""The twin's own endpoints under /twin: what it billed and saw, and switches for a running server."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any
from urllib.parse import parse_qs

import orjson

from claudeflow.twin.engine import Twin
from claudeflow.twin.entries import read_toml
from claudeflow.twin.fault_script import parse_faults
from claudeflow.twin.wire import HttpAnswer, HttpCall

PREFIX = "/twin/"


async def respond(twin: Twin, call: HttpCall) -> HttpAnswer:
    """Answer one request, be it to the API or to the twin itself. Raises ConnectionDropped."""
    if call.path.startswith(PREFIX):
        return _control(twin, call)
    return await twin.handle(call)


def _control(twin: Twin, call: HttpCall) -> HttpAnswer:
    match (call.method, call.path):
        case ("GET", "/twin/invoice"):
            return _invoice(twin, call.query)
        case ("GET", "/twin/stats"):
            return _json(200, asdict(twin.stats()))
        case ("GET", "/twin/batches"):
            return _batches(twin, call.query)
        case ("GET", "/twin/calls"):
            lines = b"".join(orjson.dumps(line) + b"\n" for line in twin.calls())
            return HttpAnswer(200, [(b"content-type", b"application/x-ndjson")], lines)
        case ("POST", "/twin/faults"):
            return _faults(twin, call)
        case ("POST", "/twin/reset"):
            twin.reset()
            return _json(200, {"reset": True})
    return _json(404, {"error": f"no such twin endpoint: {call.method} {call.path}"})


def _invoice(twin: Twin, query: str) -> HttpAnswer:
    since = parse_qs(query).get("since", ["0"])[0]
    if not since.isdigit():
        return _json(400, {"error": "since: give the number of lines already seen"})
    invoice = twin.invoice()
    lines = [asdict(line) for line in invoice.lines[int(since) :]]
    return _json(200, {"total_nanousd": invoice.total_nanousd, "next": len(invoice.lines), "lines": lines})


def _batches(twin: Twin, query: str) -> HttpAnswer:
    """Every batch; its custom ids only for those who ask, since there may be very many."""
    if parse_qs(query).get("custom_ids", ["false"])[0] == "true":
        return _json(200, [asdict(batch) for batch in twin.batches()])
    batches = [asdict(replace(batch, custom_ids=())) for batch in twin.batches()]
    for batch in batches:
        del batch["custom_ids"]
    return _json(200, batches)


def _faults(twin: Twin, call: HttpCall) -> HttpAnswer:
    """A script as TOML, or as JSON `{"fault": [...]}`."""
    try:
        if call.headers.get("content-type", "").startswith("application/json"):
            document = orjson.loads(call.body)
            faults = parse_faults(document.get("fault") if isinstance(document, dict) else None)
        else:
            faults = parse_faults(read_toml(call.body.decode(), ("fault",)).get("fault", []))
    except ValueError as error:
        return _json(400, {"error": str(error)})
    twin.replace_faults(faults)
    return _json(200, {"faults": len(faults)})


def _json(status: int, document: Any) -> HttpAnswer:
    data = orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)
    return HttpAnswer(status, [(b"content-type", b"application/json")], data)
