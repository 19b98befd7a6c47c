"""Diagnostics: the API is asked why a prefix was missed that should have been in the cache.

The call after a miss names the call that wrote the prefix, and the API says where the two differ. It
keeps a record only of calls that carry the field, so each writer does, without naming any call.
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
from claudeflow.policy.caching.misses import FIELD_REFUSED, NOT_FOUND, SAME, way_out
from claudeflow.policy.caching.plan import Plan
from claudeflow.policy.retries.retry import Release

FIELD = "diagnostics"
PREFIXES_KEPT = 1_000
REFUSED = (400, 422)

Key = tuple[str, str]
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Question:
    """A call that asks about a prefix, compared with which answer; None: it only leaves a record."""

    key: Key
    plan: Plan
    previous_message_id: str | None
    after_a_miss: bool


class Diagnostics:
    """Whom to ask about what. A listener that hears of misses."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._wanted: OrderedDict[Key, str | None] = OrderedDict()
        self._asked: dict[JobId, _Question] = {}
        self._suspects: set[JobId] = set()
        self._unknown_to_the_api = False

    def apply(self, event: Event) -> None:
        """Of a sample of the misses the next call of the prefix is to ask."""
        if not isinstance(event, CacheMissed) or self._unknown_to_the_api:
            return
        if self._shared.clock.chance() < self._shared.config.cache.diagnose:
            _put(self._wanted, _key(event.model, event.prefix), event.previous_message_id)

    def ask(self, job: Job, plan: Plan, request: Request) -> Request:
        """The request, with the question if this call is to ask. A caller's own field stays as it is.

        Nor is anything asked in a caller's own dialect: the answer is handed on as it is.
        """
        if job.prefix is None or job.dialect is not None or FIELD in request.body or job.id in self._suspects:
            return request
        key = _key(job.model, job.prefix)
        is_wanted = key in self._wanted
        if not is_wanted and not (plan.written and self._leaves_records):
            return request
        question = _Question(key, plan, self._wanted.pop(key, None), is_wanted)
        self._asked[job.id] = question
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
            if question.after_a_miss:
                self._wanted.setdefault(question.key, question.previous_message_id)
            return None
        self._keep_record(job, question, reply)
        if question.previous_message_id is not None:
            self._explain(job, reply.cache_miss)
        return None

    @property
    def _leaves_records(self) -> bool:
        return self._shared.config.cache.diagnose > 0 and not self._unknown_to_the_api

    def _keep_record(self, job: Job, question: _Question, reply: Reply) -> None:
        """Later calls are compared with the one that wrote; with this one where the API knows of no such."""
        previous, miss = question.previous_message_id, reply.cache_miss
        has_none = previous is None or (miss is not None and miss.reason == NOT_FOUND)
        if reply.message_id is not None and has_none:
            book = self._shared.prefixes
            book.recorded(job.model, question.plan, reply.message_id, instead_of=previous)

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
