"""Upper bound: the most that one call can cost, whatever the API does with it.

All input is priced at the dearest kind that it can be billed at, all of `max_tokens` is output, and
what the response alone decides (the region of a workspace, the band of a prompt that is counted
only there, a price that begins while the call is under way) is taken at its worst.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from claudeflow.domain.usage import Terms
from claudeflow.policy.money.pricing import (
    PICO_PER_NANO,
    WEB_SEARCH_NANOUSD,
    ModelInfo,
    Price,
    PriceTable,
    Rates,
    UnknownModel,
)

Writes = Literal["none", "5m", "1h"]

SERVER_ROUNDS = 10
"""How often the API samples for one call with server tools before it pauses the turn (`pause_turn`).
Each round may bill a full context window, and as much output as the call may have."""

LONGEST_CALL_MS = 86_400_000
"""No call is under way for longer: a price that begins later does not matter to it."""


DEAREST_CALL_NANOUSD = 10**15
"""A million dollars: more than any call that the API takes; thousands of them sum up to 64-bit numbers."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asks for at most. `terms` are bits of `Terms`; `writes` what cache markers may be added.

    `input_tokens` are those of one round of sampling. `batch`: it goes by a batch, at half the token prices.
    """

    input_tokens: int
    max_tokens: int
    web_searches: int = 0
    terms: int = 0
    writes: Writes = "none"
    batch: bool = False


def upper_bound(prices: PriceTable, model: str, asked: Asked, at_ms: int) -> int:
    """The most that a call opened at `at_ms` (epoch ms) can cost, in nano-dollars.

    Raises UnknownModel when the price list does not have every price that it may be billed at.
    """
    info = prices.find(model)
    rows = _rows(info, prices.price_at(model, at_ms), asked, at_ms)
    context_tokens = info.context_tokens
    if asked.terms & Terms.OTHER_MODELS:
        rows += [row for other in prices.models.values() for row in _all_rows(other)]
        context_tokens = max(other.context_tokens for other in prices.models.values())
    dearest_input = max(rate for row in rows for rate in _input_rates(row, asked))
    dearest_output = max(row.output for row in rows)
    rounds = _rounds(asked)
    input_tokens = min(asked.input_tokens, context_tokens)
    picousd = rounds * (input_tokens * dearest_input + asked.max_tokens * dearest_output)
    tenths = 10 if asked.terms & Terms.ANYWHERE else 11
    divisor = (20 if asked.batch else 10) * PICO_PER_NANO
    nanousd = -(-picousd * tenths // divisor) + asked.web_searches * WEB_SEARCH_NANOUSD
    return min(nanousd, DEAREST_CALL_NANOUSD)


def _rows(info: ModelInfo, now: Price, asked: Asked, at_ms: int) -> list[Rates]:
    """The rates that may apply: of today's price, and of those that begin before the call ends."""
    soon = [price for price in info.prices if at_ms < price.effective_from_ms <= at_ms + LONGEST_CALL_MS]
    found = []
    for price in (now, *soon):
        found.append(price.standard)
        if price.above is not None and _may_be_above(price, asked):
            found.append(price.above)
        if asked.terms & Terms.FAST:
            if price.fast is None:
                raise UnknownModel(f"no price is known for {info.id} in fast mode: add it to the price list")
            found.append(price.fast)
    return found


def _all_rows(info: ModelInfo) -> list[Rates]:
    """The rates that a model may be asked at by another one's call."""
    return [row for price in info.prices for row in (price.standard, price.above) if row is not None]


def _may_be_above(price: Price, asked: Asked) -> bool:
    return _rounds(asked) * asked.input_tokens > price.above_tokens


def _rounds(asked: Asked) -> int:
    """How often the call may sample; another model is asked between two rounds at most."""
    if not asked.terms & Terms.SERVER_TOOLS:
        return 1
    return 2 * SERVER_ROUNDS if asked.terms & Terms.OTHER_MODELS else SERVER_ROUNDS


def _input_rates(rates: Rates, asked: Asked) -> list[int]:
    """What a token of input may be billed at. Server tools write to the 5 m cache unasked."""
    found = [rates.input, rates.read]
    if asked.writes == "1h" or asked.terms & Terms.MARKS_1H:
        found += [rates.write_5m, rates.write_1h]
    elif asked.writes == "5m" or asked.terms & (Terms.MARKS_5M | Terms.SERVER_TOOLS):
        found.append(rates.write_5m)
    return found
