"""Cache board: prefixes and cached shares as tables, for `cache`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from claudeflow.cli.board import columns, number
from claudeflow.cli.output import count, printable
from claudeflow.cli.record import ago, local
from claudeflow.domain.money import usd

COLD = "cold"
DIGITS = 8


def prefixes_table(prefixes: Iterable[Mapping[str, Any]]) -> Table:
    """One row for each prefix."""
    numbers = ("tokens", "kept", "writes", "reads", "per write", "missed", "saved")
    table = columns("prefix", "model", right=numbers)
    table.add_column("warm until", no_wrap=True)
    table.add_column("why", overflow="fold")
    for row in prefixes:
        per_write = row["reads_per_write"]
        table.add_row(
            printable(name_of(row)),
            printable(row["model"]),
            count(row["tokens"]) if row["tokens"] else "?",
            row["ttl"] or "no",
            f"{row['writes']:,}",
            f"{row['reads']:,}",
            "" if per_write is None else f"{per_write:,.1f}",
            number(row["unexpected_misses"], "yellow"),
            usd(row["saved_nanousd"]),
            local(row["warm_until"]) or COLD,
            printable(row["why"]),
        )
    return table


def shares_table(workflows: Iterable[Mapping[str, Any]]) -> Table:
    """The cached share of each workflow, and of the versions that it used last."""
    table = columns("workflow", "version", right=("cached", "input", "calls", "last call"))
    for found in workflows:
        table.add_row(printable(found["workflow"]), "", *_share(found))
        for version in found["versions"] if len(found["versions"]) > 1 else ():
            table.add_row("", printable(_version_of(version)), *_share(version))
    return table


def name_of(row: Mapping[str, Any]) -> str:
    """A prefix as people know it: by its prompt and version, or by its workflow, and by its hash."""
    digest = row["prefix"][:DIGITS]
    if not row["prompt_name"]:
        return f"{row['workflow']} {digest}"
    version = (row["prompt_version"] or "")[:DIGITS]
    return (
        f"{row['prompt_name']} {version}"
        if version == digest
        else f"{row['prompt_name']} {version} + {digest}"
    )


def _version_of(share: Mapping[str, Any]) -> str:
    version = (share["version"] or "nothing to cache")[:16]
    return f"{share['prompt_name']} {version[:DIGITS]}" if share["prompt_name"] else version


def _share(share: Mapping[str, Any]) -> tuple[str, ...]:
    since = f"{ago(share['last_call'])} ago"
    return f"{share['cached_share']:.0%}", count(share["prompt_tokens"]), f"{share['calls']:,}", since
