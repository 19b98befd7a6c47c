"""What is wrong, or will be, with the prices of the models in use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from claudeflow.policy.money.pricing import ModelInfo, PriceTable, UnknownModel, price_in_force

NEAR = timedelta(days=30)
OWN_FILE = "the file of `[prices] file`"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about a model's price. An `error` fails calls, or keeps them out of the books."""

    level: Literal["error", "warning", "note"]
    model: str
    text: str
    way_out: str = ""


def check_prices(
    table: PriceTable,
    shipped: PriceTable,
    own_ids: Sequence[str],
    used: Mapping[str, Sequence[str]],
    fast: Mapping[str, Sequence[str]],
    *,
    now_ms: int,
) -> list[Finding]:
    """Everything that is to be said. `own_ids` are of the user.

    `used` says where each model is in use, and `fast` where it is in fast mode.
    """
    found = [finding for model in sorted(used) for finding in _of_used(table, model, used[model], now_ms)]
    found += [finding for model in sorted(fast) for finding in _of_fast(table, model, fast[model], now_ms)]
    found += [finding for name in own_ids for finding in _of_own(table.find(name), shipped.models.get(name))]
    return found


def _of_used(table: PriceTable, model: str, places: Sequence[str], now_ms: int) -> Iterator[Finding]:
    where = f"in use: {', '.join(places)}"
    try:
        info = table.find(model)
    except UnknownModel:
        yield Finding("error", model, f"has no price; {where}", f"add a row to {OWN_FILE}")
        return
    yield from _retirement(model, info, where, _day(now_ms))
    if info.note.startswith("provisional"):
        yield Finding("warning", model, f"{info.note}; {where}", f"a row in {OWN_FILE} overrides it")
    first_ms = info.prices[0].effective_from_ms
    if first_ms > now_ms:
        text = f"its first price counts from {_day(first_ms)} on, and is used until then; {where}"
        yield Finding("warning", model, text)


def _of_fast(table: PriceTable, model: str, places: Sequence[str], now_ms: int) -> Iterator[Finding]:
    known = table.names.get(model)
    if known is not None and price_in_force(known, now_ms).fast is None:
        text = f"has no price in fast mode; in use: {', '.join(places)}"
        yield Finding("error", model, text, f"add fast_input and fast_output to its row in {OWN_FILE}")


def _retirement(model: str, info: ModelInfo, where: str, today: date) -> Iterator[Finding]:
    another = "choose another model"
    if info.retires is not None and info.retires <= today:
        yield Finding("error", model, f"is retired since {info.retires}; {where}", another)
    elif info.retires is not None and info.retires <= today + NEAR:
        yield Finding("warning", model, f"retires on {info.retires}; {where}", another)
    elif info.may_retire is not None and info.may_retire <= today + NEAR:
        yield Finding("warning", model, f"may be retired from {info.may_retire} on; {where}", another)


def _of_own(own: ModelInfo, shipped: ModelInfo | None) -> Iterator[Finding]:
    if shipped is None:
        return
    if own == shipped:
        text = f"the row in {OWN_FILE} says what the shipped one says"
        yield Finding("note", own.id, text, "remove it, so that new prices reach you")
    elif own.prices[-1].effective_from_ms < shipped.prices[-1].effective_from_ms:
        text = f"the row in {OWN_FILE} overrides a newer shipped one"
        yield Finding("warning", own.id, text, "add the new price, or remove the row")
    else:
        yield Finding("note", own.id, f"the row in {OWN_FILE} overrides the shipped one")


def _day(epoch_ms: int) -> date:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).date()
