"""Rows ↔ jobs: what a row of an inbox asks for, and what goes into the outbox. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from claudeflow.domain.errors import InvalidJob, Mistake
from claudeflow.domain.job import NewJob
from claudeflow.domain.mailbox import Ended, InboxRow
from claudeflow.intake.catalog import Catalog
from claudeflow.intake.envelope import read_envelope
from claudeflow.intake.json_text import read_object
from claudeflow.intake.mailbox.description import Description
from claudeflow.intake.mistakes import Mistakes, did_you_mean, listed, show
from claudeflow.intake.times import write_time
from claudeflow.intake.wire import job_of

NANO = 1_000_000_000
FORGOTTEN = "forgotten"

_JSON_COLUMNS = ("metadata", "input", "request")
_PLAIN_COLUMNS = ("priority", "not_before", "deadline", "dedupe_key", "traceparent", "prompt")


def job_from_row(row: Mapping[str, Any], mailbox: Description, catalog: Catalog, now_ms: int) -> NewJob:
    """The job that a row asks for, as far as its mailbox may. Raises InvalidJob with every mistake found."""
    mistakes = Mistakes()
    for column, problem in row["wrong"].items():
        mistakes.add(column, problem)
    fields = {name: row[name] for name in _PLAIN_COLUMNS if row.get(name) is not None}
    for name in _JSON_COLUMNS:
        if row.get(name) is not None:
            fields[name] = _object(name, row[name], mistakes)
    _check_workflow(row.get("workflow"), mailbox, mistakes)
    fields["lane"] = _granted_lane(row.get("lane"), mailbox, mistakes)
    fields["workflow"] = mailbox.workflow
    if any(name in fields and fields[name] is None for name in ("input", "request")):
        read_envelope(fields, catalog, now_ms, mistakes)  # more cannot be said of what is no JSON
        mistakes.raise_if_any()
    job = job_of(fields, catalog, mistakes, now_ms=now_ms, submitted_by=mailbox.owner)
    return replace(job, mailbox=mailbox.uuid)


def _granted_lane(asked: Any, mailbox: Description, mistakes: Mistakes) -> str:
    if asked is None or asked in mailbox.lanes:
        return asked or mailbox.lanes[0]
    hint = did_you_mean(asked, mailbox.lanes) if isinstance(asked, str) else ""
    mistakes.add("lane", f"found {show(asked)}; lanes of this mailbox are {listed(mailbox.lanes)}.{hint}")
    return mailbox.lanes[0]


def _object(name: str, text: Any, mistakes: Mistakes) -> dict[str, Any] | None:
    if not isinstance(text, str):
        mistakes.add(name, "must be text with a JSON object")
        return None
    try:
        return read_object(text.encode("utf-8", "surrogatepass"), mistakes, name)
    except InvalidJob as refusal:
        for mistake in refusal.mistakes:
            mistakes.add(mistake.field, mistake.message)
        return None


def _check_workflow(asked: Any, mailbox: Description, mistakes: Mistakes) -> None:
    if asked is not None and asked != mailbox.workflow:
        mistakes.add(
            "workflow", f"found {show(asked)}; this mailbox is {show(mailbox.workflow)}'s: leave it out"
        )


def too_large(most_bytes: int) -> list[Mistake]:
    """What is wrong with a row above its mailbox's limit, which was not read."""
    return [Mistake("", f"the row has more than {most_bytes:,} bytes, the most that this mailbox takes")]


def refusal(
    row: InboxRow, mistakes: Sequence[Mistake], *, code: str = InvalidJob.code, is_large: bool = False
) -> dict[str, Any]:
    """The outbox row of an inbox row that is no job."""
    return {
        "inbox_id": row.id,
        "nonce": row.nonce,
        "is_large": is_large,
        "state": "refused",
        "error_code": code,
        "error_message": "; ".join(str(mistake) for mistake in mistakes),
        "errors": orjson.dumps([{"field": one.field, "message": one.message} for one in mistakes]).decode(),
    }


def answer_row(ended: Ended) -> dict[str, Any]:
    """The outbox row of a job that has ended."""
    answer = None if ended.answer is None else ended.answer.decode()
    values = {
        "inbox_id": ended.row.id,
        "nonce": ended.row.nonce,
        "job_id": ended.job_id,
        "state": ended.state,
        "text": None if ended.answer is None else text_of(ended.answer),
        "stop_reason": ended.stop_reason,
        "model": ended.model,
        "input_tokens": ended.tokens.uncached,
        "cache_write_tokens": ended.tokens.cache_write,
        "cache_read_tokens": ended.tokens.cache_read,
        "output_tokens": ended.tokens.output,
        "cost_nanousd": ended.cost_nanousd,
        "cost_usd": ended.cost_nanousd / NANO,
        "metadata": orjson.dumps(dict(ended.metadata)).decode(),
        "submitted_at": write_time(ended.submitted_ms),
        "started_at": write_time(ended.started_ms),
        "finished_at": write_time(ended.finished_ms),
        "answer": answer,
    }
    if ended.state == FORGOTTEN:
        gone = "its job is no longer in the store, and its answer with it"
        return {**values, "state": "failed", "error_code": FORGOTTEN, "error_message": gone}
    if ended.error is not None:
        values |= {"error_code": ended.error.code or ended.error.type, "error_message": ended.error.message}
    return values


def text_of(answer: bytes) -> str:
    """What Claude wrote: the text blocks of a Message, joined."""
    content = orjson.loads(answer).get("content", [])
    return "".join(block["text"] for block in content if block.get("type") == "text")
