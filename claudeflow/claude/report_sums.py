"""Rows of usage and cost reports, added up by day, model and tier."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from typing import Any

from claudeflow.domain.reconciliation import DAY_MS, NOTHING, Cell, Sums

NANOUSD_PER_CENT = 10_000_000


class ReportSums:
    """Adds rows up. Rows are the SDK's models or plain JSON; both have the same names."""

    def __init__(self) -> None:
        self._usage: defaultdict[Cell, Sums] = defaultdict(Sums)
        self._cents: defaultdict[Cell, Decimal] = defaultdict(Decimal)
        self._listed = Decimal()
        self._charged = Decimal()
        self.rounding_nanousd: defaultdict[Cell, int] = defaultdict(int)

    def add_usage(self, start_ms: int, group: Any, usage: Any) -> None:
        """One row of a usage report."""
        written = _value(usage, "cache_creation")
        sums = Sums(
            input_tokens=_value(usage, "uncached_input_tokens"),
            cache_write_5m_tokens=_value(written, "ephemeral_5m_input_tokens"),
            cache_write_1h_tokens=_value(written, "ephemeral_1h_input_tokens"),
            cache_read_tokens=_value(usage, "cache_read_input_tokens"),
            output_tokens=_value(usage, "output_tokens"),
            web_searches=_value(_value(usage, "server_tool_use"), "web_search_requests"),
        )
        if sums != NOTHING:
            cell = _cell(start_ms, group)
            self._usage[cell] += sums

    def add_cost(self, start_ms: int, group: Any, listed: Decimal, charged: Decimal) -> None:
        """One row of a cost report: cents at list price, and cents charged.

        The list price is what the books know; a printed amount may be off by a unit of its last digit.
        """
        cell = _cell(start_ms, group)
        self._cents[cell] += listed
        self._listed += listed
        self._charged += charged
        exponent = listed.as_tuple().exponent
        assert isinstance(exponent, int)
        self.rounding_nanousd[cell] += max(1, int(Decimal(NANOUSD_PER_CENT).scaleb(min(0, exponent))))

    def cells(self) -> dict[Cell, Sums]:
        """Everything added up."""
        return {
            cell: replace(self._usage[cell], cost_nanousd=round(self._cents[cell] * NANOUSD_PER_CENT))
            for cell in {*self._usage, *self._cents}
        }

    def notes(self) -> tuple[str, ...]:
        """What is worth knowing about the costs."""
        if self._charged == self._listed or not self._listed:
            return ()
        share = 1 - self._charged / self._listed
        return (f"costs are compared at list price; charged was {share:.1%} less",)


def _cell(start_ms: int, group: Any) -> Cell:
    tier = _value(group, "service_tier") or "standard"
    return Cell(start_ms // DAY_MS * DAY_MS, _value(group, "model") or "", tier)


def _value(row: Any, name: str) -> Any:
    return row[name] if isinstance(row, dict) else getattr(row, name)
