"""The shelf: the catalog in force, and every template version that jobs may have been parsed with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from claudeflow.config import Config
from claudeflow.domain.errors import ConfigError, Mistake, PromptError
from claudeflow.domain.job import NewJob
from claudeflow.domain.prompt import PromptTemplate
from claudeflow.intake.catalog import Catalog
from claudeflow.policy.money.pricing import PriceTable
from claudeflow.prompts import load_prompts, render, to_json
from claudeflow.prompts.lint import Finding, lint_prompts, team_settings


def build_catalog(config: Config, prices: PriceTable) -> Catalog:
    """What can be submitted under this configuration. Raises ConfigError."""
    pools = pools_of(prices)
    prompts = read_prompts(config)
    check_fallbacks(config, prompts, pools)
    return Catalog(
        lanes=frozenset(config.lanes),
        default_lane=config.default_lane,
        pools=pools,
        prompts=prompts,
        render=render,
        fallbacks=config.fallback,
        contexts={
            name: model.context_tokens
            for model in prices.models.values()
            for name in (model.id, *model.aliases)
        },
        cache_minimums={
            name: model.cache_minimum_tokens
            for model in prices.models.values()
            for name in (model.id, *model.aliases)
        },
    )


def pools_of(prices: PriceTable) -> dict[str, str]:
    """The pool of each model that has a price, by id and alias."""
    return {name: model.pool for model in prices.models.values() for name in (model.id, *model.aliases)}


def check_fallbacks(config: Config, prompts: Mapping[str, PromptTemplate], pools: Mapping[str, str]) -> None:
    """Each fallback must have a price. Raises ConfigError."""
    named = [
        (f"fallback.{model}", name) for model, cheaper in config.fallback.items() for name in (model, cheaper)
    ]
    named += [
        (f"prompt {name}: fallback", found.fallback) for name, found in prompts.items() if found.fallback
    ]
    mistakes = [Mistake(where, f"{name} has no price") for where, name in named if name not in pools]
    if mistakes:
        raise ConfigError("configuration", mistakes)


def read_prompts(config: Config) -> Mapping[str, PromptTemplate]:
    """The prompt templates of the configured folder, by name; none without a folder.

    With `[prompts] strict` a leak in a stable part is a mistake like any other. Raises ConfigError.
    """
    if not config.prompts.folder:
        return {}
    folder = Path(config.prompts.folder)
    try:
        prompts = load_prompts(folder)
        team_settings(folder)
        leaks = lint_prompts(folder) if config.prompts.strict else []
    except PromptError as problem:
        raise ConfigError(config.prompts.folder, [Mistake("prompts.folder", str(problem))]) from problem
    if leaks:
        raise ConfigError(config.prompts.folder, [_mistake(leak) for leak in leaks])
    return prompts


def _mistake(leak: Finding) -> Mistake:
    """A leak without its text, which does not belong into a log."""
    return Mistake("", f"{leak.file}:{leak.line}:{leak.column}: {leak.rule}: {leak.what}; {leak.move}")


class CatalogShelf:
    """Holds the catalog; a reload puts a new one up while jobs of the old one are still coming in."""

    def __init__(self, catalog: Catalog) -> None:
        self._templates: dict[str, bytes] = {}
        self.put_up(catalog)

    def put_up(self, catalog: Catalog) -> None:
        """From now on this is what can be asked for."""
        self.catalog = catalog
        self._templates |= {template.version: to_json(template) for template in catalog.prompts.values()}

    def templates_of(self, jobs: Iterable[NewJob]) -> dict[str, bytes]:
        """The JSON of each template version that the jobs name."""
        versions = {job.prompt.version for job in jobs if job.prompt is not None}
        return {version: self._templates[version] for version in versions}
