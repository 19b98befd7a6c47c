"""What the Message Batches API writes, as domain values. Whatever is odd raises MalformedBatch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import orjson

from claudeflow.domain.batch import BatchCounts, ItemKind, ItemResult, ProcessingStatus, RemoteBatch
from claudeflow.domain.job import JobError

T = TypeVar("T")

_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_DOCUMENT_FIELD = {ItemKind.SUCCEEDED: "message", ItemKind.ERRORED: "error"}


class MalformedBatch(ValueError):
    """An answer about batches that has another shape than is documented. Its words quote nothing of it."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the list of batches, newest first; `next_after` is the id that the next one follows."""

    batches: tuple[RemoteBatch, ...]
    next_after: str | None


def is_plain_id(text: str) -> bool:
    """Whether a text can be an id, and can stand in a path without meaning anything else there."""
    return _PLAIN_ID.fullmatch(text) is not None


def read_batch(document: Any) -> RemoteBatch:
    """One batch (`message_batch`)."""
    return RemoteBatch(
        id=_read(document, "id", _id),
        status=_read(document, "processing_status", ProcessingStatus),
        counts=_read(document, "request_counts", _counts),
        created_ms=_read(document, "created_at", _ms),
        expires_ms=_read(document, "expires_at", _ms),
        ended_ms=_read(document, "ended_at", _ms_or_none),
        archived_ms=_read(document, "archived_at", _ms_or_none),
    )


def read_page(document: Any) -> Page:
    """One page of the list of batches."""
    rows = _read(document, "data", _list)
    has_more = _read(document, "has_more", _flag)
    return Page(tuple(read_batch(row) for row in rows), _read(document, "last_id", _id) if has_more else None)


def read_item(line: bytes) -> ItemResult:
    """One line of a batch's results."""
    try:
        row = orjson.loads(line)
        kind = ItemKind(row["result"]["type"])
        field = _DOCUMENT_FIELD.get(kind)
        document = row["result"][field] if field else {}
        custom_id = row["custom_id"]
    except (ValueError, KeyError, TypeError):
        raise MalformedBatch("it is no result of a request") from None
    if not isinstance(custom_id, str) or not isinstance(document, dict):
        raise MalformedBatch("it is no result of a request")
    return ItemResult(custom_id, kind, document)


def read_error(envelope: Mapping[str, Any]) -> JobError:
    """What an error envelope within a result says. Its status is that of the answer it came in."""
    said = _part(envelope, "error")
    return JobError(
        type=_read(said, "type", _text),
        message=_word(said, "message") or "",
        code=_word(_part(said, "details"), "error_code"),
        status=200,
        request_id=_word(envelope, "request_id"),
    )


def _read(document: Any, field: str, read: Callable[[Any], T]) -> T:
    if not isinstance(document, dict):
        raise MalformedBatch("the API's answer about batches is no JSON object")
    try:
        return read(document.get(field))
    except (ValueError, TypeError, KeyError, OverflowError):
        raise MalformedBatch(f"the API's answer about batches has no usable {field}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _id(value: Any) -> str:
    if not is_plain_id(value):
        raise ValueError
    return _text(value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _counts(value: Any) -> BatchCounts:
    return BatchCounts(**{field.name: _count(value[field.name]) for field in fields(BatchCounts)})


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def _ms(value: Any) -> int:
    """Epoch milliseconds of an RFC 3339 text, which always names its offset."""
    return (datetime.fromisoformat(value) - _EPOCH) // _MS


def _ms_or_none(value: Any) -> int | None:
    return None if value is None else _ms(value)


def _part(document: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = document.get(field)
    return value if isinstance(value, dict) else {}


def _word(document: Mapping[str, Any], field: str) -> str | None:
    value = document.get(field)
    return value if isinstance(value, str) else None
