"""Choices about caching, by the API's invoice: where it cannot pay, trying costs at most a percent."""

from __future__ import annotations

import pytest

from benchmarks.caching.cold import CASES, Case, crowd
from benchmarks.caching.cold import JOBS as CROWD
from benchmarks.caching.wrong import LOADS, Load, invoices

pytestmark = pytest.mark.timeout(120)
JOBS = 110
HARDLY = [load for load in LOADS if not load.pays]
PAYS = [load for load in LOADS if load.pays]
MOST_OF_PLAIN = {
    "gaps of seconds to hours": 0.75,
    "busy and quiet in turn": 0.65,
    "one every 20 seconds": 0.2,
    "one every ten minutes": 0.25,
}


@pytest.mark.parametrize("load", HARDLY, ids=lambda load: load.name)
def test_where_caching_cannot_pay_it_costs_at_most_a_percent(load: Load) -> None:
    costs = invoices(load, JOBS, ("auto", "none"))
    assert costs["auto"] <= 1.01 * costs["none"]


@pytest.mark.parametrize("load", PAYS, ids=lambda load: load.name)
def test_where_caching_pays_it_is_found_out(load: Load) -> None:
    costs = invoices(load, JOBS, ("auto", "none"))
    assert costs["auto"] <= MOST_OF_PLAIN[load.name] * costs["none"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_200_jobs_of_a_cold_prefix_write_it_once_unless_nobody_waits(case: Case) -> None:
    witness = crowd(case)
    assert witness.stats is not None
    assert len(witness.calls()) >= CROWD
    assert witness.depth()[-1][1] == 0
    assert (witness.stats.cache_writes == 1) is case.cold_prefix
    assert (witness.stats.needless_cache_writes == 0) is case.cold_prefix
