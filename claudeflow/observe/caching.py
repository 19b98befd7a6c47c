"""Caching: every workflow's cached share, folded from events; and events when it falls or cannot hold."""

from __future__ import annotations

from collections.abc import Callable

from claudeflow.domain.cache_events import CacheShareFell, PrefixChurned
from claudeflow.domain.events import CallEnded, Emit, Event
from claudeflow.policy.caching.share import Cause, Reading, version_of
from claudeflow.policy.caching.watch import CacheWatch, Churn, Fall

MESSAGE = "message"
_LINT = "`claudeflow lint` finds what changes from call to call in a stable part"
_STABLE_TEXT = "look whether it is text that does not change from call to call"
_WAY_OUT = {
    Cause.MISSES: f"look what changed between the versions; {_LINT}",
    Cause.NOTHING_CACHED: "nothing of the new version is cached, it is not even written: its stable part is "
    "probably below the model's minimum (`claudeflow prompts list` shows both); make it larger or leave it",
    Cause.SMALLER_PART: "as many calls read as before, but less: the part that is cached has become smaller; "
    f"if something has moved out of it, {_STABLE_TEXT}",
    Cause.LONGER_MESSAGES: "calls read as much as before, and the part that is not cached has grown; "
    f"{_STABLE_TEXT}",
}


class CacheWatcher:
    """A listener that reads the cache's part of every call."""

    def __init__(self, watch: CacheWatch, now_ms: Callable[[], int], emit: Emit) -> None:
        self._watch = watch
        self._now_ms = now_ms
        self._emit = emit

    def apply(self, event: Event) -> None:
        """Take in a settled call of a job; tell what a person should know."""
        if not isinstance(event, CallEnded) or not event.settled or event.kind != MESSAGE:
            return
        for found in self._watch.note(_reading(event, self._now_ms())):
            self._emit(_fell(found) if isinstance(found, Fall) else _churned(found))


def _reading(event: CallEnded, at_ms: int) -> Reading:
    return Reading(
        workflow=event.workflow,
        prompt_name=event.prompt_name,
        version=version_of(event.prompt_version, event.prefix),
        prefix=event.prefix,
        prompt_tokens=event.usage.prompt_tokens,
        read_tokens=event.usage.cache_read_tokens,
        at_ms=at_ms,
        write_tokens=event.usage.cache_write_5m_tokens + event.usage.cache_write_1h_tokens,
    )


def _fell(fall: Fall) -> CacheShareFell:
    return CacheShareFell(
        workflow=fall.workflow,
        prompt_name=fall.prompt_name,
        from_version=fall.from_version,
        version=fall.version,
        share_before=fall.before,
        share_after=fall.after,
        calls=fall.calls,
        way_out=_WAY_OUT[fall.cause],
    )


def _churned(churn: Churn) -> PrefixChurned:
    return PrefixChurned(churn.workflow, churn.prompt_name, churn.new_prefixes, churn.calls, _LINT)
