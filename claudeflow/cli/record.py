"""Record: a job's JSON in words for people."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from claudeflow.cli.output import span
from claudeflow.domain.money import usd

STYLE = {
    "queued": "cyan",
    "running": "blue",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "dim",
    "expired": "yellow",
    "held": "magenta",
}
"""Colour of each state."""


def epoch_s(moment: str) -> float:
    """An RFC 3339 moment as seconds since the epoch."""
    return datetime.fromisoformat(moment).timestamp()


def ago(moment: str | None) -> str:
    """How long ago something was: `3m 20s`."""
    return span(time.time() - epoch_s(moment)) if moment else ""


def local(moment: str | None) -> str:
    """A moment on this machine's clock, or nothing."""
    if not moment:
        return ""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def when(at: str) -> str:
    """A moment to come, from now and on this machine's clock."""
    in_s = epoch_s(at) - time.time()
    return f"in {span(in_s)} ({local(at)})" if in_s > 0 else "at once"


def error_line(error: Mapping[str, Any] | None) -> str:
    """Why a job did not succeed, on one line: `invalid_request_error: max_tokens is too large`."""
    if not error:
        return ""
    status = f" ({error['status']})" if error.get("status") else ""
    return " ".join(f"{error['type']}{status}: {error['message']}".split())


def reason(record: Mapping[str, Any]) -> str:
    """Why a job is where it is: its error, or what it waits for."""
    return error_line(record.get("error")) or record.get("wait_reason") or ""


def lines_of(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Everything that is known of a job, as names and values; what is not known is left out."""
    prompt = record.get("prompt")
    error = record.get("error") or {}
    lines = [
        ("job", str(record["id"])),
        ("state", record["state"]),
        ("lane", record["lane"]),
        ("workflow", record["workflow"]),
        ("model", _model(record)),
        ("prompt", f"{prompt['name']} (version {prompt['version']})" if prompt else ""),
        ("goes by", "Message Batches" if record.get("batched") else ""),
        ("may share a call", f"as {record['pack']}" if record.get("pack") else ""),
        ("priority", str(record["priority"] or "")),
        ("submitted", with_age(record["submitted_at"])),
        ("submitted by", record.get("submitted_by") or ""),
        ("not before", local(record.get("not_before"))),
        ("deadline", local(record.get("deadline"))),
        ("started", with_age(record.get("started_at"))),
        ("finished", with_age(record.get("finished_at"))),
        ("waits for", record.get("wait_reason") or ""),
        ("attempts", _attempts(record)),
        ("stop reason", record.get("stop_reason") or ""),
        ("error", error_line(error)),
        ("error code", error.get("code") or ""),
        ("request id", error.get("request_id") or ""),
        ("cost", usd(record["cost_nanousd"], 6)),
        ("dedupe key", record.get("dedupe_key") or ""),
        *((f"metadata {key}", value) for key, value in (record.get("metadata") or {}).items()),
    ]
    return [(name, value) for name, value in lines if value]


def _model(record: Mapping[str, Any]) -> str:
    """Which model answers and, when that is not the one that was asked for, why."""
    if not record.get("asked_model"):
        return str(record["model"])
    return f"{record['model']} instead of {record['asked_model']} ({record['fallback_reason']})"


def with_age(moment: str | None) -> str:
    """A moment that has passed, and how long ago that was."""
    return f"{local(moment)} ({ago(moment)} ago)" if moment else ""


def _attempts(record: Mapping[str, Any]) -> str:
    """Attempts that used up a try, and the others when there were any."""
    parts = [str(record["attempts"])]
    if record["tries"] != record["attempts"]:
        parts.append(f"{record['tries']} tries in all")
    if record["crash_count"]:
        parts.append(f"{record['crash_count']} ended by a crash")
    return ", ".join(parts)
