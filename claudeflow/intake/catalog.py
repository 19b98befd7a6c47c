"""The catalog: what producers may ask for, as the configuration and the prompt folders say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from claudeflow.domain.prompt import PromptTemplate
from claudeflow.policy.access.defaults import usual_place
from claudeflow.policy.access.grants import Standing

Render = Callable[[PromptTemplate, Mapping[str, Any]], Mapping[str, Any]]
"""Template and variables → Messages body. Raises PromptError naming a missing variable."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """What can be submitted now.

    `pools` maps every model that has a price to the pool whose limits it shares;
    `cache_minimums` are their shortest cacheable prefixes in tokens;
    `fallbacks` names cheaper models that may answer instead, `contexts` how many tokens each model takes;
    `lanes` are the configured lane names, `default_lane` and `default_workflow` those of jobs that name none.
    """

    lanes: frozenset[str]
    default_lane: str
    pools: Mapping[str, str]
    prompts: Mapping[str, PromptTemplate]
    render: Render
    max_body_bytes: int = 32 * 1024 * 1024
    cache_minimums: Mapping[str, int] = field(default_factory=dict)
    fallbacks: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, int] = field(default_factory=dict)
    default_workflow: str = "default"

    def as_for(self, by: Standing) -> Catalog:
        """What this caller can submit: the lane and workflow of jobs that name none are its own."""
        lane, workflow = usual_place(by, self.default_lane, self.default_workflow, self.lanes)
        if (lane, workflow) == (self.default_lane, self.default_workflow):
            return self
        return replace(self, default_lane=lane, default_workflow=workflow)
