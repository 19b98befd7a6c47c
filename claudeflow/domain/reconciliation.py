"""Reconciliation: the books and the provider's reports as values that can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import NamedTuple

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


class Cell(NamedTuple):
    """What is compared as one: a day (UTC, its first millisecond), a model, a service tier."""

    day_ms: int
    model: str
    service_tier: str


@dataclass(frozen=True, slots=True)
class Sums:
    """What was used in a cell. `cost_nanousd` is that of tokens: reports tell searches apart from it."""

    input_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0
    web_searches: int = 0
    cost_nanousd: int = 0

    def __add__(self, other: Sums) -> Sums:
        """Both together."""
        return replace(self, **{kind: getattr(self, kind) + getattr(other, kind) for kind in KINDS})


KINDS: tuple[str, ...] = tuple(item.name for item in fields(Sums))
COST = "cost_nanousd"
NOTHING = Sums()


@dataclass(frozen=True, slots=True)
class LooseCall:
    """A call that the provider may count in another day than the books do, or whose cost nobody knows.

    `ended_ms` is None while it runs. `sums` is None unless it is settled; then it costs at most
    `bound_nanousd`.
    """

    model: str
    service_tier: str
    opened_ms: int
    ended_ms: int | None
    sums: Sums | None
    bound_nanousd: int


@dataclass(frozen=True, slots=True)
class Books:
    """What the ledger says: settled calls by the day on which they were opened, and the loose ones."""

    settled: Mapping[Cell, Sums]
    loose: Sequence[LooseCall] = ()


@dataclass(frozen=True, slots=True)
class BillingReport:
    """What the provider says about a window.

    `rounding_nanousd` is how far the printed cost of a cell may be from the exact one. Costs are told
    for `costs_since_ms` to `costs_until_ms` only (equal when there are none). Nothing after
    `complete_until_ms` is in it. `whole_organization` is True when calls of other keys are in it.
    """

    source: str
    scope: str
    usage: Mapping[Cell, Sums]
    rounding_nanousd: Mapping[Cell, int]
    costs_since_ms: int
    costs_until_ms: int
    complete_until_ms: int
    whole_organization: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportProblem:
    """Why there is no report, and the way out."""

    message: str


@dataclass(frozen=True, slots=True)
class Drift:
    """One number outside of what the books allow. `ours_most` is None when nothing bounds it above."""

    kind: str
    ours_least: int
    ours_most: int | None
    theirs: int


@dataclass(frozen=True, slots=True)
class UnknownCalls:
    """Calls of ours whose cost nobody knew: together at most `bound_nanousd`.

    `billed_nanousd` is what the report shows for them, None when it does not settle that.
    """

    calls: int
    bound_nanousd: int
    billed_nanousd: int | None


@dataclass(frozen=True, slots=True)
class Compared:
    """One cell: both sides, where they part, and what to look at then."""

    cell: Cell
    ours: Sums
    theirs: Sums
    cost_is_compared: bool
    drifts: tuple[Drift, ...] = ()
    unknown: UnknownCalls | None = None
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The comparison of a window: from `since_ms` on, before `until_ms`, in whole hours."""

    since_ms: int
    until_ms: int
    source: str
    scope: str
    cells: tuple[Compared, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def agrees(self) -> bool:
        """Whether there is no drift at all."""
        return not any(cell.drifts for cell in self.cells)
