"""Scenario: a period of work for one claudeflow, with the API it meets. TOML → one frozen value.

docs/simulate.md describes the file. All mistakes are reported at once, each with its key path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

from annotated_types import MinLen
from pydantic import PlainValidator

from claudeflow.config import Config, PriceSettings, PromptSettings, config_of, load_config, load_prices
from claudeflow.config.checks import never_allowed
from claudeflow.config.tables import parse_toml, read_text, validate
from claudeflow.daemon.catalog import build_catalog
from claudeflow.domain.errors import ConfigError, Mistake
from claudeflow.intake.catalog import Catalog
from claudeflow.simulation.apiside import read_api
from claudeflow.simulation.prompts import PromptFolder, prompt_of
from claudeflow.simulation.when import Period, read_duration, read_start, read_zone
from claudeflow.simulation.workflow import Workflow
from claudeflow.simulation.workloads import Surroundings, read_workflows
from claudeflow.twin.settings import TwinSettings

_UTC = ZoneInfo("UTC")
_NO_KEY = "a scenario needs none, its API is simulated"


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is simulated. `starts` is local time in `zone`; `twin` is the API's side of it."""

    name: str
    description: str
    seed: int
    starts: datetime
    zone: ZoneInfo
    duration_s: float
    twin: TwinSettings
    config: Config
    workflows: tuple[Workflow, ...]

    @property
    def period(self) -> Period:
        """Its stretch of time."""
        return Period(self.starts, self.zone, self.duration_s)

    @property
    def prompts(self) -> tuple[PromptFolder, ...]:
        """The prompts that are written for it, beside those of the configuration."""
        return tuple(prompt_of(workflow) for workflow in self.workflows if workflow.schema is not None)


@dataclass(frozen=True, slots=True)
class _File:
    """The plain keys of a scenario file. Each table is read on its own, so that all tell their mistakes."""

    name: Annotated[str, MinLen(1)]
    starts: Annotated[datetime, PlainValidator(read_start)]
    duration: Annotated[float, PlainValidator(read_duration)]
    description: str = ""
    seed: int = 0
    zone: Annotated[ZoneInfo, PlainValidator(read_zone)] = _UTC
    api: Any = None
    fault: Any = None
    consumer: Any = None
    change: Any = None
    config: Any = None
    workflow: Any = None

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


def load_scenario(path: Path, config_file: Path | None = None) -> Scenario:
    """The scenario in a file, with another configuration when one is named. Raises ConfigError."""
    text = read_text(path, "name a scenario, or see --list")
    return parse_scenario(text, str(path), path.parent, config_file)


def parse_scenario(text: str, source: str, folder: Path, config_file: Path | None = None) -> Scenario:
    """The scenario in a text; `folder` is where its relative paths begin. Raises ConfigError."""
    tables = parse_toml(text, source)
    file, mistakes = validate(_File, tables)
    mistakes += never_allowed({key: value for key, value in tables.items() if key != "starts"}, _NO_KEY)
    config, found = _read_config(config_file or tables.get("config"), folder)
    mistakes += found
    period = Period(file.starts.replace(tzinfo=file.zone), file.zone, file.duration) if file else None
    twin, found = read_api(tables, period)
    mistakes += found
    catalog, found = _catalog(config)
    mistakes += found
    workflows, found = read_workflows(tables.get("workflow"), Surroundings(folder, catalog))
    mistakes += found
    if mistakes or file is None or period is None:
        raise ConfigError(source, mistakes)
    return Scenario(
        name=file.name,
        description=file.description,
        seed=file.seed,
        starts=period.starts,
        zone=period.zone,
        duration_s=period.duration_s,
        twin=replace(twin, seed=file.seed, epoch_s=period.starts.timestamp()),
        config=config,
        workflows=workflows,
    )


def _read_config(config: Any, folder: Path) -> tuple[Config, list[Mistake]]:
    """The configuration of a file, of a table, or the default one; and what is wrong with it."""
    try:
        match config:
            case None:
                return Config(), []
            case Path():
                return _beside(load_config(config), config.parent), []
            case str():
                return _beside(load_config(folder / config), (folder / config).parent), []
            case {}:
                return _beside(config_of(config, "config"), folder), []
    except ConfigError as error:
        prefix = "config." if isinstance(config, Mapping) else f"{error.source}: "
        return Config(), [Mistake(f"{prefix}{mistake.field}", mistake.message) for mistake in error.mistakes]
    return Config(), [Mistake("config", "must be the path of a configuration file, or a table")]


def _beside(config: Config, folder: Path) -> Config:
    """The configuration with the paths that it reads from beginning in `folder`."""
    prompts, prices = config.prompts.folder, config.prices.file
    return replace(
        config,
        prompts=PromptSettings(str(folder / prompts)) if prompts else config.prompts,
        prices=PriceSettings(str(folder / prices)) if prices else config.prices,
    )


def _catalog(config: Config) -> tuple[Catalog, list[Mistake]]:
    """What the daemon would take under a configuration."""
    try:
        return build_catalog(config, load_prices(config.prices)), []
    except ConfigError as error:
        mistakes = [Mistake(f"config: {error.source}", mistake.message) for mistake in error.mistakes]
        return build_catalog(Config(), load_prices(PriceSettings())), mistakes
