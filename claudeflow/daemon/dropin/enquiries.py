"""Enquiries on their way: paced by a limit of their own, stopped by a 429, and remembered for a while.

No sender has more than half of that limit, so that one that asks without end leaves room for others.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from typing import Protocol

from claudeflow.daemon.dropin.answers import passed_back
from claudeflow.daemon.shared import Shared
from claudeflow.domain.enquiry import Answer, Enquiry
from claudeflow.domain.job import JobError
from claudeflow.intake.messages.errors import OVERLOADED, RATE_LIMITED, as_the_api_says, refusal, told
from claudeflow.policy.limits.turns import Turns

PATIENCE_S = 5.0
"""Whoever would wait longer for its turn is told to come back then."""

MOST_KEPT = 64


class EnquirySender(Protocol):
    """Hands an enquiry on to the API."""

    async def ask(self, enquiry: Enquiry) -> Answer | JobError:
        """What it answers, or why there is no answer."""
        ...


class Enquiries:
    """One per daemon."""

    def __init__(self, sender: EnquirySender, shared: Shared) -> None:
        self._sender = sender
        self._shared = shared
        self._clock = shared.clock
        now = self._clock.monotonic()
        self._turns = Turns(shared.config.enquiries.per_minute, now)
        self._closed_until = now
        self._kept: OrderedDict[tuple[str, str], tuple[float, Answer]] = OrderedDict()

    async def ask(self, enquiry: Enquiry, sender: str) -> Answer:
        """What the API says, or said a moment ago; 429 when it is not to be asked now."""
        known = self._known(enquiry)
        if known is not None:
            return known
        refused = await self._turn(sender)
        if refused is not None:
            return refused
        answer = await self._sender.ask(enquiry)
        if isinstance(answer, JobError):
            status, error = as_the_api_says(answer)
            return told(OVERLOADED if status == 500 else status, error, {})
        self._learn(enquiry, answer)
        return Answer(answer.status, passed_back(answer.headers), answer.body)

    async def _turn(self, sender: str) -> Answer | None:
        """Wait for one's turn; what to answer to whoever has none soon."""
        now, per_minute = self._clock.monotonic(), self._shared.config.enquiries.per_minute
        self._turns.adopt_limit(per_minute, now)
        of_all = max(self._closed_until, self._turns.ready_at(now))
        own = self._turns.own_ready_at(sender, now)
        at = max(of_all, own)
        if at - now > PATIENCE_S:
            why = "this key's token counts and model lists are asked for too often"
            if own > of_all:
                why = (
                    f"{sender} asks for token counts and model lists too often: each sender has half of "
                    f"the {per_minute:,} a minute that all may ask for; come back when retry-after is over"
                )
            return refusal(RATE_LIMITED, why, retry_after_s=math.ceil(at - now))
        self._turns.take(sender, now)
        if at > now:
            await asyncio.sleep(at - now)
        return None

    def _known(self, enquiry: Enquiry) -> Answer | None:
        found = self._kept.get(_key(enquiry)) if enquiry.body is None else None
        return found[1] if found is not None and self._clock.monotonic() < found[0] else None

    def _learn(self, enquiry: Enquiry, answer: Answer) -> None:
        now = self._clock.monotonic()
        if answer.status == RATE_LIMITED:
            pause = answer.headers.get("retry-after", "")
            self._closed_until = now + (float(pause) if pause.isascii() and pause.isdigit() else 1.0)
        if enquiry.body is None and answer.status == 200:
            whole = Answer(answer.status, passed_back(answer.headers), answer.body)
            self._kept[_key(enquiry)] = (now + self._shared.config.enquiries.models_for_s, whole)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)


def _key(enquiry: Enquiry) -> tuple[str, str]:
    """What the answer to a GET depends on."""
    dialect = enquiry.dialect
    return enquiry.path, f"{sorted(dialect.headers.items())}?{dialect.query}"
