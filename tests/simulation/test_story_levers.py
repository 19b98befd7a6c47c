"""The levers of the story's month: which configuration pulls which, and what that does to a Thursday."""

from __future__ import annotations

import pytest

from benchmarks.caching.month import CACHING, STORY, config_of, one_day
from claudeflow.config import Config, load_config
from claudeflow.simulation.examples import shipped_scenarios
from claudeflow.simulation.result import Result, Work
from claudeflow.simulation.scenario import load_scenario

pytestmark = pytest.mark.timeout(300)
THURSDAY = "2026-11-05"

LEVERS = {
    "plain": set(),
    "caching": {"caching"},
    "caching-packs": {"caching", "packs"},
    "caching-batches": {"caching", "batches"},
    "no-caching": {"packs", "batches"},
    "best": {"caching", "packs", "batches"},
}


def pulled(config: Config) -> set[str]:
    return {
        name
        for name, is_pulled in {
            "caching": config.cache.enabled,
            "packs": config.packs.enabled,
            "batches": any(lane.batch != "never" for lane in config.lanes.values()),
        }.items()
        if is_pulled
    }


@pytest.fixture(scope="module")
def thursday(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The day with every lever."""
    return one_day(None, THURSDAY, tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The day by caching alone."""
    return one_day(CACHING, THURSDAY, tmp_path_factory.mktemp("caching"))


def the(name: str, works: tuple[Work, ...]) -> Work:
    return next(work for work in works if work.name == name)


@pytest.mark.parametrize("name", LEVERS)
def test_a_configuration_beside_the_month_pulls_the_levers_of_its_name(name: str) -> None:
    assert pulled(load_config(config_of(name))) == LEVERS[name]


def test_the_month_itself_pulls_every_lever() -> None:
    assert pulled(load_scenario(shipped_scenarios()[STORY]).config) == {"caching", "packs", "batches"}


def test_every_configuration_can_play_the_month() -> None:
    scenario = shipped_scenarios()[STORY]
    for config in sorted((scenario.parent / STORY).glob("*.toml")):
        assert len(load_scenario(scenario, config).workflows) == 11


def test_the_bulk_lane_goes_by_batches_and_nothing_else_does(thursday: Result) -> None:
    for lane in thursday.lanes:
        assert lane.batched == (lane.calls if lane.name == "bulk" else 0)
    bulk = the("bulk", thursday.lanes)
    assert bulk.unbatched_nanousd == 2 * bulk.cost_nanousd > 0
    assert bulk.expired == bulk.failed == 0


def test_only_structured_answers_share_calls(thursday: Result) -> None:
    packed = {work.name for work in thursday.workflows if work.packs}
    assert packed >= {"advisory-triage", "vendor-questionnaire"}
    assert packed <= {"advisory-triage", "vendor-questionnaire", "ticket-triage"}


def test_every_lever_together_costs_a_tenth_less_than_caching_alone(thursday: Result, cached: Result) -> None:
    assert thursday.totals.submitted == cached.totals.submitted
    assert thursday.totals.succeeded >= 0.98 * thursday.totals.submitted
    assert thursday.totals.cost_nanousd <= 0.9 * cached.totals.cost_nanousd


def test_the_api_has_billed_what_the_books_tell_and_what_is_under_way(thursday: Result) -> None:
    assert thursday.witness is not None
    under_way = thursday.witness.invoice_nanousd - thursday.totals.cost_nanousd
    assert 0 <= under_way <= 0.02 * thursday.totals.cost_nanousd
