"""Live: a few small jobs on the real Claude API, with a bound on what they can cost."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from claudeflow.cli.demo.morning import Arrival, Job, morning
from claudeflow.cli.exits import Exit
from claudeflow.cli.job_text import dump
from claudeflow.cli.problems import Failure
from claudeflow.domain.money import NANO, usd

if TYPE_CHECKING:
    from claudeflow.domain.job import NewJob
    from claudeflow.policy.money.pricing import PriceTable

WORKFLOWS = ("ticket-triage", "helpdesk-routing")
"""Both on the cheapest model."""

DEFAULT_JOBS = 8
APART_S = 0.25
BASE_URL_VARIABLE = "ANTHROPIC_BASE_URL"


@dataclass(frozen=True, slots=True)
class LiveJobs:
    """Jobs for the real API, and the most they can cost in nano-dollars."""

    arrivals: Sequence[Arrival]
    bound_nanousd: int


def real_api() -> tuple[str, str]:
    """Base URL and key of the real API. Raises Failure without a key."""
    from claudeflow.claude.settings import ClaudeSettings
    from claudeflow.config import KEY_VARIABLE, find_key

    found = find_key()
    if found is None:
        text = f"--live calls the Claude API and needs a key: set {KEY_VARIABLE}"
        raise Failure(Exit.USAGE, text)
    return os.environ.get(BASE_URL_VARIABLE) or ClaudeSettings().base_url, found.key


def live_jobs(examples: Path, jobs: int, seed: int, budget_nanousd: int) -> LiveJobs:
    """As many of `jobs` as surely cost no more than `budget_nanousd`. Raises Failure when none fits."""
    chosen: list[Arrival] = []
    total = 0
    for job, bound in zip(*_priced(examples, jobs, seed), strict=True):
        if total + bound > budget_nanousd:
            break
        total += bound
        chosen.append(Arrival(len(chosen) * APART_S, job))
    if not chosen:
        text = f"--max-cost {usd(budget_nanousd, 6)} does not cover one job, which may cost {usd(bound, 6)}"
        raise Failure(Exit.USAGE, text)
    return LiveJobs(chosen, total)


def confirm(found: LiveJobs, wanted: int, base_url: str) -> None:
    """Ask whether to spend the money. Raises Failure when the answer is no."""
    count = len(found.arrivals)
    of_wanted = f" of {wanted} (more do not fit under --max-cost)" if count < wanted else ""
    click.echo(
        f"Jobs to send to {base_url}: {count}{of_wanted}.\n"
        f"Cost: {usd(found.bound_nanousd)} at most, and probably a small part of it.",
        err=True,
    )
    if not click.confirm("Go on?", default=False, err=True):
        raise Failure(Exit.FAILED, "nothing was sent")


def nanousd(dollars: float) -> int:
    """Dollars as nano-dollars."""
    return round(dollars * NANO)


def _priced(examples: Path, jobs: int, seed: int) -> tuple[list[Job], list[int]]:
    """Jobs of every cheap workflow in turn, and the most that one call for each can cost."""
    from claudeflow.config import Config, PriceSettings, PromptSettings, load_prices
    from claudeflow.daemon.catalog import build_catalog
    from claudeflow.intake.wire import parse_job

    prices = load_prices(PriceSettings())
    config = replace(Config(), prompts=PromptSettings(str(examples / "prompts")))
    catalog = build_catalog(config, prices)
    now_ms = time.time_ns() // 1_000_000
    chosen = list(islice(_in_turn(morning(examples, max(330, 10 * jobs), seed)), jobs))
    parsed = [parse_job(dump(job), catalog, now_ms=now_ms, submitted_by=None) for job in chosen]
    return chosen, [_most_nanousd(prices, job, now_ms) for job in parsed]


def _most_nanousd(prices: PriceTable, job: NewJob, now_ms: int) -> int:
    from claudeflow.policy.money.upper_bound import Asked, upper_bound

    asked = Asked(job.most_input_tokens, job.max_tokens, job.most_web_searches, job.terms, "1h")
    return upper_bound(prices, job.model, asked, now_ms)


def _in_turn(arrivals: Iterable[Arrival]) -> Iterable[Job]:
    arrivals = list(arrivals)
    by_workflow = [
        [arrival.job for arrival in arrivals if arrival.job["prompt"] == name] for name in WORKFLOWS
    ]
    return chain.from_iterable(zip(*by_workflow, strict=False))
