"""Invoice lines as rows of the usage and cost reports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from claudeflow.twin.billing import SEARCH_NANOUSD, InvoiceLine, price_parts

SHORT_CONTEXT, LONG_CONTEXT = "0-200k", "200k-1M"
_SHORT_CONTEXT_TOKENS = 200_000
TOKENS_COST, SEARCH_COST = "tokens", "web_search"
_NANOUSD_A_CENT = 10_000_000

TOKEN_TYPES: Mapping[str, str] = {
    "input": "uncached_input_tokens",
    "write_5m": "cache_creation.ephemeral_5m_input_tokens",
    "write_1h": "cache_creation.ephemeral_1h_input_tokens",
    "read": "cache_read_input_tokens",
    "output": "output_tokens",
}

Group = tuple[tuple[str, str | None], ...]


@dataclass(slots=True)
class Row:
    """What falls into one time bucket and one combination of dimensions."""

    starting_s: int
    ending_s: int
    group: dict[str, str | None]
    requests: int = 0
    searches: int = 0
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOKEN_TYPES, 0))
    cost_nanousd: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOKEN_TYPES, 0))

    def add(self, line: InvoiceLine) -> None:
        """Count one call."""
        self.requests += 1
        self.searches += line.searches
        for kind, nanousd in price_parts(line).items():
            self.tokens[kind] += getattr(line.tokens, kind)
            self.cost_nanousd[kind] += nanousd

    @property
    def total_tokens(self) -> int:
        """Tokens of all kinds."""
        return sum(self.tokens.values())

    @property
    def total_nanousd(self) -> int:
        """The cost of all kinds, searches included."""
        return sum(self.cost_nanousd.values()) + self.searches_nanousd

    @property
    def searches_nanousd(self) -> int:
        """The cost of searches."""
        return self.searches * SEARCH_NANOUSD


def rows_of(
    lines: Iterable[InvoiceLine], width_s: int, group_by: tuple[str, ...], whole: tuple[int, int] | None
) -> list[Row]:
    """One row per bucket and combination, the oldest first. `whole`: one bucket with these bounds."""
    found: dict[tuple[int, Group], Row] = {}
    for line in lines:
        start_s = whole[0] if whole else int(line.at_epoch_s // width_s) * width_s
        values = dimensions_of(line)
        group = {name: values.get(name) for name in group_by}
        key = (start_s, tuple(group.items()))
        if key not in found:
            found[key] = Row(start_s, whole[1] if whole else start_s + width_s, group)
        found[key].add(line)
    return sorted(found.values(), key=lambda row: row.starting_s)


def dimensions_of(line: InvoiceLine) -> dict[str, str | None]:
    """The values by which a call may be grouped and filtered."""
    about = line.about
    short = line.tokens.prompt <= _SHORT_CONTEXT_TOKENS
    return {
        "model": line.model,
        "service_tier": about.service_tier,
        "speed": about.speed,
        "inference_geo": about.geo if about.geo in ("global", "us") else None,
        "workspace_id": about.workspace_id,
        "api_key_id": about.api_key_id,
        "context_window": SHORT_CONTEXT if short else LONG_CONTEXT,
    }


def usage_of(row: Row) -> dict[str, Any]:
    """Token counts as both reports have them."""
    return {
        "uncached_input_tokens": row.tokens["input"],
        "cache_creation": {
            "ephemeral_1h_input_tokens": row.tokens["write_1h"],
            "ephemeral_5m_input_tokens": row.tokens["write_5m"],
        },
        "cache_read_input_tokens": row.tokens["read"],
        "output_tokens": row.tokens["output"],
        "server_tool_use": {"web_search_requests": row.searches},
    }


def costs_of(row: Row, *, by_type: bool, by_token: bool) -> list[tuple[dict[str, str | None], int]]:
    """The cost of a row, fanned out: (further dimensions, nano-dollars)."""
    searches: list[tuple[dict[str, str | None], int]] = []
    if row.searches and (by_type or by_token):
        searches = [
            ({"cost_type": SEARCH_COST} | ({"token_type": None} if by_token else {}), row.searches_nanousd)
        ]
    if by_token:
        return searches + [
            ({"cost_type": TOKENS_COST, "token_type": TOKEN_TYPES[kind]}, nanousd)
            for kind, nanousd in row.cost_nanousd.items()
            if nanousd
        ]
    if by_type:
        return [*searches, ({"cost_type": TOKENS_COST}, row.total_nanousd - row.searches_nanousd)]
    return [({}, row.total_nanousd)]


def cents(nanousd: int) -> str:
    """Nano-dollars as a decimal number of cents, rounded as in the documentation's examples."""
    return f"{Decimal(nanousd) / _NANOUSD_A_CENT:.5f}"


def by_bucket(rows: Iterable[Row]) -> dict[int, list[Row]]:
    """Rows by the start of their bucket."""
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.starting_s].append(row)
    return found
