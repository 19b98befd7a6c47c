"""Limits board: pools, buckets and waits as tables, for `limits`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from claudeflow.cli.board import columns, number
from claudeflow.cli.output import count, printable
from claudeflow.cli.record import local

_AXIS_NAME = {
    "requests": "requests",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "tokens": "all tokens",
}


def pools_table(pools: Iterable[Mapping[str, Any]]) -> Table:
    """One row for each pool: pressure, margin, gate and calls in flight."""
    table = columns("pool", "gate", right=("pressure", "θ", "burst", "in flight", "ceiling", "429s"))
    table.add_column("last 429", overflow="fold")
    for pool in pools:
        table.add_row(
            printable(pool["pool"]),
            printable(pool["gate"]),
            f"{pool['pressure']:.0%}",
            f"{pool['theta']:.2f}",
            f"{pool['burst_s']:.1f}s",
            str(pool["in_flight"]),
            str(pool["ceiling"]),
            number(pool["throttled_calls"], "yellow"),
            printable(pool["last_throttle"] or ""),
        )
    return table


def buckets_table(pools: Iterable[Mapping[str, Any]]) -> Table:
    """One row for each bucket: what is there, what the server says, the limit and the pace."""
    table = columns("pool", "bucket", right=("free", "of", "at the API", "limit/min", "pace", "used"))
    table.add_column("limit is")
    for pool in pools:
        name = printable(pool["pool"])
        for bucket in pool["buckets"]:
            server = bucket["server_level"]
            table.add_row(
                name,
                _AXIS_NAME.get(bucket["axis"], printable(bucket["axis"])),
                count(bucket["level"]),
                count(bucket["capacity"]),
                "?" if server is None else count(server),
                count(bucket["limit_per_min"]),
                f"{bucket['pace_share']:.0%}",
                f"{bucket['use']:.0%}",
                "told by the API" if bucket["limit_is_told"] else "assumed",
            )
            name = ""
    return table


def waits_table(pools: Iterable[Mapping[str, Any]]) -> Table:
    """One row for each lane that has jobs waiting in a pool: what its next job waits for."""
    table = columns("pool", "lane", "waits for")
    table.add_column("why", overflow="fold")
    table.add_column("until")
    for pool in pools:
        for wait in pool["waits"]:
            cells = (pool["pool"], wait["lane"], wait["rule"], wait["why"], local(wait["until"]))
            table.add_row(*(printable(cell) for cell in cells))
    return table
