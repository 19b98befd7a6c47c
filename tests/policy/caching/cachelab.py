"""Calls through the prefix book, one by one, past the API's cache rules and prices as the twin has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from claudeflow.domain.job import Candidate, JobId
from claudeflow.domain.usage import Usage
from claudeflow.policy.caching.book import PrefixBook
from claudeflow.policy.caching.booking import Answered, Miss, book_answer
from claudeflow.policy.caching.breakpoints import with_breakpoints
from claudeflow.policy.caching.naming import path_of
from claudeflow.policy.caching.plan import Plan
from claudeflow.policy.caching.settings import CacheSettings
from claudeflow.policy.money.pricing import Rates
from claudeflow.twin.billing import Tokens, price_of
from claudeflow.twin.cache import CachePlan, PromptCache
from claudeflow.twin.models import Model, find_model
from claudeflow.twin.prefix import read_prefix

OPUS = "claude-opus-5"
EPOCH_S = 1_795_338_000.0
OUTPUT_TOKENS = 400


def model_of(name: str) -> Model:
    """A model of the twin."""
    found = find_model(name)
    assert found is not None
    return found


def rates_of(name: str) -> Rates:
    """The twin's prices in pico-dollars."""
    price = price_of(model_of(name), 0, EPOCH_S)
    return Rates(
        *(1_000 * nano for nano in (price.input, price.write_5m, price.write_1h, price.read, price.output))
    )


def a_candidate(number: int, body: Mapping[str, Any], workflow: str = "w") -> Candidate:
    """A job with this body."""
    model = body["model"]
    path = path_of(body, model_of(model).cache_minimum_tokens)
    size = len(orjson.dumps([body.get("tools"), body.get("system"), body["messages"]]))
    return Candidate(JobId(number), "standard", workflow, model, 0, 0, None, size, 300, path)


@dataclass
class Lab:
    """The book on one side, the API's cache on the other, and both bills."""

    settings: CacheSettings = field(default_factory=CacheSettings)
    book: PrefixBook = field(init=False)
    cache: PromptCache = field(default_factory=PromptCache)
    paid: int = 0
    uncached: int = 0
    calls: int = 0
    writes: int = 0
    reads: int = 0
    bodies: list[Mapping[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.book = PrefixBook(self.settings)

    def call(self, at_s: float, body: dict[str, Any], workflow: str = "w") -> Miss | None:
        """One call, answered at once."""
        self.calls += 1
        candidate = a_candidate(self.calls, body, workflow)
        plan = self.begin(candidate, at_s)
        cached = self.send(candidate, plan, body, at_s)
        return self.end(candidate, plan, cached, at_s)

    def begin(self, candidate: Candidate, at_s: float) -> Plan:
        """The job is chosen."""
        rates = rates_of(candidate.model)
        plan = self.book.decide(candidate, rates, EPOCH_S + at_s)
        self.book.start(candidate, plan, rates, EPOCH_S + at_s)
        return plan

    def send(self, candidate: Candidate, plan: Plan, body: dict[str, Any], at_s: float) -> CachePlan:
        """Its request goes out, and the response begins."""
        planned = dict(with_breakpoints(body, candidate.prefix, plan))
        self.bodies.append(planned)
        model = model_of(candidate.model)
        cached = self.cache.plan(read_prefix(planned, model, ""), model, at_s)
        self.cache.begin(cached)
        self.book.began(candidate.id, candidate.model, plan, EPOCH_S + at_s)
        return cached

    def end(self, candidate: Candidate, plan: Plan, cached: CachePlan, at_s: float) -> Miss | None:
        """Its answer is complete."""
        tokens = cached.tokens
        price = price_of(model_of(candidate.model), tokens.prompt, EPOCH_S)
        self.paid += price.of(tokens) + OUTPUT_TOKENS * price.output
        self.uncached += price.of(Tokens(input=tokens.prompt)) + OUTPUT_TOKENS * price.output
        self.writes += tokens.write_5m + tokens.write_1h > 0
        self.reads += tokens.read > 0
        least = model_of(candidate.model).cache_minimum_tokens
        usage = Usage(tokens.input, tokens.write_5m, tokens.write_1h, tokens.read, OUTPUT_TOKENS)
        answer = Answered(usage, EPOCH_S + at_s, rates_of(candidate.model), least)
        return book_answer(self.book, candidate, plan, answer)

    @property
    def overhead(self) -> float:
        """What was paid, as a multiple of what the same calls cost without caching."""
        return self.paid / self.uncached


def a_body(system: str | list[Any] | None = None, *messages: Any, **parts: Any) -> dict[str, Any]:
    """A request; a message that is no object is the text, or blocks, of the user."""
    turns = [
        message if isinstance(message, dict) else {"role": "user", "content": message}
        for message in messages or ("Why?",)
    ]
    body: dict[str, Any] = {"model": OPUS, "max_tokens": 300, "messages": turns}
    if system is not None:
        body["system"] = system
    return body | parts


def text(words: str, times: int = 1) -> dict[str, Any]:
    """A text block."""
    return {"type": "text", "text": words * times}


def long_text(name: str, tokens: int = 5_000) -> str:
    """A text of its own of about so many tokens (Opus 5)."""
    unit = f"{name}: rules for tickets. "
    return unit * (tokens * 28 // (10 * len(unit)) + 1)
