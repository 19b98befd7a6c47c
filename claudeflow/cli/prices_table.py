"""Prices as a table, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any

from rich.table import Table

from claudeflow.cli.fitting import Column, Layout, fitted
from claudeflow.cli.output import count
from claudeflow.policy.money.pricing import ModelInfo, Price, Rates, price_in_force

_KINDS = (("input", 0), ("write_5m", 1), ("write_1h", 2), ("read", 1), ("output", 0))
PICO_PER_USD_PER_MILLION = 1_000_000


def prices_layout(models: Iterable[ModelInfo], now_ms: int, width: int) -> tuple[Table, Layout]:
    """One row for each price that may hold now: ordinary, of large prompts, of fast mode."""
    rows = []
    for info in models:
        price = price_in_force(info, now_ms)
        name, since = info.id, _day(price)
        for which, rates in _rows(price):
            cells = {kind: _usd(value) for kind, value in asdict(rates).items()}
            rows.append(
                {"model": f"{name} {which}".strip() if name else f"  {which}", "since": since, **cells}
            )
            name = since = ""
    columns = [
        Column("model", itemgetter("model"), is_words=True),
        Column("since", itemgetter("since"), 3),
        *(Column(name.replace("_", " "), itemgetter(name), rank) for name, rank in _KINDS),
    ]
    layout = fitted(columns, rows, width)
    return layout.table(rows), layout


def price_to_json(info: ModelInfo, now_ms: int) -> dict[str, Any]:
    """A model with all its prices, the oldest one first; dollars for a million tokens as exact texts."""
    in_force = price_in_force(info, now_ms)
    return {
        "model": info.id,
        "aliases": list(info.aliases),
        "pool": info.pool,
        "note": info.note or None,
        "retires": info.retires and info.retires.isoformat(),
        "may_retire": info.may_retire and info.may_retire.isoformat(),
        "prices": [_price_to_json(price) | {"in_force": price is in_force} for price in info.prices],
    }


def _price_to_json(price: Price) -> dict[str, Any]:
    return {
        "effective_from": _day(price),
        "standard": _rates_to_json(price.standard),
        "above": price.above and {"prompt_tokens": price.above_tokens, **_rates_to_json(price.above)},
        "fast": price.fast and _rates_to_json(price.fast),
    }


def _rates_to_json(rates: Rates) -> dict[str, str]:
    return {name: _usd(value) for name, value in asdict(rates).items()}


def _rows(price: Price) -> Iterator[tuple[str, Rates]]:
    yield "", price.standard
    if price.above is not None:
        yield f"over {count(price.above_tokens)}", price.above
    if price.fast is not None:
        yield "fast", price.fast


def _usd(picousd: int) -> str:
    """Pico-dollars a token are dollars a million tokens, a million times smaller."""
    exact = Decimal(picousd) / PICO_PER_USD_PER_MILLION
    return f"{exact:.2f}" if exact == round(exact, 2) else f"{exact.normalize():f}"


def _day(price: Price) -> str:
    return datetime.fromtimestamp(price.effective_from_ms / 1000, UTC).date().isoformat()
