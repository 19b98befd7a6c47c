"""Do the books balance? Ledger against the provider's report, cell by cell.

Settled calls must agree to the token. Three things make an interval of a number: a call that ran over
midnight may be counted on either day; an unknown or running call costs something from nothing to its
bound; a printed cost is rounded. Only a number outside of its interval is drift.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from claudeflow.domain.reconciliation import (
    COST,
    DAY_MS,
    HOUR_MS,
    KINDS,
    NOTHING,
    BillingReport,
    Books,
    Cell,
    Compared,
    Drift,
    LooseCall,
    Reconciliation,
    Sums,
    UnknownCalls,
)

FRESH_MS = 600_000
"""Reports lag by about five minutes (reference: freshness); twice that is not compared."""
SKEW_MS = 5_000
"""How far the provider's clock may be from ours."""
LONGEST_CALL_MS = 2 * HOUR_MS
MOST_DAYS = 31
PRIORITY = "priority"

WRONG_PRICE = (
    "tokens agree and the cost does not: check the price list (claudeflow prices check), or a discount"
)
NOTHING_REPORTED = (
    "nothing is reported here: the calls went out with another key or workspace than [admin] names, "
    "or the report is late"
)
CALLS_MISSING = "the report misses calls that the books have: it may be late, compare again tomorrow"
OTHER_KEYS = "other keys of the organisation: name ours with [admin] api_key_id or workspace_id"
PAST_US = "calls with our key that did not go through claudeflow"


@dataclass(frozen=True, slots=True)
class AdminSettings:
    """The provider's reports, which an admin key opens.

    `key_file` holds that key; empty: the credential or the environment has it. `reconcile_every_h` is
    how often the daemon compares its books with the report, 0 for never. `tolerance` is the share by
    which a number may differ. `api_key_id` (apikey_…) and `workspace_id` (wrkspc_…) name what the daemon
    calls with; without them the whole organisation is compared.
    """

    key_file: str = ""
    reconcile_every_h: Annotated[float, Ge(0), Le(720)] = 24.0
    tolerance: Annotated[float, Ge(0), Le(1)] = 0.001
    api_key_id: str = ""
    workspace_id: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """From `since_ms` on, before `until_ms`: whole hours."""

    since_ms: int
    until_ms: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to compare."""
        return self.until_ms <= self.since_ms

    def part_in(self, day_ms: int) -> tuple[int, int]:
        """The part of a day that lies inside."""
        return max(day_ms, self.since_ms), min(day_ms + DAY_MS, self.until_ms)

    def days(self) -> Iterator[int]:
        """The days that it touches."""
        return iter(range(self.since_ms // DAY_MS * DAY_MS, self.until_ms, DAY_MS))


def window_of(since_ms: int, until_ms: int, now_ms: int) -> Window:
    """What can be compared: whole hours, the freshest minutes left out, the last 31 days at most."""
    until_ms = min(until_ms, now_ms - FRESH_MS) // HOUR_MS * HOUR_MS
    since_ms = -(-since_ms // HOUR_MS) * HOUR_MS
    return Window(max(since_ms, until_ms - MOST_DAYS * DAY_MS), until_ms)


def model_key(model: str) -> str:
    """A model's name without the date at its end: reports and requests may spell it either way."""
    stem, _, last = model.rpartition("-")
    return stem if len(last) == 8 and last.isdigit() else model


def reconcile(books: Books, report: BillingReport, window: Window, tolerance: float) -> Reconciliation:
    """Compare every cell that either side knows. `tolerance` is a share of the number compared."""
    ours, theirs = _by_key(books.settled), _by_key(report.usage)
    loose = _Looseness(books.loose, window)
    rounding = {_key(cell): slack for cell, slack in report.rounding_nanousd.items()}
    cells = []
    for cell in sorted({*ours, *theirs, *loose.cells()}):
        settled, told = ours.get(cell, NOTHING), theirs.get(cell, NOTHING)
        costed = cell.service_tier != PRIORITY and _is_costed(window.part_in(cell.day_ms), report)
        side = _Side(settled, *loose.around(cell), tolerance, rounding.get(cell, 0))
        kinds = KINDS if costed else tuple(kind for kind in KINDS if kind != COST)
        drifts = tuple(drift for kind in kinds if (drift := side.drift(kind, getattr(told, kind))))
        unknown = loose.unknown(cell)
        cells.append(
            Compared(
                cell,
                settled,
                told,
                costed,
                drifts,
                unknown and _settled_by(unknown, side, told, sure=costed and not drifts),
                causes_of(drifts, told, report),
            )
        )
    return Reconciliation(
        window.since_ms, window.until_ms, report.source, report.scope, tuple(cells), report.notes
    )


def causes_of(drifts: tuple[Drift, ...], theirs: Sums, report: BillingReport) -> tuple[str, ...]:
    """What is worth checking, the likeliest first."""
    if not drifts:
        return ()
    if all(drift.kind == COST for drift in drifts):
        return (WRONG_PRICE,)
    if theirs == NOTHING:
        return (NOTHING_REPORTED,)
    if any(drift.theirs < drift.ours_least for drift in drifts):
        return (CALLS_MISSING,)
    if report.whole_organization:
        return (OTHER_KEYS, PAST_US)
    return (PAST_US,)


class _Looseness:
    """How far the numbers of each cell may move."""

    def __init__(self, calls: Iterable[LooseCall], window: Window) -> None:
        self._window = window
        self._less: dict[Cell, Sums] = {}
        self._more: dict[Cell, Sums] = {}
        self._unknown: dict[Cell, list[LooseCall]] = {}
        for call in calls:
            self._take(call)

    def cells(self) -> set[Cell]:
        """The cells in which something may be."""
        return {*self._less, *self._more, *self._unknown}

    def around(self, cell: Cell) -> tuple[Sums, Sums, int | None]:
        """What may be missing, what may be there besides, and the bound on unknown costs if there are any."""
        unknown = self._unknown.get(cell)
        bound = None if unknown is None else sum(call.bound_nanousd for call in unknown)
        return self._less.get(cell, NOTHING), self._more.get(cell, NOTHING), bound

    def unknown(self, cell: Cell) -> UnknownCalls | None:
        """The calls whose cost nobody knows."""
        calls = self._unknown.get(cell)
        if calls is None:
            return None
        return UnknownCalls(len(calls), sum(call.bound_nanousd for call in calls), None)

    def _take(self, call: LooseCall) -> None:
        earliest_ms = call.opened_ms - SKEW_MS
        latest_ms = self._window.until_ms if call.ended_ms is None else call.ended_ms + SKEW_MS
        for day_ms in self._window.days():
            cell = Cell(day_ms, model_key(call.model), call.service_tier)
            first_ms, end_ms = self._window.part_in(day_ms)
            touches = earliest_ms < end_ms and latest_ms >= first_ms
            booked = first_ms <= call.opened_ms < end_ms
            if not touches and not booked:
                continue
            if call.sums is None:
                self._unknown.setdefault(cell, []).append(call)
            elif not booked:
                self._more[cell] = self._more.get(cell, NOTHING) + call.sums
            elif earliest_ms < first_ms or latest_ms >= end_ms:
                self._less[cell] = self._less.get(cell, NOTHING) + call.sums


@dataclass(frozen=True, slots=True)
class _Side:
    """The books' side of one cell."""

    settled: Sums
    less: Sums
    more: Sums
    unknown_nanousd: int | None
    tolerance: float
    rounding_nanousd: int

    def drift(self, kind: str, theirs: int) -> Drift | None:
        """How the other side's number is out of bounds; None when it is not."""
        least, most = self._bounds(kind)
        slack = self._slack(kind, theirs)
        if theirs < least - slack or (most is not None and theirs > most + slack):
            return Drift(kind, least, most, theirs)
        return None

    def billed_beyond_settled(self, theirs: Sums) -> int | None:
        """What the other side billed for unknown calls; None when calls over midnight blur it."""
        if self.less != NOTHING or self.more != NOTHING:
            return None
        beyond = theirs.cost_nanousd - self.settled.cost_nanousd
        return 0 if beyond <= self.rounding_nanousd else beyond

    def _bounds(self, kind: str) -> tuple[int, int | None]:
        settled: int = getattr(self.settled, kind)
        most: int | None = settled + getattr(self.more, kind)
        if self.unknown_nanousd is not None:
            most = settled + self.more.cost_nanousd + self.unknown_nanousd if kind == COST else None
        return settled - getattr(self.less, kind), most

    def _slack(self, kind: str, theirs: int) -> float:
        ours: int = getattr(self.settled, kind)
        share = self.tolerance * max(theirs, ours)
        return share + (self.rounding_nanousd if kind == COST else 0)


def _settled_by(unknown: UnknownCalls, side: _Side, theirs: Sums, *, sure: bool) -> UnknownCalls:
    billed = side.billed_beyond_settled(theirs) if sure else None
    return UnknownCalls(unknown.calls, unknown.bound_nanousd, billed)


def _is_costed(part: tuple[int, int], report: BillingReport) -> bool:
    return report.costs_since_ms <= part[0] and part[1] <= report.costs_until_ms


def _by_key(cells: Mapping[Cell, Sums]) -> dict[Cell, Sums]:
    found: dict[Cell, Sums] = {}
    for cell, sums in cells.items():
        key = _key(cell)
        found[key] = found.get(key, NOTHING) + sums
    return found


def _key(cell: Cell) -> Cell:
    return cell._replace(model=model_key(cell.model))
