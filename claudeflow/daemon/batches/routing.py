"""Routing: which new and moved jobs go by a batch, by what their lanes want and how long batches take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import orjson

from claudeflow.daemon.shared import Shared
from claudeflow.domain.batch import ItemKind
from claudeflow.domain.job import Candidate, NewJob
from claudeflow.policy.batching.routing import (
    JobFacts,
    Requeue,
    Route,
    refused_in_batches,
    route,
    route_again,
)
from claudeflow.policy.batching.settings import BatchPolicy
from claudeflow.policy.lanes.settings import LaneSettings

NEVER = "never"

Ended = Literal[ItemKind.CANCELED, ItemKind.EXPIRED]
"""How a request ends unanswered."""


def routed(shared: Shared, jobs: Sequence[NewJob]) -> Sequence[NewJob]:
    """New jobs, each marked when it is to go by a batch."""
    if all(lane.batch == NEVER for lane in shared.config.lanes.values()):
        return jobs
    return [replace(job, batched=_goes_by_batch(shared, job)) for job in jobs]


def facts_of(candidate: Candidate, returned: int) -> JobFacts:
    """What the route of a job in the queue depends on."""
    return JobFacts(candidate.input_bytes, candidate.deadline_ms, candidate.terms, returned=returned)


def goes_by_batch(shared: Shared, lane: str, facts: JobFacts) -> bool:
    """Whether a job of a lane goes by a batch now."""
    return route_of(shared, lane, facts).batched


def route_of(shared: Shared, lane: str, facts: JobFacts) -> Route:
    """Which way a job of a lane goes now, and why."""
    completion_s = shared.batches.completion.expected_s()
    return route(policy_of(shared, lane), facts, completion_s, shared.clock.epoch_ms(), shared.config.batches)


def route_back(shared: Shared, lane: str, facts: JobFacts, ended: Ended) -> Requeue:
    """Which way a job goes that a batch gave back unanswered."""
    completion_s, now_ms = shared.batches.completion.expected_s(), shared.clock.epoch_ms()
    policy = policy_of(shared, lane)
    return route_again(policy, facts, completion_s, now_ms, shared.config.batches, ended=ended)


def policy_of(shared: Shared, lane: str) -> BatchPolicy:
    """Which jobs of a lane go by batches; none of one that is not configured any more."""
    return shared.config.lanes.get(lane, LaneSettings()).batch


def _goes_by_batch(shared: Shared, job: NewJob) -> bool:
    if policy_of(shared, job.lane) == NEVER or job.attended is not None:
        return False
    refused = None if job.prompt is not None else refused_in_batches(_object(job.body))
    facts = JobFacts(job.input_bytes, job.deadline_ms, job.terms, refused=refused)
    return goes_by_batch(shared, job.lane, facts)


def _object(body: bytes) -> dict[str, Any]:
    found = orjson.loads(body)
    return found if isinstance(found, dict) else {}
