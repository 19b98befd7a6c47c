"""Cache diagnostics: where the prompt of one request first differs from that of an earlier one.

The comparison is about the requests alone, whether or not the cache was hit. Only requests that ask for
diagnostics leave a fingerprint, as in the API.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from claudeflow.twin.errors import ApiError
from claudeflow.twin.models import Model
from claudeflow.twin.prefix import as_list, without_marker
from claudeflow.twin.request import MessageRequest
from claudeflow.twin.tokens import MESSAGE_TOKENS, block_chars, text_tokens

# The API keeps fingerprints "for a limited time" that is not published.
_KEPT = 4_096
_OTHER_PARAMETERS = ("thinking", "tool_choice", "output_config")

Diagnosis = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a prompt: its hash, and its tokens."""

    digest: bytes
    tokens: int


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is kept of a request: hashes and token counts, never text."""

    model: tuple[str, str]
    tools: Part
    system: Part
    others: bytes
    messages: tuple[Part, ...]

    @property
    def total_tokens(self) -> int:
        """The whole prompt."""
        return self.tools.tokens + self.system.tokens + sum(part.tokens for part in self.messages)


class Fingerprints:
    """The fingerprints of recent requests by workspace and message id."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], Fingerprint] = OrderedDict()

    def diagnose(self, request: MessageRequest, message_id: str) -> Diagnosis | None:
        """The `diagnostics` of an answer, and remember the request; None if nobody asked or nothing differs.

        Raises ApiError (400) when the field has another shape than `{"previous_message_id": str | null}`.
        """
        wish = request.body.get("diagnostics")
        if wish is None:
            return None
        previous_id = _previous_id(wish)
        present = fingerprint(request.body, request.model)
        self._kept[request.workspace, message_id] = present
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        if previous_id is None:
            return None
        earlier = self._kept.get((request.workspace, previous_id))
        reason = {"type": "previous_message_not_found"} if earlier is None else compare(earlier, present)
        return None if reason is None else {"cache_miss_reason": reason}


def fingerprint(body: dict[str, Any], model: Model) -> Fingerprint:
    """The fingerprint of a request that has been checked."""
    return Fingerprint(
        model=(model.id, body.get("speed") or "standard"),
        tools=_part(body.get("tools") or (), model),
        system=_part(as_list(body.get("system") or ()), model),
        others=_digest([body.get(name) for name in _OTHER_PARAMETERS]),
        messages=tuple(_message(message, model) for message in body["messages"]),
    )


def compare(earlier: Fingerprint, later: Fingerprint) -> dict[str, Any] | None:
    """The `cache_miss_reason`; None when `later` only adds messages to `earlier`."""
    if earlier.model != later.model:
        return _changed("model", earlier.total_tokens)
    if earlier.tools.digest != later.tools.digest:
        return _changed("tools", earlier.total_tokens)
    if earlier.system.digest != later.system.digest:
        return _changed("system", earlier.total_tokens - earlier.tools.tokens)
    if earlier.others != later.others:
        return {"type": "unavailable"}
    for index, part in enumerate(earlier.messages):
        if index >= len(later.messages) or part.digest != later.messages[index].digest:
            return _changed("messages", sum(missed.tokens for missed in earlier.messages[index:]))
    return None


def _changed(what: str, missed_tokens: int) -> dict[str, Any]:
    return {"type": f"{what}_changed", "cache_missed_input_tokens": missed_tokens}


def _previous_id(wish: Any) -> str | None:
    if not isinstance(wish, dict):
        raise ApiError(400, "diagnostics: Input should be an object")
    for name in wish:
        if name != "previous_message_id":
            raise ApiError(400, f"diagnostics.{name}: Extra inputs are not permitted")
    previous_id = wish.get("previous_message_id")
    if previous_id is not None and not isinstance(previous_id, str):
        raise ApiError(400, "diagnostics.previous_message_id: Input should be a valid string")
    return previous_id


def _message(message: dict[str, Any], model: Model) -> Part:
    blocks = as_list(message["content"])
    chars = sum(block_chars(block, model) for block in blocks)
    digest = _digest([message["role"], *(without_marker(block) for block in blocks)])
    return Part(digest, text_tokens(chars, model) + MESSAGE_TOKENS)


def _part(blocks: Any, model: Model) -> Part:
    chars = sum(block_chars(block, model) for block in blocks)
    return Part(_digest([without_marker(block) for block in blocks]), text_tokens(chars, model))


def _digest(value: Any) -> bytes:
    return blake2b(orjson.dumps(value), digest_size=16).digest()
