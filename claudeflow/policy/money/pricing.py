"""What calls cost: a price list and exact arithmetic on it.

Prices are published in USD per million tokens. A million pico-dollars per token is one such dollar,
so every published price is a whole number here, and a bill is rounded once, at its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from claudeflow.domain.usage import Bill, Usage

WEB_SEARCH_NANOUSD = 10_000_000
PICO_PER_NANO = 1_000


class UnknownModel(LookupError):
    """No price is known. It must never pass for free: add the model to the price list."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Pico-dollars for one token of each kind."""

    input: int
    write_5m: int
    write_1h: int
    read: int
    output: int

    def cost(self, usage: Usage) -> int:
        """Pico-dollars for all tokens, before factors."""
        return (
            usage.input_tokens * self.input
            + usage.cache_write_5m_tokens * self.write_5m
            + usage.cache_write_1h_tokens * self.write_1h
            + usage.cache_read_tokens * self.read
            + usage.output_tokens * self.output
        )

    def uncached_cost(self, usage: Usage) -> int:
        """Pico-dollars for the same tokens, had nothing been cached."""
        return usage.prompt_tokens * self.input + usage.output_tokens * self.output


@dataclass(frozen=True, slots=True)
class Price:
    """One model's price from a day on. `above` takes over for prompts larger than `above_tokens`."""

    effective_from_ms: int
    standard: Rates
    above: Rates | None = None
    above_tokens: int = 0
    fast: Rates | None = None

    def rates(self, usage: Usage) -> Rates | None:
        """The rates that apply to a whole call; None when its speed has no price."""
        if usage.speed == "fast":
            return self.fast
        if self.above is not None and usage.prompt_tokens > self.above_tokens:
            return self.above
        return self.standard


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model of the price list. `note` says what is uncertain about its row; prices are by age.

    From `retires` on calls fail; `may_retire` is the earliest day on which they may.
    """

    id: str
    aliases: tuple[str, ...]
    pool: str
    cache_minimum_tokens: int
    context_tokens: int
    max_output_tokens: int
    prices: tuple[Price, ...]
    note: str = ""
    retires: date | None = None
    may_retire: date | None = None


def price_in_force(model: ModelInfo, at_ms: int) -> Price:
    """The price of a model then; the oldest one also serves the time before it."""
    prices = model.prices
    return next((price for price in reversed(prices) if price.effective_from_ms <= at_ms), prices[0])


class PriceTable:
    """All known models and what they cost: `models` by id, `names` by id and by dated alias."""

    def __init__(self, models: Iterable[ModelInfo]) -> None:
        self.models: Mapping[str, ModelInfo] = {model.id: model for model in models}
        self.names: Mapping[str, ModelInfo] = {
            name: model for model in self.models.values() for name in (model.id, *model.aliases)
        }

    def find(self, model: str) -> ModelInfo:
        """The model with this id or dated alias. Raises UnknownModel."""
        try:
            return self.names[model]
        except KeyError:
            raise UnknownModel(f"no price is known for {model}: add it to the price list") from None

    def pool_of(self, model: str) -> str:
        """The rate-limit pool of a model; one that nobody knows is a pool of its own."""
        known = self.names.get(model)
        return known.pool if known else model

    def price_at(self, model: str, at_ms: int) -> Price:
        """The price in force; the oldest one also serves the time before it. Raises UnknownModel."""
        return price_in_force(self.find(model), at_ms)

    def bill(self, model: str, usage: Usage, at_ms: int, *, batch: bool = False) -> Bill:
        """What a call cost, rounded half to even at the end. Raises UnknownModel."""
        rates = self.price_at(model, at_ms).rates(usage)
        if rates is None:
            raise UnknownModel(f"no price is known for {model} in fast mode: add it to the price list")
        searches_nanousd = usage.web_searches * WEB_SEARCH_NANOUSD
        multiplier = 11 if usage.inference_geo == "us" else 10
        full = PICO_PER_NANO * 10
        divisor = 2 * full if batch or usage.service_tier == "batch" else full
        cached, uncached = rates.cost(usage) * multiplier, rates.uncached_cost(usage) * multiplier
        return Bill(
            cost_nanousd=_divide(cached, divisor) + searches_nanousd,
            uncached_nanousd=_divide(uncached, divisor) + searches_nanousd,
            unbatched_nanousd=_divide(cached, full) + searches_nanousd,
            plain_nanousd=_divide(uncached, full) + searches_nanousd,
        )


def _divide(numerator: int, denominator: int) -> int:
    """The whole number next to the quotient; a half goes to the even one."""
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient % 2 == 1))
