"""Journal: one line per event on stderr, for journald or a terminal.

A line carries names, numbers and codes only. Prompts, answers, keys and the prose of API errors
(which may quote a prompt) never get here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, BinaryIO

import orjson

from claudeflow.domain import batch_events as batch
from claudeflow.domain import cache_events as cache
from claudeflow.domain import door_events as door
from claudeflow.domain import events as ev
from claudeflow.domain import mailbox_events as mailbox
from claudeflow.domain import pack_events as pack
from claudeflow.domain.attempt import Succeeded
from claudeflow.domain.budget import BudgetChange
from claudeflow.domain.budget_events import BudgetChanged, BudgetEased, BudgetThreshold
from claudeflow.domain.hold import Hold, Scope
from claudeflow.domain.job import JobError, JobState
from claudeflow.domain.usage import Usage
from claudeflow.observe.settings import LogSettings

LEVELS = {"debug": 7, "info": 6, "notice": 5, "warning": 4, "error": 3}
"""syslog(3) priorities: journald reads them from `<N>` at the start of a line."""

SUCCEEDED = Succeeded.__name__.lower()

LEVEL_OF: Mapping[type[ev.Event], str] = {
    ev.OwnTrouble: "error",
    ev.PoolGated: "warning",
    ev.HoldSet: "warning",
    ev.ConfigRefused: "warning",
    ev.LeaseRefused: "warning",
    ev.BooksDrifted: "warning",
    ev.PromptsRefused: "warning",
    ev.PromptLeaks: "warning",
    BudgetThreshold: "warning",
    cache.CacheShareFell: "warning",
    cache.PrefixChurned: "warning",
    pack.PromptUnpacked: "warning",
    batch.BatchLost: "warning",
    batch.BatchRefused: "warning",
    mailbox.MailboxTroubled: "warning",
    mailbox.PorterDied: "warning",
    mailbox.MailboxMended: "notice",
    mailbox.MailboxTakenUp: "info",
    mailbox.MailboxGone: "info",
    door.DoorOpened: "info",
    door.DoorRefused: "notice",
    door.CallerRefused: "notice",
    batch.BatchLate: "notice",
    cache.CacheMissExplained: "notice",
    cache.CacheMissed: "info",
    pack.PackingJudged: "info",
    batch.BatchCreated: "info",
    batch.BatchEnded: "info",
    batch.BatchBooked: "info",
    batch.BatchCancelAsked: "info",
    ev.DaemonReady: "info",
    ev.DaemonDraining: "info",
    ev.DaemonStopped: "info",
    ev.ConfigReloaded: "info",
    ev.PromptsReloaded: "info",
    ev.PoolOpened: "info",
    ev.HoldReleased: "info",
    ev.KeyChanged: "info",
    BudgetEased: "info",
    BudgetChanged: "info",
    ev.JobMoved: "info",
    ev.BooksCompared: "info",
    pack.PackAnswered: "debug",
    pack.CanaryAnswered: "debug",
    ev.JobRequeued: "debug",
    ev.JobsSubmitted: "debug",
}
"""How loud each kind of event is, but for those of which it depends on how it went."""


def level_of(event: ev.Event) -> str:
    """How loud an event is. Failures of jobs are notices; only our own trouble is an error."""
    match event:
        case ev.JobFinished(state=state):
            return "info" if state in (JobState.SUCCEEDED, JobState.CANCELLED) else "notice"
        case ev.CallEnded(outcome=outcome):
            return "debug" if outcome == SUCCEEDED else "notice"
        case door.DoorOpened(connections=connections, wanted=wanted) if connections < wanted:
            return "warning"
        case _:
            return LEVEL_OF[type(event)]


def fields_of(event: ev.Event) -> dict[str, Any]:
    """The event's fields as plain values, without prose of the API."""
    plain: dict[str, Any] = {"event": type(event).__name__}
    for field in fields(event):
        plain |= _plain(field.name, getattr(event, field.name))
    return plain


def _plain(name: str, value: Any) -> Mapping[str, Any]:
    match value:
        case JobError():
            known = {"error_type": value.type, "error_code": value.code, "http_status": value.status}
            return {key: part for key, part in known.items() if part is not None}
        case Usage():
            return {
                "input_tokens": value.input_tokens,
                "cache_write_tokens": value.charged_input_tokens - value.input_tokens,
                "cache_read_tokens": value.cache_read_tokens,
                "output_tokens": value.output_tokens,
            }
        case Hold():
            said = {} if value.is_probed else _said(value)
            return {"scope": str(value.scope), "cause": value.cause, "way_out": value.way_out, **said}
        case Scope():
            return {name: str(value)}
        case BudgetChange():
            return {
                part.name: said for part in fields(value) if (said := getattr(value, part.name)) is not None
            }
        case float():
            return {name: round(value, 3)}
        case tuple():
            return {name: ", ".join(str(part) for part in value)}
        case None:
            return {}
        case _:
            return {name: value}


def _said(hold: Hold) -> Mapping[str, Any]:
    """What a person or a budget said; the reason of other holds is the API's prose."""
    until = {} if hold.until_ms is None else {"until_ms": hold.until_ms}
    return {"set_by": hold.set_by, "reason": hold.reason, **until}


def _word(value: Any) -> str:
    """A value for people, quoted when it would not read as one word: an event is one line."""
    text = str(value)
    return text if text.isprintable() and " " not in text else orjson.dumps(text).decode()


class Journal:
    """A listener that writes lines. `now_ms` gives the time of a line."""

    def __init__(
        self, settings: LogSettings, now_ms: Callable[[], int], stream: BinaryIO | None = None
    ) -> None:
        self._stream = stream or sys.stderr.buffer
        self._least = LEVELS[settings.level]
        on_terminal = stream is None and sys.stderr.isatty()
        self._as_text = settings.format == "text" or (settings.format == "auto" and on_terminal)
        self._with_priority = "JOURNAL_STREAM" in os.environ
        self._now_ms = now_ms

    def apply(self, event: ev.Event) -> None:
        """Write the event, if it is loud enough. A log that cannot be written stops nothing."""
        level = level_of(event)
        if LEVELS[level] > self._least:
            return
        line = self._text(level, event) if self._as_text else self._json(level, event)
        prefix = b"<%d>" % LEVELS[level] if self._with_priority else b""
        try:
            self._stream.write(prefix + line + b"\n")
            self._stream.flush()
        except OSError:
            return

    def _json(self, level: str, event: ev.Event) -> bytes:
        return orjson.dumps({"at": self._stamp(), "level": level, **fields_of(event)}, default=str)

    def _text(self, level: str, event: ev.Event) -> bytes:
        entries = fields_of(event)
        name = entries.pop("event")
        details = " ".join(f"{key}={_word(value)}" for key, value in entries.items())
        return f"{self._stamp()} {level:7} {name} {details}".encode()

    def _stamp(self) -> str:
        moment = datetime.fromtimestamp(self._now_ms() / 1000, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
