"""`kill -9` at random moments: nothing is lost, nothing is answered twice, and the books stay true."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from claudeflow.store.recovery import CRASHES_TO_HOLD
from claudeflow.twin.child import twin_process
from claudeflow.twin.faults import Fault
from claudeflow.twin.settings import TwinSettings
from tests.support.books import (
    calls_of,
    disagreements,
    reading,
    settled_nanousd,
    states_of,
    successes_by_job,
)
from tests.support.daemons import PLENTY, a_job
from tests.support.processes import Site, daemon_at, eventually, invoice_of, short_folder, starting_daemon

SEED = 20261122
AT_ONCE = 8
SYSTEM = "You sort tickets by product, urgency and team. " * 60
FAULTS = (
    Fault("overloaded_529", share=0.03),
    Fault("conn_reset", share=0.02),
    Fault("truncate", share=0.05),
    Fault("rate_429", calls=(40, 40), retry_after_s=1),
)
TWIN = TwinSettings(reply_tokens=60, ttft_s=0.15, tokens_per_s=400.0, faults=FAULTS, **PLENTY)
TABLES: dict[str, dict[str, Any]] = {
    "lanes": {"standard": {"max_in_flight": AT_ONCE}},
    "retry": {"base_s": 0.05, "cap_s": 0.2},
}


@dataclass
class Toll:
    """What a series of kills met with."""

    kills: int = 0
    while_starting: int = 0
    released_holds: int = 0


def jobs_of_all_sizes(count: int, chance: random.Random) -> list[dict[str, Any]]:
    """Jobs with and without a common prefix, small and large, for two models."""
    return [
        a_job(
            n,
            system=SYSTEM if chance.random() < 0.6 else None,
            model=chance.choice(["claude-haiku-5-5", "claude-haiku-5-5", "claude-opus-5-5"]),
            workflow=chance.choice(["triage", "review", "vendors"]),
            dedupe_key=f"job-{n}",
            metadata={"number": str(n), "ballast": "x" * chance.choice([0, 0, 12_000])},
        )
        for n in range(1, count + 1)
    ]


def kill_again_and_again(site: Site, kills: int, chance: random.Random, longest_s: float) -> Toll:
    """Start the daemon and kill it, so many times; a person releases what a crash too many has parked."""
    toll = Toll()
    while toll.kills < kills:
        with starting_daemon(site) as daemon:
            if chance.random() < 0.1:
                assert not daemon.dies_within(chance.uniform(0.0, 1.0))
                toll.while_starting += 1
            else:
                daemon.ready()
                assert not daemon.dies_within(chance.uniform(0.0, longest_s))
            daemon.kill()
        toll.kills += 1
        toll.released_holds += release_held_jobs(site)
    return toll


def release_held_jobs(site: Site) -> int:
    """What a person does with jobs that the daemon has parked, each of them for a reason."""
    with reading(site.store) as raw:
        held = raw.execute("SELECT id, crash_count FROM jobs WHERE state = 'held'").fetchall()
    assert all(crashes == CRASHES_TO_HOLD for _, crashes in held)
    if held:
        done = site.cli("retry", *(str(job_id) for job_id, _ in held))
        assert done.returncode == 0, done.stderr
    return len(held)


def work_off(site: Site, count: int) -> None:
    """Let the daemon finish what is left, in peace."""
    with daemon_at(site) as daemon:
        release_held_jobs(site)
        eventually(lambda: states_of(site.store).keys().isdisjoint({"queued", "running"}), patience_s=90)
        assert states_of(site.store) == {"succeeded": count}
        daemon.process.terminate()
        assert daemon.ended() == 0


def check_the_outcome(site: Site, twin_address: str, count: int) -> None:
    """Nothing lost, nothing twice, and every nano-dollar accounted for."""
    assert states_of(site.store) == {"succeeded": count}
    assert successes_by_job(site.store) == dict.fromkeys(range(1, count + 1), 1)
    with reading(site.store) as raw:
        answers = raw.execute(
            "SELECT j.id, coalesce(j.answer, b.data) FROM jobs AS j"
            " LEFT JOIN blobs AS b ON b.job_id = j.id AND b.part = 'answer'"
        ).fetchall()
        costs = raw.execute("SELECT sum(cost_nanousd) FROM jobs").fetchone()[0]
    messages = [json.loads(answer) for _, answer in answers]
    assert len({message["id"] for message in messages}) == count
    calls, invoice = calls_of(site.store), invoice_of(twin_address)
    assert disagreements(site.store, invoice) == []
    assert {call.state for call in calls} <= {"settled", "unknown"}
    booked = {call.request_id for call in calls if call.state == "settled"}
    assert settled_nanousd(site.store) == sum(c for name, c in invoice.items() if name in booked) == costs
    unknown = sum(call.reserved_nanousd for call in calls if call.state == "unknown")
    assert settled_nanousd(site.store) <= sum(invoice.values()) <= settled_nanousd(site.store) + unknown


def survive(folder: Path, *, jobs: int, kills: int, longest_s: float) -> Toll:
    """Hand in jobs, kill the daemon again and again, let it finish, and look at what there is."""
    chance = random.Random(SEED)
    with twin_process(TWIN) as twin:
        site = Site(folder, twin.address, TABLES)
        site.submit(jobs_of_all_sizes(jobs, chance))
        toll = kill_again_and_again(site, kills, chance, longest_s)
        site.submit(jobs_of_all_sizes(jobs, random.Random(SEED)))  # their keys make it the same jobs
        work_off(site, jobs)
        # A call whose client died ends on the invoice when the twin notices.
        eventually(lambda: len(invoice_of(twin.address)) >= jobs)
        check_the_outcome(site, twin.address, jobs)
    return toll


@pytest.mark.timeout(180)
def test_four_kills_lose_nothing_and_answer_nothing_twice() -> None:
    with short_folder() as folder:
        toll = survive(folder, jobs=120, kills=4, longest_s=1.2)
        assert toll.kills == 4
        assert any(call.state == "unknown" for call in calls_of(folder / "store.db"))


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_fifty_kills_lose_nothing_and_answer_nothing_twice() -> None:
    with short_folder() as folder:
        toll = survive(folder, jobs=500, kills=50, longest_s=1.0)
        assert toll.kills == 50
        assert toll.while_starting > 0
        calls = calls_of(folder / "store.db")
        unknown = sum(call.state == "unknown" for call in calls)
        assert unknown >= 50
        print(f"\n{toll}, {len(calls)} calls, {unknown} of them unknown")
