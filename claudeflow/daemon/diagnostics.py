"""Diagnostics: the API is asked why a prefix was missed that should have been in the cache.

The call after a miss names an earlier call of its prefix, and the API says where the two differ. It
keeps a record only of calls that were asked about, so the first question about a prefix may find
none; from then on there is one.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TypeVar

from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import CacheMiss, Rejected, Reply, Succeeded
from claudeflow.domain.cache_events import CacheMissed, CacheMissExplained
from claudeflow.domain.events import Event
from claudeflow.domain.job import Job, JobId
from claudeflow.domain.prompt import Request
from claudeflow.policy.caching.misses import FIELD_REFUSED, SAME, way_out
from claudeflow.policy.retries.retry import Release

FIELD = "diagnostics"
PREFIXES_KEPT = 1_000
REFUSED = (400, 422)

Key = tuple[str, str]
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Question:
    """A call that asks: about which prefix, and compared with which answer."""

    key: Key
    previous_message_id: str | None


class Diagnostics:
    """Whom to ask about what. A listener that hears of misses."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._wanted: OrderedDict[Key, str | None] = OrderedDict()
        self._on_record: OrderedDict[Key, str] = OrderedDict()
        self._asked: dict[JobId, _Question] = {}
        self._suspects: set[JobId] = set()
        self._unknown_to_the_api = False

    def apply(self, event: Event) -> None:
        """Of a sample of the misses the next call of the prefix is to ask."""
        if not isinstance(event, CacheMissed) or self._unknown_to_the_api:
            return
        if self._shared.clock.chance() < self._shared.config.cache.diagnose:
            key = _key(event.model, event.prefix)
            _put(self._wanted, key, self._on_record.get(key, event.previous_message_id))

    def ask(self, job: Job, request: Request) -> Request:
        """The request, with the question if this call is to ask. A caller's own field stays as it is."""
        if job.prefix is None or not self._wanted or FIELD in request.body or job.id in self._suspects:
            return request
        key = _key(job.model, job.prefix)
        if key not in self._wanted:
            return request
        question = self._asked[job.id] = _Question(key, self._wanted.pop(key))
        wish = {"previous_message_id": question.previous_message_id}
        return replace(request, body={**request.body, FIELD: wish})

    def heard(self, job: Job, reply: Reply) -> Release | None:
        """Tell what the API said; leave to try again without the question when that may have been refused."""
        question = self._asked.pop(job.id, None)
        if question is None:
            self._clear_suspicion(job, reply)
            return None
        if isinstance(reply.outcome, Rejected) and reply.http_status in REFUSED:
            self._suspects.add(job.id)
            if FIELD in reply.outcome.error.message.lower():
                self._give_up(job)
            return Release("again without the question about the cache")
        if not isinstance(reply.outcome, Succeeded):
            self._wanted.setdefault(question.key, question.previous_message_id)
            return None
        if reply.message_id is not None:
            _put(self._on_record, question.key, reply.message_id)
        if question.previous_message_id is not None:
            self._explain(job, reply.cache_miss)
        return None

    def _explain(self, job: Job, miss: CacheMiss | None) -> None:
        prompt = job.prompt
        self._shared.emit(
            CacheMissExplained(
                workflow=job.workflow,
                model=job.model,
                prefix=job.prefix,
                prompt_name=prompt.name if prompt else None,
                prompt_version=prompt.version if prompt else None,
                call_id=job.call_id,
                reason=SAME if miss is None else miss.reason,
                missed_tokens=None if miss is None else miss.missed_tokens,
                way_out=way_out(miss, stable_messages="/" in (job.prefix or "")),
            )
        )

    def _clear_suspicion(self, job: Job, reply: Reply) -> None:
        """A job that was refused with the question: if it goes without, the question was at fault."""
        if job.id not in self._suspects:
            return
        if isinstance(reply.outcome, Succeeded | Rejected):
            self._suspects.discard(job.id)
        if isinstance(reply.outcome, Succeeded):
            self._give_up(job)

    def _give_up(self, job: Job) -> None:
        """Whatever answers there does not know the field: nobody asks any more until the next start."""
        if not self._unknown_to_the_api:
            self._unknown_to_the_api = True
            self._wanted.clear()
            self._explain(job, CacheMiss(FIELD_REFUSED))


def _key(model: str, prefix: str) -> Key:
    """Model and the first part of the prefix."""
    return model, prefix.partition("/")[0]


def _put(kept: OrderedDict[Key, V], key: Key, value: V) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > PREFIXES_KEPT:
        kept.popitem(last=False)
