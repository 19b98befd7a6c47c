"""The price list as its file gives it: rows are read and checked, and every mistake is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from claudeflow.policy.money.pricing import ModelInfo, Price, PriceTable, Rates

_TOKEN_PRICES = ("input", "write_5m", "write_1h", "read", "output")


def read_price_list(data: Mapping[str, Any], shipped: int = 0) -> PriceTable:
    """The table that a parsed `prices.toml` describes. Raises ValueError naming every mistake.

    Before the rows of a user's file stand `shipped` others: mistakes are counted in his own.
    """
    reader = _Reader(shipped)
    table = PriceTable(reader.models(data))
    if reader.mistakes:
        raise ValueError("\n".join(reader.mistakes))
    return table


class _Reader:
    """Reads the rows of a price list and collects every mistake by its place."""

    def __init__(self, shipped: int) -> None:
        self.mistakes: list[str] = []
        self._shipped = shipped
        self._seen: set[str] = set()

    def models(self, data: Mapping[str, Any]) -> list[ModelInfo]:
        rows = data.get("model")
        if not isinstance(rows, list) or not rows:
            self.mistakes.append("model: at least one [[model]] is needed")
            return []
        return [self._model(row, f"model[{number}]") for number, row in enumerate(rows, -self._shipped)]

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
            retires=self._day(row, "retires", place) if "retires" in row else None,
            may_retire=self._day(row, "may_retire", place) if "may_retire" in row else None,
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
        day = self._day(row, "effective_from", place)
        if day is None:
            return 0
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000

    def _day(self, row: Mapping[str, Any], field: str, place: str) -> date | None:
        day = row.get(field)
        if not isinstance(day, date) or isinstance(day, datetime):
            self.mistakes.append(f"{place}.{field}: must be a date such as 2026-10-07, not {day!r}")
            return None
        return day

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
