"""A hard budget over `kill -9`: what the dead left open counts at worst; a higher limit lets the rest go."""

from __future__ import annotations

import random
import signal
from typing import Any

import pytest

from claudeflow.twin.child import twin_process
from tests.e2e.test_crash import AT_ONCE, TWIN, jobs_of_all_sizes, kill_again_and_again, release_held_jobs
from tests.support.books import calls_of, disagreements, reading, states_of
from tests.support.processes import Site, daemon_at, eventually, invoice_of, short_folder

SEED = 20261123
JOBS = 150
CAP_USD = 0.12


def tables(limit_usd: float) -> dict[str, dict[str, Any]]:
    return {
        "lanes": {"standard": {"max_in_flight": AT_ONCE}},
        "retry": {"base_s": 0.05, "cap_s": 0.2},
        "budgets": {"team": {"limit_usd": limit_usd}},
    }


def spent_at_worst(site: Site) -> int:
    """Nano-dollars: settled, and everything that was reserved for what is not."""
    calls = calls_of(site.store)
    return sum(call.reserved_nanousd if call.cost_nanousd is None else call.cost_nanousd for call in calls)


def a_queued_job(site: Site) -> int:
    with reading(site.store) as raw:
        found: int = raw.execute("SELECT min(id) FROM jobs WHERE state = 'queued'").fetchone()[0]
    return found


def is_held_by_the_budget(site: Site) -> bool:
    if states_of(site.store).get("running"):
        return False
    said = site.cli("explain", str(a_queued_job(site)))
    return "budget team" in said.stdout and "raise it" in said.stdout


def survive(*, kills: int) -> None:
    chance = random.Random(SEED)
    with short_folder() as folder, twin_process(TWIN) as twin:
        site = Site(folder, twin.address, tables(CAP_USD))
        site.submit(jobs_of_all_sizes(JOBS, chance))
        kill_again_and_again(site, kills, chance, longest_s=0.8)
        assert spent_at_worst(site) <= CAP_USD * 1e9
        with daemon_at(site) as daemon:
            release_held_jobs(site)
            eventually(lambda: is_held_by_the_budget(site))
            assert spent_at_worst(site) <= CAP_USD * 1e9
            assert sum(invoice_of(twin.address).values()) <= CAP_USD * 1e9
            assert disagreements(site.store, invoice_of(twin.address)) == []
            print(
                f"\n{spent_at_worst(site) / CAP_USD / 1e9:.1%} of the cap at worst, {states_of(site.store)}"
            )
            site.configure(**tables(100 * CAP_USD))
            daemon.process.send_signal(signal.SIGHUP)
            eventually(lambda: states_of(site.store) == {"succeeded": JOBS}, patience_s=60)
            daemon.process.terminate()
            assert daemon.ended() == 0
        assert disagreements(site.store, invoice_of(twin.address)) == []


@pytest.mark.timeout(120)
def test_three_kills_do_not_take_a_budget_past_its_limit() -> None:
    survive(kills=3)


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_twenty_kills_do_not_take_a_budget_past_its_limit() -> None:
    survive(kills=20)
