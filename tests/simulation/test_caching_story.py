"""A Tuesday of the story's month: eleven workflows through the whole daemon, and what their prefixes cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.caching.month import CACHING, LEVERS, config_of, one_day
from claudeflow.config import load_config
from claudeflow.domain.prompt import PromptTemplate
from claudeflow.prompts import render
from claudeflow.simulation.arrivals import arrivals
from claudeflow.simulation.examples import shipped_scenarios
from claudeflow.simulation.prompts import read_back
from claudeflow.simulation.result import Result
from claudeflow.simulation.scenario import load_scenario
from claudeflow.twin.billing import price_of
from claudeflow.twin.models import find_model
from claudeflow.twin.prefix import read_prefix

pytestmark = pytest.mark.timeout(300)
TUESDAY = "2026-11-03"
USD = 1_000_000_000
ONE_PERCENT = 1.01


@pytest.fixture(scope="module")
def tuesday(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The day by caching alone."""
    return one_day(CACHING, TUESDAY, tmp_path_factory.mktemp("own"))


def test_eleven_workflows_write_each_prefix_once_in_its_lifetime(tuesday: Result) -> None:
    witness = tuesday.witness
    assert witness is not None
    assert len(tuesday.workflows) == 11
    assert witness.needless_cache_writes == 0
    assert witness.cache_writes <= 60


def test_caching_alone_cuts_the_bill_by_38_percent_although_all_is_new(tuesday: Result) -> None:
    assert tuesday.totals.succeeded >= 0.99 * tuesday.totals.submitted > 900
    assert (tuesday.totals.caching_saved_share or 0.0) >= 0.38


def test_no_workflow_pays_more_for_trying_than_a_percent_of_a_hundred_calls(tuesday: Result) -> None:
    for work in tuesday.workflows:
        hundreds = max(1.0, 100 / work.calls)
        excess = work.cost_nanousd - work.uncached_nanousd
        assert excess <= 0.01 * work.uncached_nanousd * hundreds, work.name


def test_the_result_tells_the_money_by_workflow(tuesday: Result) -> None:
    totals, works = tuesday.totals, tuesday.workflows
    assert sum(work.cost_nanousd for work in works) == totals.cost_nanousd
    assert totals.plain_nanousd == totals.uncached_nanousd > totals.unbatched_nanousd == totals.cost_nanousd
    assert totals.cache_write_tokens == totals.cache_write_5m_tokens + totals.cache_write_1h_tokens


def test_the_chosen_ttl_costs_no_more_than_either_fixed_one(tuesday: Result, tmp_path: Path) -> None:
    fixed = [one_day(lever, TUESDAY, tmp_path).totals for lever in ("ttl-5m", "ttl-1h")]
    assert {work.uncached_nanousd for work in fixed} == {tuesday.totals.uncached_nanousd}
    assert tuesday.totals.cost_nanousd <= ONE_PERCENT * min(work.cost_nanousd for work in fixed)


def test_the_months_bill_without_any_lever_is_580_dollars() -> None:
    """Input by the simulated API's own count; answers as long as their jobs ask for."""
    scenario = load_scenario(shipped_scenarios()["story-month"])
    prompts = {prompt.name: read_back(prompt)[0] for prompt in scenario.prompts}
    total = 0
    for arrival in arrivals(scenario):
        request = _request_of(arrival.job, prompts)
        model = find_model(request["model"])
        assert model is not None
        prompt = read_prefix(request, model, "").total_tokens
        price = price_of(model, prompt, scenario.starts.timestamp())
        total += prompt * price.input + _answer_tokens(request) * price.output
    assert total / USD == pytest.approx(580, abs=1.0)


def _request_of(job: Mapping[str, Any], prompts: Mapping[str, PromptTemplate | None]) -> dict[str, Any]:
    """What a job asks for when it goes alone."""
    if "request" in job:
        return dict(job["request"])
    template = prompts[job["prompt"]]
    assert template is not None
    return dict(render(template, job["input"]))


def _answer_tokens(request: dict[str, Any]) -> int:
    [asked] = [message["content"] for message in request["messages"]]
    assert isinstance(asked, str)
    most: int = request["max_tokens"]
    return min(int(asked.rpartition("[[answer ")[2].split()[0]), most)


@pytest.mark.parametrize("lever", LEVERS)
def test_each_configuration_of_caching_takes_one_rule_of_it_away_and_uses_nothing_else(lever: str) -> None:
    config = load_config(config_of(lever))
    cache = config.cache
    taken = {
        "plain": not cache.enabled,
        "ttl-5m": cache.ttl == "5m",
        "ttl-1h": cache.ttl == "1h",
        "no-cold-prefix": not cache.cold_prefix,
    }
    assert [name for name, is_taken in taken.items() if is_taken] == [lever]
    assert not config.packs.enabled
    assert all(lane.batch == "never" for lane in config.lanes.values())
