"""One admitted call, from its admission to its line on the invoice."""

from __future__ import annotations

from dataclasses import dataclass

from claudeflow.twin.agenda import Agenda
from claudeflow.twin.billing import (
    ABANDONED,
    COMPLETE,
    INTERRUPTED,
    SEARCH_NANOUSD,
    About,
    Invoice,
    InvoiceLine,
    Tokens,
    cost_nanousd,
)
from claudeflow.twin.cache import CachePlan, PromptCache
from claudeflow.twin.diagnostics import Diagnosis
from claudeflow.twin.faults import Mishap
from claudeflow.twin.headers import Gauges
from claudeflow.twin.pool import Pool
from claudeflow.twin.replies import Reply
from claudeflow.twin.request import DEFAULT_WORKSPACE, MessageRequest
from claudeflow.twin.stats import CallLine, Recorder
from claudeflow.twin.wire import Visit

# Refusals before any output cost nothing, but for these categories.
_BILLED_REFUSALS = frozenset({"bio", "frontier_llm", "reasoning_extraction"})


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one answer comes: seconds to the first token, tokens a second; 0 means at once."""

    ttft_s: float
    tokens_per_s: float

    def seconds_for(self, tokens: int) -> float:
        """Time to generate so many tokens."""
        return tokens / self.tokens_per_s if self.tokens_per_s else 0.0


@dataclass(frozen=True, slots=True)
class Books:
    """What all generations of a twin share."""

    cache: PromptCache
    invoice: Invoice
    recorder: Recorder
    agenda: Agenda


@dataclass(frozen=True, slots=True)
class Order:
    """What was admitted, and how it will go."""

    visit: Visit
    request: MessageRequest
    reply: Reply
    plan: CachePlan
    pool: Pool
    estimated_input: int
    pace: Pace
    mishap: Mishap
    diagnosis: Diagnosis | None = None

    @property
    def tokens_to_generate(self) -> int:
        """All tokens of the reply, or those before a fault breaks it off."""
        fault = self.mishap.body
        if fault is None or fault.kind == "refusal" or (fault.kind != "stall" and not self.request.stream):
            return self.reply.tokens
        return int(self.reply.tokens * fault.after_share)

    @property
    def duration_s(self) -> float:
        """From the call's arrival to its last token."""
        return self.pace.ttft_s + self.pace.seconds_for(self.tokens_to_generate)


def bill_nanousd(
    request: MessageRequest, reply: Reply, tokens: Tokens, epoch_s: float, *, batch: bool = False
) -> int:
    """The cost of an answer at the prices of a moment; searches cost the same in a batch."""
    category = reply.refusal_category
    if category is not None and category not in _BILLED_REFUSALS:
        return 0
    geo_us = request.geo == "us"
    said = cost_nanousd(request.model, tokens, epoch_s, fast=request.fast, batch=batch, geo_us=geo_us)
    return said + reply.server_tools.searches * SEARCH_NANOUSD


class Generation:
    """Begins once, generates, and is settled exactly once: complete, interrupted, or abandoned.

    It needs no timers of its own: its beginning and its last token are on the agenda, and between them it
    draws on the output limit at its pace.
    """

    def __init__(self, order: Order, books: Books) -> None:
        self.order = order
        self.output_tokens = 0
        self.settled = False
        self.begun_at: float | None = None
        self.priority = self._takes_priority(order)
        self._books = books
        self._requests_gauge = order.pool.requests_gauge(order.visit.now)
        self._drawing_since: float | None = None
        self._drawn = 0.0
        books.recorder.entered()
        if order.pace.ttft_s > 0.0:
            books.agenda.at(order.visit.now + order.pace.ttft_s, self.begin)
        else:
            self.begin(order.visit.now)

    def begin(self, now: float) -> None:
        """The response begins: the input estimate is corrected, and the written prefix becomes readable."""
        if self.begun_at is not None or self.settled:
            return
        self.begun_at = now
        self._correct_input(now)
        self._books.cache.begin(self.order.plan)
        seconds = self.order.pace.seconds_for(self.order.tokens_to_generate)
        if seconds > 0.0:
            self._drawing_since = now
            self.order.pool.output.draw(self.order.pace.tokens_per_s, now)
            self._books.agenda.at(now + seconds, self._stop_drawing)

    def tell(self, tokens: int) -> None:
        """These tokens are on their way to the client."""
        self.output_tokens += tokens

    def finish(self, now: float) -> None:
        """The answer is complete."""
        self.begin(now)
        self.output_tokens = self.order.reply.tokens
        self._settle(COMPLETE, now)

    def interrupt(self, now: float) -> None:
        """The twin breaks off."""
        self.begin(now)
        if not self.order.request.stream:
            self.output_tokens = self.order.tokens_to_generate
        self._settle(INTERRUPTED, now)

    def abandon(self, now: float) -> None:
        """The client went away; what exists by now is billed. Does nothing when already settled."""
        if self.settled:
            return
        if self.begun_at is not None and not self.order.request.stream:
            generated = int((now - self.begun_at) * self.order.pace.tokens_per_s)
            self.output_tokens = min(self.order.tokens_to_generate, generated)
        self._settle(ABANDONED, now)

    def gauges(self, now: float) -> Gauges:
        """What the headers tell: requests as of admission, tokens as of now."""
        order = self.order
        return order.pool.gauges(now, priority=order.request.takes_priority, requests=self._requests_gauge)

    def tokens(self) -> Tokens:
        """The bill so far."""
        said = self.order.plan.tokens
        thinking = min(self.order.reply.thinking_tokens, self.output_tokens)
        return Tokens(said.input, said.write_5m, said.write_1h, said.read, self.output_tokens, thinking)

    def _takes_priority(self, order: Order) -> bool:
        commitment, now = order.pool.commitment, order.visit.now
        if commitment is None or not order.request.takes_priority or not commitment.serves(now):
            return False
        commitment.take_input(order.plan.tokens, now, geo_us=order.request.geo == "us")
        return True

    def _stop_drawing(self, now: float) -> None:
        if self._drawing_since is not None:
            speed = self.order.pace.tokens_per_s
            self.order.pool.output.draw(-speed, now)
            self._drawn = speed * (now - self._drawing_since)
            self._drawing_since = None

    def _correct_input(self, now: float) -> None:
        self.order.pool.input.take(self.order.plan.charged_input - self.order.estimated_input, now)

    def _settle(self, ending: str, now: float) -> None:
        assert not self.settled
        self.settled = True
        if self.begun_at is None:
            self._correct_input(now)
        order, tokens = self.order, self.tokens()
        self._stop_drawing(now)
        order.pool.output.take(tokens.output - self._drawn, now)
        if self.priority and order.pool.commitment is not None:
            order.pool.commitment.take_output(tokens.output, now, geo_us=order.request.geo == "us")
        self._enter(tokens, ending, now)

    def _enter(self, tokens: Tokens, ending: str, now: float) -> None:
        """A line in the log and one on the invoice."""
        request, visit = self.order.request, self.order.visit
        self._books.recorder.left()
        self._books.recorder.note(
            CallLine(
                at_s=self._books.recorder.since_start(visit.now),
                request_id=visit.request_id,
                model=request.model.id,
                status=200,
                input_tokens=tokens.prompt,
                output_tokens=tokens.output,
                ending=ending,
            )
        )
        self._books.invoice.add(
            InvoiceLine(
                request_id=visit.request_id,
                client_request_id=request.client_request_id,
                model=request.model.id,
                tokens=tokens,
                searches=self.order.reply.server_tools.searches,
                cost_nanousd=bill_nanousd(request, self.order.reply, tokens, visit.epoch_s),
                ending=ending,
                at_epoch_s=now + visit.offset_s,
                about=self._about(),
            )
        )

    def _about(self) -> About:
        request = self.order.request
        return About(
            api_key_id=request.api_key_id,
            workspace_id=request.workspace or DEFAULT_WORKSPACE,
            service_tier="priority" if self.priority else "standard",
            speed="fast" if request.fast else "standard",
            geo=request.geo,
            priced_at_epoch_s=self.order.visit.epoch_s,
        )
