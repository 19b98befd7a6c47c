"""What the twin charges: its own price table, and an invoice with a line for each call.

Prices are nano-dollars a token: $0.10 a million tokens are exactly 100 of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from claudeflow.twin.models import Model, find_model

SEARCH_NANOUSD = 10_000_000
PRICED_KINDS = ("input", "write_5m", "write_1h", "read", "output")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one call by kind; the input kinds are additive."""

    input: int = 0
    write_5m: int = 0
    write_1h: int = 0
    read: int = 0
    output: int = 0
    thinking: int = 0

    @property
    def prompt(self) -> int:
        """All input, cached or not."""
        return self.input + self.write_5m + self.write_1h + self.read


@dataclass(frozen=True, slots=True)
class Price:
    """Nano-dollars a token."""

    input: int
    write_5m: int
    write_1h: int
    read: int
    output: int

    def of(self, tokens: Tokens) -> int:
        """Nano-dollars for these tokens."""
        return (
            tokens.input * self.input
            + tokens.write_5m * self.write_5m
            + tokens.write_1h * self.write_1h
            + tokens.read * self.read
            + tokens.output * self.output
        )


_OPUS_5_AND_4 = Price(5_000, 6_250, 10_000, 500, 25_000)
_FABLE_5_2 = Price(8_000, 10_000, 16_000, 200, 40_000)
_FABLE_5_1 = Price(10_000, 12_500, 20_000, 250, 50_000)
_FABLE_5 = Price(10_000, 12_500, 20_000, 1_000, 50_000)
_SONNET_4 = Price(3_000, 3_750, 6_000, 300, 15_000)
_PRICES: dict[tuple[str, tuple[int, int]], Price] = {
    ("fable", (5, 2)): _FABLE_5_2,
    ("mythos", (5, 2)): _FABLE_5_2,
    ("fable", (5, 1)): _FABLE_5_1,
    ("mythos", (5, 1)): _FABLE_5_1,
    ("fable", (5, 0)): _FABLE_5,
    ("mythos", (5, 0)): _FABLE_5,
    ("opus", (5, 5)): Price(4_000, 5_000, 8_000, 200, 20_000),
    ("opus", (5, 0)): _OPUS_5_AND_4,
    ("opus", (4, 8)): _OPUS_5_AND_4,
    ("opus", (4, 7)): _OPUS_5_AND_4,
    ("opus", (4, 6)): _OPUS_5_AND_4,
    ("opus", (4, 5)): _OPUS_5_AND_4,
    ("sonnet", (5, 5)): Price(2_000, 2_500, 4_000, 100, 10_000),
    ("sonnet", (5, 0)): Price(2_000, 2_500, 4_000, 200, 10_000),
    ("sonnet", (4, 6)): _SONNET_4,
    ("sonnet", (4, 5)): _SONNET_4,
    ("haiku", (5, 5)): Price(100, 125, 200, 10, 500),
    ("haiku", (4, 5)): Price(1_000, 1_250, 2_000, 100, 5_000),
}
_FAST_PRICES: dict[tuple[str, tuple[int, int]], Price] = {
    ("opus", (5, 5)): Price(8_000, 10_000, 16_000, 400, 40_000),
    ("opus", (5, 0)): Price(10_000, 12_500, 20_000, 1_000, 50_000),
    ("opus", (4, 8)): Price(10_000, 12_500, 20_000, 1_000, 50_000),
    ("fable", (5, 2)): Price(16_000, 20_000, 32_000, 400, 80_000),
    ("mythos", (5, 2)): Price(16_000, 20_000, 32_000, 400, 80_000),
}
# The band of Haiku 5.5 is chosen by the whole prompt and holds for the whole request, output included.
_HAIKU_5_5_BAND_TOKENS = 100_000
_HAIKU_5_5_LONG = Price(500, 625, 1_000, 50, 2_500)
# Reads of Sonnet 5.5 became half as dear on this day.
_SONNET_5_5_CHEAPER_READ_FROM = date(2026, 10, 7)
_SONNET_5_5_BEFORE = Price(2_000, 2_500, 4_000, 200, 10_000)


def price_of(model: Model, prompt_tokens: int, epoch_s: float, *, fast: bool = False) -> Price:
    """The row of the table that holds for a request of this size at this time."""
    key = (model.line, model.version)
    if fast:
        return _FAST_PRICES[key]
    if key == ("haiku", (5, 5)) and prompt_tokens > _HAIKU_5_5_BAND_TOKENS:
        return _HAIKU_5_5_LONG
    if key == ("sonnet", (5, 5)):
        day = datetime.fromtimestamp(epoch_s, UTC).date()
        return _PRICES[key] if day >= _SONNET_5_5_CHEAPER_READ_FROM else _SONNET_5_5_BEFORE
    return _PRICES[key]


def cost_nanousd(
    model: Model,
    tokens: Tokens,
    epoch_s: float,
    *,
    fast: bool = False,
    batch: bool = False,
    geo_us: bool = False,
) -> int:
    """The cost of one call. Half price in a batch, a tenth more for US data residency; ties round to even."""
    full = price_of(model, tokens.prompt, epoch_s, fast=fast).of(tokens)
    numerator, denominator = (11 if geo_us else 1), (10 if geo_us else 1) * (2 if batch else 1)
    whole, rest = divmod(full * numerator, denominator)
    if rest * 2 > denominator or (rest * 2 == denominator and whole % 2):
        whole += 1
    return whole


COMPLETE = "complete"
INTERRUPTED = "interrupted"
ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class About:
    """Whose call it was, and how it was served. `priced_at_epoch_s`: when the price was fixed."""

    api_key_id: str
    workspace_id: str
    service_tier: str
    speed: str
    geo: str
    priced_at_epoch_s: float


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One billed call. `ending`: complete, interrupted (by the twin), or abandoned (the client went away)."""

    request_id: str
    client_request_id: str | None
    model: str
    tokens: Tokens
    searches: int
    cost_nanousd: int
    ending: str
    at_epoch_s: float
    about: About


def price_parts(line: InvoiceLine) -> dict[str, int]:
    """The cost of one line by kind of token in nano-dollars; with its searches that is all of it."""
    model, tokens = find_model(line.model), line.tokens
    assert model is not None
    cost = max(0, line.cost_nanousd - line.searches * SEARCH_NANOUSD)
    price = price_of(model, tokens.prompt, line.about.priced_at_epoch_s, fast=line.about.speed == "fast")
    full = {kind: getattr(tokens, kind) * getattr(price, kind) for kind in PRICED_KINDS}
    whole = sum(full.values())
    parts = {kind: part * cost // whole if whole else 0 for kind, part in full.items()}
    largest = max(parts, key=parts.__getitem__)
    parts[largest] += cost - sum(parts.values())
    return parts


class Invoice:
    """Everything that was billed, in the order of the calls' ends."""

    def __init__(self) -> None:
        self.lines: list[InvoiceLine] = []
        self.total_nanousd = 0
        self._by_request: dict[str, InvoiceLine] = {}

    def add(self, line: InvoiceLine) -> None:
        """Bill one call."""
        self.lines.append(line)
        self._by_request[line.request_id] = line
        self.total_nanousd += line.cost_nanousd

    def line_of(self, request_id: str) -> InvoiceLine | None:
        """The line of one request; None if it was not billed."""
        return self._by_request.get(request_id)
