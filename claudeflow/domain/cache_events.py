"""Events of the prompt cache: misses and why, and shares that fall."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CacheMissed:
    """A call should have read its prefix from the cache, and did not.

    `previous_message_id` names the last answer of that prefix that came by the books, if any.
    """

    workflow: str
    model: str
    prefix: str
    prompt_name: str | None
    prompt_version: str | None
    expected_tokens: int
    call_id: int
    previous_message_id: str | None


@dataclass(frozen=True, slots=True)
class CacheMissExplained:
    """The API compared a call with an earlier one of its prefix. `reason` is the API's word, or `none`.

    `missed_tokens` is about what could have been read; `way_out` says what to do.
    """

    workflow: str
    model: str
    prefix: str | None
    prompt_name: str | None
    prompt_version: str | None
    call_id: int
    reason: str
    missed_tokens: int | None
    way_out: str


@dataclass(frozen=True, slots=True)
class CacheShareFell:
    """A workflow reads less of its input from the cache since a change. Shares are 0 to 1.

    Without a prompt the versions are first parts of prefixes of whole requests.
    """

    workflow: str
    prompt_name: str | None
    from_version: str | None
    version: str | None
    share_before: float
    share_after: float
    calls: int
    way_out: str


@dataclass(frozen=True, slots=True)
class PrefixChurned:
    """The prefix of a workflow is a new one in nearly every call, so none is ever read."""

    workflow: str
    prompt_name: str | None
    new_prefixes: int
    calls: int
    way_out: str


CacheEvent = CacheMissed | CacheMissExplained | CacheShareFell | PrefixChurned
