"""The desk for reconciliation: what the front doors may ask about books and reports."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Protocol

from claudeflow.domain.errors import IntakeError
from claudeflow.domain.reconciliation import Compared, Reconciliation
from claudeflow.intake.times import write_time

LAST = "last"


class NoAdminKey(IntakeError):
    """Reports need a key that the daemon does not have."""

    code = "no_admin_key"
    http_status = 409


class NoReport(IntakeError):
    """The provider gave no report."""

    code = "no_report"
    http_status = 502


class NothingCompared(IntakeError):
    """There is nothing to compare in that time, or nothing has been compared yet."""

    code = "nothing_compared"
    http_status = 404


class ReconcileDesk(Protocol):
    """What a front door may ask for. Raises only `IntakeError`s (and `StoreError` when broken)."""

    async def compare(self, since_ms: int | None, until_ms: int | None) -> dict[str, Any]:
        """Ask the provider now and compare; as JSON. Raises NoAdminKey, NoReport, NothingCompared."""
        ...

    async def last(self) -> dict[str, Any]:
        """The last comparison, as JSON. Raises NothingCompared."""
        ...


def reconciliation_to_json(found: Reconciliation, compared_ms: int) -> dict[str, Any]:
    """A comparison as JSON: money in nano-dollars, one entry for each day, model and tier."""
    return {
        "compared_at": write_time(compared_ms),
        "since": write_time(found.since_ms),
        "until": write_time(found.until_ms),
        "agrees": found.agrees,
        "source": found.source,
        "scope": found.scope,
        "notes": list(found.notes),
        "cells": [_cell_to_json(cell) for cell in found.cells],
    }


def day_of(day_ms: int) -> str:
    """A day as people write it, `2026-11-22`."""
    return str(write_time(day_ms))[:10]


def _cell_to_json(compared: Compared) -> dict[str, Any]:
    ours, theirs = asdict(compared.ours), asdict(compared.theirs)
    if not compared.cost_is_compared:
        theirs["cost_nanousd"] = None
    return {
        "day": day_of(compared.cell.day_ms),
        "model": compared.cell.model,
        "service_tier": compared.cell.service_tier,
        "agrees": not compared.drifts,
        "ours": ours,
        "theirs": theirs,
        "drifts": [asdict(drift) for drift in compared.drifts],
        "unknown": compared.unknown and asdict(compared.unknown),
        "causes": list(compared.causes),
    }
