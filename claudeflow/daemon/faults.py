"""Faults of ours: one request at which we stumble ends with an error, and all others go on."""

from __future__ import annotations

from claudeflow.daemon.shared import Shared
from claudeflow.domain.events import OwnTrouble
from claudeflow.domain.job import JobError


def fault_of_ours(shared: Shared, doing: str, problem: Exception) -> JobError:
    """Tell of it, and what its job is told. Never what the exception says: that may quote a prompt."""
    kind = type(problem).__name__
    shared.emit(OwnTrouble(doing, kind))
    return JobError("internal_error", f"claudeflow failed: {kind}")
