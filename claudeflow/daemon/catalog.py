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


def build_catalog(config: Config, prices: PriceTable) -> Catalog:
    """What can be submitted under this configuration. Raises ConfigError."""
    pools = {name: model.pool for model in prices.models.values() for name in (model.id, *model.aliases)}
    return Catalog(
        lanes=frozenset(config.lanes),
        default_lane=config.default_lane,
        pools=pools,
        prompts=_prompts(config),
        render=render,
    )


def _prompts(config: Config) -> Mapping[str, PromptTemplate]:
    if not config.prompts.folder:
        return {}
    try:
        return load_prompts(Path(config.prompts.folder))
    except PromptError as problem:
        raise ConfigError(config.prompts.folder, [Mistake("prompts.folder", str(problem))]) from problem


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
