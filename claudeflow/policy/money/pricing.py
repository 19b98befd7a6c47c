"""What calls cost: a price list and exact arithmetic on it.

Prices are published in USD per million tokens. A million pico-dollars per token is one such dollar,
so every published price is a whole number here, and a bill is rounded once, at its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from claudeflow.domain.usage import Bill, Usage

WEB_SEARCH_NANOUSD = 10_000_000
PICO_PER_NANO = 1_000
_TOKEN_PRICES = ("input", "write_5m", "write_1h", "read", "output")


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
    """One model of the price list. `note` says what is uncertain about its row; prices are by age."""

    id: str
    aliases: tuple[str, ...]
    pool: str
    cache_minimum_tokens: int
    context_tokens: int
    max_output_tokens: int
    prices: tuple[Price, ...]
    note: str = ""


class PriceTable:
    """All known models and what they cost."""

    def __init__(self, models: Iterable[ModelInfo]) -> None:
        self.models: Mapping[str, ModelInfo] = {model.id: model for model in models}
        self._by_name = {name: model for model in self.models.values() for name in (model.id, *model.aliases)}

    @classmethod
    def from_toml_dict(cls, data: Mapping[str, Any]) -> PriceTable:
        """The table that a parsed `prices.toml` describes. Raises ValueError naming every mistake."""
        reader = _Reader()
        table = cls(reader.models(data))
        if reader.mistakes:
            raise ValueError("\n".join(reader.mistakes))
        return table

    def find(self, model: str) -> ModelInfo:
        """The model with this id or dated alias. Raises UnknownModel."""
        try:
            return self._by_name[model]
        except KeyError:
            raise UnknownModel(f"no price is known for {model}: add it to the price list") from None

    def pool_of(self, model: str) -> str:
        """The rate-limit pool of a model; one that nobody knows is a pool of its own."""
        known = self._by_name.get(model)
        return known.pool if known else model

    def price_at(self, model: str, at_ms: int) -> Price:
        """The price in force; the oldest one also serves the time before it. Raises UnknownModel."""
        prices = self.find(model).prices
        return next((price for price in reversed(prices) if price.effective_from_ms <= at_ms), prices[0])

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

    def has_fast_mode(self, model: str, at_ms: int) -> bool:
        """Whether calls of the model may be billed at fast-mode prices. Raises UnknownModel."""
        return self.price_at(model, at_ms).rates(Usage(speed="fast")) is not None

    def upper_bound(
        self, model: str, input_tokens: int, max_tokens: int, at_ms: int, *, fast: bool = False
    ) -> int:
        """The most one call can cost in nano-dollars, web searches aside. Raises UnknownModel.

        Holds if the prompt has at most `input_tokens`: all written to the 1 h cache, all output
        used, in the dearest region.
        """
        worst = Usage(
            cache_write_1h_tokens=input_tokens,
            output_tokens=max_tokens,
            speed="fast" if fast else "standard",
            inference_geo="us",
        )
        return self.bill(model, worst, at_ms).cost_nanousd


def _divide(numerator: int, denominator: int) -> int:
    """The whole number next to the quotient; a half goes to the even one."""
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient % 2 == 1))


class _Reader:
    """Reads the rows of a price list and collects every mistake by its place."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []
        self._seen: set[str] = set()

    def models(self, data: Mapping[str, Any]) -> list[ModelInfo]:
        rows = data.get("model")
        if not isinstance(rows, list) or not rows:
            self.mistakes.append("model: at least one [[model]] is needed")
            return []
        return [self._model(row, f"model[{number}]") for number, row in enumerate(rows)]

    def _model(self, row: Any, place: str) -> ModelInfo:
        row = self._table(row, place, {field.name for field in fields(ModelInfo)} - {"prices"} | {"price"})
        name = self._text(row, "id", place)
        place = f"{place} ({name})"
        aliases = row.get("aliases", [])
        if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
            self.mistakes.append(f"{place}.aliases: must be a list of model ids")
            aliases = []
        self._once([name, *aliases], place)
        return ModelInfo(
            id=name,
            aliases=tuple(aliases),
            pool=self._text(row, "pool", place),
            cache_minimum_tokens=self._tokens(row, "cache_minimum_tokens", place),
            context_tokens=self._tokens(row, "context_tokens", place),
            max_output_tokens=self._tokens(row, "max_output_tokens", place),
            prices=self._prices(row.get("price"), place),
            note=self._text(row, "note", place) if "note" in row else "",
        )

    def _prices(self, rows: Any, place: str) -> tuple[Price, ...]:
        if not isinstance(rows, list) or not rows:
            self.mistakes.append(f"{place}: at least one [[model.price]] is needed")
            return ()
        prices = [self._price(row, f"{place}.price[{number}]") for number, row in enumerate(rows)]
        if len({price.effective_from_ms for price in prices}) < len(prices):
            self.mistakes.append(f"{place}: two prices begin on the same day")
        return tuple(sorted(prices, key=lambda price: price.effective_from_ms))

    def _price(self, row: Any, place: str) -> Price:
        row = self._table(
            row, place, {*_TOKEN_PRICES, "effective_from", "above", "fast_input", "fast_output"}
        )
        standard = self._rates(row, place)
        above = row.get("above")
        if above is not None:
            above = self._table(above, f"{place}.above", {*_TOKEN_PRICES, "prompt_tokens"})
        return Price(
            effective_from_ms=self._day_ms(row, place),
            standard=standard,
            above=None if above is None else self._rates(above, f"{place}.above"),
            above_tokens=0 if above is None else self._tokens(above, "prompt_tokens", f"{place}.above"),
            fast=self._fast(row, standard, place),
        )

    def _fast(self, row: Mapping[str, Any], standard: Rates, place: str) -> Rates | None:
        if "fast_input" not in row and "fast_output" not in row:
            return None
        fast_input = self._picousd(row, "fast_input", place)
        output = self._picousd(row, "fast_output", place)
        scaled = [
            divmod(fast_input * rate, standard.input or 1)
            for rate in (standard.write_5m, standard.write_1h, standard.read)
        ]
        if any(rest for _, rest in scaled):
            self.mistakes.append(f"{place}.fast_input: gives cache prices finer than a pico-dollar a token")
        write_5m, write_1h, read = (whole for whole, _ in scaled)
        return Rates(fast_input, write_5m, write_1h, read, output)

    def _rates(self, row: Mapping[str, Any], place: str) -> Rates:
        return Rates(**{name: self._picousd(row, name, place) for name in _TOKEN_PRICES})

    def _picousd(self, row: Mapping[str, Any], field: str, place: str) -> int:
        value = row.get(field)
        picousd = Decimal(-1)
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            picousd = Decimal(str(value)) * 1_000_000
        if not picousd.is_finite() or picousd < 0 or picousd != int(picousd):
            self.mistakes.append(
                f"{place}.{field}: must be USD per million tokens with at most 6 decimals, not {value!r}"
            )
            return 0
        return int(picousd)

    def _day_ms(self, row: Mapping[str, Any], place: str) -> int:
        day = row.get("effective_from")
        if not isinstance(day, date) or isinstance(day, datetime):
            self.mistakes.append(f"{place}.effective_from: must be a date such as 2026-10-07, not {day!r}")
            return 0
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000

    def _tokens(self, row: Mapping[str, Any], field: str, place: str) -> int:
        value = row.get(field)
        if type(value) is not int or value < 1:
            self.mistakes.append(f"{place}.{field}: must be a whole number above 0, not {value!r}")
            return 0
        return value

    def _text(self, row: Mapping[str, Any], field: str, place: str) -> str:
        value = row.get(field)
        if not isinstance(value, str) or not value:
            self.mistakes.append(f"{place}.{field}: must be a text, not {value!r}")
            return ""
        return value

    def _table(self, row: Any, place: str, known: set[str]) -> Mapping[str, Any]:
        if not isinstance(row, dict):
            self.mistakes.append(f"{place}: must be a table, not {row!r}")
            return {}
        self.mistakes.extend(f"{place}.{key}: is no known key" for key in sorted(row.keys() - known))
        return row

    def _once(self, names: list[str], place: str) -> None:
        for name in names:
            if name in self._seen:
                self.mistakes.append(f"{place}: {name} is already in the list")
            self._seen.add(name)
