"""What callers of the client say, as the daemon wants to hear it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol


class HasId(Protocol):
    """A job, or a handle of one."""

    @property
    def id(self) -> int:
        """Its number."""
        ...


def id_of(job: int | HasId) -> int:
    """The id of a job, however it was named. Raises TypeError for what names none."""
    found = job if isinstance(job, int) else getattr(job, "id", None)
    if not isinstance(found, int):
        raise TypeError(f"name a job by its id, which is a whole number, or by a handle; found {job!r}")
    return found


def job_fields(**fields: Any) -> dict[str, Any]:
    """The fields that were given."""
    return {name: value for name, value in fields.items() if value is not None}


def event_query(
    types: str | Iterable[str], job: int | HasId | None, lane: str | None, workflow: str | None
) -> dict[str, str]:
    """Which events are wanted."""
    names = types if isinstance(types, str) else ",".join(types)
    job_text = None if job is None else str(id_of(job))
    return job_fields(type=names or None, job=job_text, lane=lane, workflow=workflow)
