"""Caching: the prefix book at work. It gets time and prices here, and tells of misses."""

from __future__ import annotations

from collections.abc import Callable

from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Failure, Reply
from claudeflow.domain.cache_events import CacheMissed
from claudeflow.domain.job import Candidate, Job
from claudeflow.policy.caching.booking import Answered, book_answer
from claudeflow.policy.caching.plan import Plan, Turn
from claudeflow.policy.lanes.parking import Block, Level
from claudeflow.policy.money.pricing import Rates, UnknownModel


class Caching:
    """What each call does about the cache, from the choice of its job to its end."""

    def __init__(self, shared: Shared, has_another: Callable[[Candidate], bool] = lambda _: False) -> None:
        """`has_another` tells whether another job of the same path waits."""
        self._shared = shared
        self._has_another = has_another

    def plan(self, candidate: Candidate) -> Plan:
        """What the job would do about the cache if it went now. Raises UnknownModel."""
        company = candidate.prefix is not None and self._has_another(candidate)
        rates, now = self._rates(candidate.model), self._now()
        return self._shared.prefixes.decide(candidate, rates, now, company=company)

    def block(self, candidate: Candidate) -> Block | None:
        """Whether the job waits for another one that writes its prefix. Raises UnknownModel."""
        plan = self.plan(candidate)
        if plan.turn is not Turn.WAIT or plan.awaited is None:
            return None
        leader, until = self._shared.prefixes.leader_of(candidate.model, plan.awaited)
        again_at = self._shared.clock.monotonic() + max(0.0, until - self._now())
        writer = f"job {leader}" if leader is not None and leader > 0 else "a pre-warm"
        why = f"its prompt is being cached by {writer}"
        return Block(Level.PREFIX, "cold_prefix", why, again_at, prefix=plan.awaited)

    def start(self, candidate: Candidate) -> Plan:
        """The job is chosen: this is its plan. Raises UnknownModel."""
        plan = self.plan(candidate)
        company = candidate.prefix is not None and self._has_another(candidate)
        rates, now = self._rates(candidate.model), self._now()
        self._shared.prefixes.start(candidate, plan, rates, now, company=company)
        return plan

    def is_warm(self, candidate: Candidate) -> bool:
        """Whether the job would find any part of its prompt in the cache."""
        return self._shared.prefixes.is_warm(candidate.model, candidate.prefix, self._now())

    def began(self, candidate: Candidate, plan: Plan, sent_ms: int) -> None:
        """The response begins: what the call writes can be read from now on."""
        self._shared.prefixes.began(candidate.id, candidate.model, plan, sent_ms / 1000)

    def never_left(self, candidate: Candidate, plan: Plan) -> None:
        """Nothing was sent: the next one leads."""
        self._shared.prefixes.give_up(candidate.id, candidate, plan)

    def ended(self, candidate: Candidate, job: Job, plan: Plan, reply: Reply, sent_ms: int) -> None:
        """The call is over: enter what it read and wrote. One that failed leaves the lead to the next.

        So does one whose model has lost its price meanwhile.
        """
        shared = self._shared
        rates = self._rates_of(job.model, reply, sent_ms)
        if rates is None:
            shared.prefixes.give_up(job.id, candidate, plan)
            return
        least = shared.prices.find(job.model).cache_minimum_tokens
        answered = Answered(reply.usage, sent_ms / 1000, rates, least, job.prompt)
        miss = book_answer(shared.prefixes, candidate, plan, answered)
        if miss is not None:
            shared.emit(
                CacheMissed(
                    workflow=job.workflow,
                    model=job.model,
                    prefix=job.prefix or "",
                    prompt_name=job.prompt.name if job.prompt else None,
                    prompt_version=job.prompt.version if job.prompt else None,
                    expected_tokens=miss.expected_tokens,
                    call_id=job.call_id,
                    previous_message_id=miss.previous_message_id,
                )
            )

    def _rates_of(self, model: str, reply: Reply, sent_ms: int) -> Rates | None:
        """At which prices an answered call was made; None of one whose usage or price nobody knows."""
        has_failed = isinstance(reply.outcome, Failure)
        if not reply.usage_known or (has_failed and (reply.free or not reply.usage.prompt_tokens)):
            return None
        try:
            price = self._shared.prices.price_at(model, sent_ms)
        except UnknownModel:
            return None
        return price.rates(reply.usage) or price.standard

    def _rates(self, model: str) -> Rates:
        return self._shared.prices.price_at(model, self._shared.clock.epoch_ms()).standard

    def _now(self) -> float:
        return self._shared.clock.epoch_ms() / 1000
