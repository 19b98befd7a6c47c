"""One admitted call, from its admission to its line on the invoice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from claudeflow.twin.billing import (
    ABANDONED,
    COMPLETE,
    INTERRUPTED,
    Invoice,
    InvoiceLine,
    Tokens,
    cost_nanousd,
)
from claudeflow.twin.cache import CachePlan, PromptCache
from claudeflow.twin.faults import Mishap
from claudeflow.twin.limits import Gauge, Pool
from claudeflow.twin.replies import Reply
from claudeflow.twin.request import MessageRequest
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


class Generation:
    """Begins once, generates, and is settled exactly once: complete, interrupted, or abandoned."""

    def __init__(self, order: Order, books: Books) -> None:
        self.order = order
        self.requests_gauge = order.pool.requests.gauge(order.visit.now)
        self.output_tokens = 0
        self.settled = False
        self._books = books
        self._begun_at: float | None = None
        self._drawing = False
        books.recorder.entered()

    @property
    def begun_at(self) -> float:
        """When the response began."""
        assert self._begun_at is not None
        return self._begun_at

    def begin(self, now: float) -> None:
        """The response begins: the input estimate is corrected, and the written prefix becomes readable."""
        self._begun_at = now
        self._correct_input(now)
        self._books.cache.begin(self.order.plan)

    def begin_draw(self, now: float) -> None:
        """From now on the answer is generated at its pace, drawing on the output limit all the while."""
        self._drawing = True
        self.order.pool.output.begin_draw(self.order.pace.tokens_per_s, now)

    def generate(self, tokens: int, now: float) -> None:
        """These tokens exist now."""
        self.output_tokens += tokens
        self.order.pool.output.take(tokens, now)

    def finish(self, now: float) -> None:
        """The answer is complete."""
        if self._drawing:
            self._end_draw(self.order.reply.tokens, now)
        elif self.output_tokens < self.order.reply.tokens:
            self.generate(self.order.reply.tokens - self.output_tokens, now)
        self._settle(COMPLETE, now)

    def interrupt(self, now: float) -> None:
        """The twin breaks off."""
        self._settle(INTERRUPTED, now)

    def abandon(self, now: float) -> None:
        """The client went away; what exists by now is billed. Does nothing when already settled."""
        if self.settled:
            return
        if self._drawing:
            elapsed = now - self.begun_at
            self._end_draw(min(self.order.reply.tokens, int(elapsed * self.order.pace.tokens_per_s)), now)
        self._settle(ABANDONED, now)

    def gauges(self, now: float) -> tuple[Gauge, Gauge, Gauge]:
        """What the headers tell: requests as of admission, tokens as of now."""
        return self.requests_gauge, self.order.pool.input.gauge(now), self.order.pool.output.gauge(now)

    def tokens(self) -> Tokens:
        """The bill so far."""
        thinking = min(self.order.reply.thinking_tokens, self.output_tokens)
        return replace(self.order.plan.tokens, output=self.output_tokens, thinking=thinking)

    def _end_draw(self, tokens: int, now: float) -> None:
        self._drawing = False
        self.output_tokens = tokens
        self.order.pool.output.end_draw(self.order.pace.tokens_per_s, now - self.begun_at, tokens, now)

    def _correct_input(self, now: float) -> None:
        self.order.pool.input.take(self.order.plan.charged_input - self.order.estimated_input, now)

    def _settle(self, ending: str, now: float) -> None:
        assert not self.settled
        self.settled = True
        if self._begun_at is None:
            self._correct_input(now)
        order, tokens = self.order, self.tokens()
        request, visit = order.request, order.visit
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
                cost_nanousd=self._cost(tokens, visit.epoch_s),
                ending=ending,
                at_epoch_s=now + visit.offset_s,
            )
        )

    def _cost(self, tokens: Tokens, epoch_s: float) -> int:
        category = self.order.reply.refusal_category
        if category is not None and category not in _BILLED_REFUSALS:
            return 0
        request = self.order.request
        return cost_nanousd(request.model, tokens, epoch_s, fast=request.fast, geo_us=request.geo == "us")


def usage_json(generation: Generation, output_tokens: int) -> dict[str, Any]:
    """`usage` of a message, with `output_tokens` as known at that moment."""
    request, tokens = generation.order.request, generation.order.plan.tokens
    usage: dict[str, Any] = {
        "input_tokens": tokens.input,
        "cache_creation_input_tokens": tokens.write_5m + tokens.write_1h,
        "cache_read_input_tokens": tokens.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.write_5m,
            "ephemeral_1h_input_tokens": tokens.write_1h,
        },
        "output_tokens": output_tokens,
        "service_tier": "standard",
        "inference_geo": request.geo,
    }
    if request.fast:
        usage["speed"] = "fast"
    return usage


def message_json(generation: Generation, *, complete: bool) -> dict[str, Any]:
    """The message: whole, or as `message_start` shows it."""
    order = generation.order
    reply = order.reply
    usage = usage_json(generation, reply.tokens if complete else min(1, reply.tokens))
    if complete:
        usage["output_tokens_details"] = {"thinking_tokens": reply.thinking_tokens}
    return {
        "model": order.request.model.id,
        "id": "msg_" + order.visit.request_id.removeprefix("req_"),
        "type": "message",
        "role": "assistant",
        "content": list(reply.blocks) if complete else [],
        "stop_reason": reply.stop_reason if complete else None,
        "stop_sequence": reply.stop_sequence if complete else None,
        "stop_details": stop_details(reply) if complete else None,
        "usage": usage,
    }


def stop_details(reply: Reply) -> dict[str, Any] | None:
    """Why the model refused, if it did."""
    if reply.refusal_category is None:
        return None
    return {"type": "refusal", "category": reply.refusal_category, "explanation": None}


def final_delta(reply: Reply) -> dict[str, Any]:
    """`delta` of the last `message_delta`."""
    return {
        "stop_reason": reply.stop_reason,
        "stop_sequence": reply.stop_sequence,
        "stop_details": stop_details(reply),
    }


def final_usage(generation: Generation) -> dict[str, Any]:
    """Cumulative `usage` of the last `message_delta`, which lacks split, tier, geo and speed."""
    tokens, reply = generation.order.plan.tokens, generation.order.reply
    return {
        "input_tokens": tokens.input,
        "cache_creation_input_tokens": tokens.write_5m + tokens.write_1h,
        "cache_read_input_tokens": tokens.read,
        "output_tokens": reply.tokens,
        "output_tokens_details": {"thinking_tokens": reply.thinking_tokens},
    }
