"""The books of a store, read past the daemon, and how they compare with the other side's invoice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Call:
    """A row of the calls. Those in batches are named on the invoice by their message."""

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
        query = """SELECT id, state, reserved_nanousd, cost_nanousd,
                   iif(batch_id IS NULL, request_id, message_id) FROM calls ORDER BY id"""
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


_KEPT = "workflow, lane, model, prompt_name, prompt_version, service_tier, speed, inference_geo, kind"
_TOKENS = ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output", "thinking")
_SUMMED = (
    *(f"{kind}_tokens" for kind in _TOKENS),
    *("web_searches", "web_fetches"),
    *(f"{which}_nanousd" for which in ("cost", "uncached", "unbatched", "plain")),
)
_HOURS = f"""
SELECT opened_ms / 3600000 * 3600000, workflow, lane, model, ifnull(prompt_name, ''),
       ifnull(prompt_version, ''),
       iif(state = 'settled', service_tier, 'standard'), iif(state = 'settled', speed, 'standard'),
       iif(state = 'settled', ifnull(inference_geo, ''), ''), kind,
       sum(state = 'settled'), sum(state = 'unknown'), sum(iif(state = 'unknown', reserved_nanousd, 0)),
       sum(state = 'settled' AND split_known = 0), {", ".join(f"ifnull(sum({name}), 0)" for name in _SUMMED)}
FROM calls WHERE state <> 'open' GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
"""
_BOOKED = f"""
SELECT hour_ms, {_KEPT}, calls, unknown_calls, unknown_bound_nanousd, unsplit_calls, {", ".join(_SUMMED)}
FROM usage_hours WHERE calls > 0 OR unknown_calls > 0
"""


def contradictions(raw: sqlite3.Connection) -> list[str]:
    """Where the books contradict themselves: hours sum up calls, jobs attempts, attempts cost as calls."""
    hours, booked = set(raw.execute(_HOURS).fetchall()), set(raw.execute(_BOOKED).fetchall())
    wrong = [f"the calls say {row}" for row in hours - booked]
    wrong += [f"the hours say {row}" for row in booked - hours]
    emptied = "SELECT hour_ms FROM usage_hours WHERE calls + unknown_calls = 0 AND unknown_bound_nanousd <> 0"
    wrong += [f"a bound without a call is left in hour {hour}" for (hour,) in raw.execute(emptied)]
    jobs = """SELECT j.id FROM jobs AS j WHERE j.cost_nanousd <>
              (SELECT ifnull(sum(a.cost_nanousd), 0) FROM attempts AS a WHERE a.job_id = j.id)"""
    wrong += [f"job {job} does not cost what its attempts cost" for (job,) in raw.execute(jobs)]
    shares = """SELECT c.id FROM calls AS c JOIN attempts AS a ON a.call_id = c.id GROUP BY c.id
                HAVING sum(a.cost_nanousd) <> ifnull(c.cost_nanousd, 0)"""
    wrong += [f"the attempts of call {call} cost something else" for (call,) in raw.execute(shares)]
    return wrong + [f"of submitter {row[0]} the books say {row}" for row in submitters_amiss(raw)]


_WAITING = """
SELECT submitted_by, count(*) FROM jobs WHERE submitted_by IS NOT NULL AND state = 'queued' GROUP BY 1
"""
_SPENT = """
SELECT submitted_by, day_ms, sum(cost), sum(unknown), sum(open) FROM (
  SELECT submitted_by, opened_ms / 86400000 * 86400000 AS day_ms, ifnull(cost_nanousd, 0) AS cost,
         iif(state = 'unknown', reserved_nanousd, 0) AS unknown,
         iif(state = 'open', reserved_nanousd, 0) AS open
  FROM calls WHERE submitted_by IS NOT NULL
  UNION ALL
  SELECT j.submitted_by, c.opened_ms / 86400000 * 86400000, a.cost_nanousd,
         iif(c.state = 'settled', 0, c.reserved_nanousd / a.items), 0
  FROM attempts AS a JOIN jobs AS j ON j.id = a.job_id JOIN calls AS c ON c.id = a.call_id
  WHERE c.kind = 'pack' AND a.items > 1 AND j.submitted_by IS NOT NULL
) GROUP BY 1, 2
"""


def submitters_amiss(raw: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Rows about submitters that jobs, calls and attempts do not say. Days without a call are passed over."""
    waiting = set(raw.execute("SELECT * FROM submitters WHERE queued <> 0")) ^ set(raw.execute(_WAITING))
    some = "cost_nanousd <> 0 OR unknown_nanousd <> 0 OR open_nanousd <> 0"
    kept = set(raw.execute(f"SELECT * FROM submitter_days WHERE {some}"))
    said = {row for row in raw.execute(_SPENT) if any(row[2:])}
    return sorted(waiting | (kept ^ said))


def disagreements(store: Path, invoice: Mapping[str, int]) -> list[str]:
    """How the books differ from an invoice (request id → nano-dollars), or contradict themselves.

    Empty when all agrees.

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
    with reading(store) as raw:
        wrong += contradictions(raw)
    return wrong + [f"{cost} was billed, at most {bound} reserved" for cost, bound in pairs if cost > bound]
