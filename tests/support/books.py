"""The books of a store, read past the daemon, and how they compare with the other side's invoice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Call:
    """A row of the calls."""

    id: int
    state: str
    reserved_nanousd: int
    cost_nanousd: int | None
    request_id: str | None


@contextmanager
def reading(store: Path) -> Iterator[sqlite3.Connection]:
    """The store, for questions only."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=20)) as raw:
        yield raw


def calls_of(store: Path) -> list[Call]:
    """Every call ever written."""
    with reading(store) as raw:
        query = "SELECT id, state, reserved_nanousd, cost_nanousd, request_id FROM calls ORDER BY id"
        return [Call(*row) for row in raw.execute(query)]


def states_of(store: Path) -> dict[str, int]:
    """How many jobs there are in each state."""
    with reading(store) as raw:
        return dict(raw.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall())


def successes_by_job(store: Path) -> dict[int, int]:
    """How many attempts succeeded, for each job that has any."""
    with reading(store) as raw:
        query = "SELECT job_id, count(*) FROM attempts WHERE outcome = 'succeeded' GROUP BY job_id"
        return dict(raw.execute(query).fetchall())


def settled_nanousd(store: Path) -> int:
    """The sum of everything that is settled."""
    return sum(call.cost_nanousd or 0 for call in calls_of(store))


def disagreements(store: Path, invoice: Mapping[str, int]) -> list[str]:
    """How the books differ from an invoice (request id → nano-dollars); empty when they agree.

    Each settled call must stand on the invoice with its very sum, or cost nothing. Each other line of
    the invoice must have a call of its own whose end is not known and whose reservation covers it.
    """
    calls = calls_of(store)
    settled = [call for call in calls if call.state == "settled"]
    wrong = [
        f"call {call.id} is booked at {call.cost_nanousd}, billed at {invoice.get(call.request_id or '', 0)}"
        for call in settled
        if call.cost_nanousd != invoice.get(call.request_id or "", 0)
    ]
    known = {call.request_id for call in settled}
    unbooked = sorted((cost for name, cost in invoice.items() if name not in known), reverse=True)
    bounds = sorted((call.reserved_nanousd for call in calls if call.state != "settled"), reverse=True)
    if len(unbooked) > len(bounds):
        wrong.append(
            f"{len(unbooked)} billed calls are not settled, but only {len(bounds)} are open or unknown"
        )
    # Pairing the dearest with the dearest finds a cover for every line whenever there is one.
    pairs = zip(unbooked, bounds, strict=False)
    return wrong + [f"{cost} was billed, at most {bound} reserved" for cost, bound in pairs if cost > bound]
