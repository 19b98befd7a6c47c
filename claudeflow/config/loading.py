"""From files to a checked configuration and the price list."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from claudeflow.config.checks import cross_checks, never_allowed
from claudeflow.config.keys import KEY_CREDENTIAL, KEY_VARIABLE
from claudeflow.config.settings import Config, PriceSettings
from claudeflow.config.tables import parse_toml, read_text, validate
from claudeflow.domain.errors import ConfigError, Mistake
from claudeflow.policy.money.price_list import read_price_list
from claudeflow.policy.money.pricing import PriceTable

_KEY_PLACES = (
    f"put it into the credential {KEY_CREDENTIAL}, into {KEY_VARIABLE}, or into the file of `[api] key_file`"
)


def load_config(path: Path) -> Config:
    """The configuration in a file. Raises ConfigError with every mistake."""
    return parse_config(read_text(path, "name another with --config"), str(path))


def parse_config(text: str, source: str) -> Config:
    """The configuration in a text. Raises ConfigError with every mistake."""
    return config_of(parse_toml(text, source), source)


def config_of(tables: Mapping[str, Any], source: str) -> Config:
    """The configuration in tables as TOML gives them. Raises ConfigError with every mistake."""
    mistakes = never_allowed(tables, _KEY_PLACES)
    known = {mistake.field for mistake in mistakes}
    config, found = validate(Config, tables)
    mistakes += [mistake for mistake in found if mistake.field not in known]
    mistakes += cross_checks(tables)
    if mistakes or config is None:
        raise ConfigError(source, mistakes)
    return config


def sound_parts(tables: Mapping[str, Any]) -> Config:
    """The configuration without those of its tables that have mistakes, which have their defaults."""
    parts = {}
    for name, value in tables.items():
        config, _ = validate(Config, {name: value})
        if config is not None:
            parts[name] = getattr(config, name)
    return Config(**parts)


def load_prices(settings: PriceSettings) -> PriceTable:
    """The price table that ships with claudeflow, with the user's file over it. Raises ConfigError."""
    tables, kept = _shipped_tables(), 0
    if settings.file:
        tables, kept = _merged_prices(tables, _own_prices(settings.file))
    try:
        return read_price_list(tables, kept)
    except ValueError as problem:
        source = settings.file or "prices.toml"
        raise ConfigError(source, [Mistake("", line) for line in str(problem).splitlines()]) from problem


def shipped_prices() -> PriceTable:
    """The price table that ships with claudeflow, whatever else is configured."""
    return read_price_list(_shipped_tables())


def own_price_ids(settings: PriceSettings) -> list[str]:
    """The models in the user's price file, in its order. Raises ConfigError."""
    rows = _own_prices(settings.file).get("model", []) if settings.file else []
    return [row["id"] for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]


def _shipped_tables() -> dict[str, Any]:
    return tomllib.loads(resources.files("claudeflow").joinpath("prices.toml").read_text(encoding="utf-8"))


def _own_prices(file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as problem:
        message = f"not TOML: {problem}"
    except RecursionError:
        message = "nested too deeply"
    except UnicodeDecodeError as problem:
        message = f"not UTF-8 at byte {problem.start}"
    except OSError as problem:
        message = problem.strerror or "cannot be read"
    raise ConfigError(file, [Mistake("", f"{message}; it is the file of `[prices] file`")])


def _merged_prices(shipped: dict[str, Any], own: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Own rows replace shipped ones with the same id. And how many shipped ones stand before them."""
    rows = own.get("model", [])
    if not isinstance(rows, list):
        return own, 0
    replaced = [row.get("id") for row in rows if isinstance(row, dict)]
    kept = [row for row in shipped["model"] if row["id"] not in replaced]
    return {**shipped, **own, "model": [*kept, *rows]}, len(kept)
