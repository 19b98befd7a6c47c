"""From files to a checked configuration, the price list, and the API key."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from claudeflow.config.checks import cross_checks, mistake_of, never_allowed
from claudeflow.config.settings import Config, PriceSettings
from claudeflow.domain.errors import ConfigError, Mistake
from claudeflow.policy.pricing import PriceTable

KEY_VARIABLE = "ANTHROPIC_API_KEY"
KEY_CREDENTIAL = "anthropic-api-key"

_ADAPTER = TypeAdapter(Config)
_TOO_MUCH = "a number of more than 64 bits, or tables nested too deeply"
_KEY_PLACES = f"put it into the credential {KEY_CREDENTIAL} or into {KEY_VARIABLE}"


def load_config(path: Path) -> Config:
    """The configuration in a file. Raises ConfigError with every mistake."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise ConfigError(
            str(path), [Mistake("", f"not UTF-8 at byte {problem.start}; save it as UTF-8")]
        ) from problem
    except OSError as problem:
        reason = problem.strerror or "cannot be read"
        raise ConfigError(str(path), [Mistake("", f"{reason}; name another with --config")]) from problem
    return parse_config(text, str(path))


def parse_config(text: str, source: str) -> Config:
    """The configuration in a text. Raises ConfigError with every mistake."""
    try:
        tables = tomllib.loads(text)
        document = orjson.dumps(tables, default=str)
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(source, [Mistake("", f"not TOML: {problem}")]) from problem
    except (RecursionError, ValueError, orjson.JSONEncodeError) as problem:
        raise ConfigError(source, [Mistake("", _TOO_MUCH)]) from problem
    mistakes = never_allowed(tables, _KEY_PLACES)
    known = {mistake.field for mistake in mistakes}
    config = None
    try:
        config = _ADAPTER.validate_json(document, strict=True)
    except ValidationError as problem:
        found = [mistake_of(error) for error in problem.errors()]
        mistakes += [mistake for mistake in found if mistake.field not in known]
    mistakes += cross_checks(tables)
    if mistakes or config is None:
        raise ConfigError(source, mistakes)
    return config


def load_prices(settings: PriceSettings) -> PriceTable:
    """The price table that ships with claudeflow, with the user's file over it. Raises ConfigError."""
    shipped = resources.files("claudeflow").joinpath("prices.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(shipped)
    if settings.file:
        tables = _merged_prices(tables, _own_prices(settings.file))
    try:
        return PriceTable.from_toml_dict(tables)
    except ValueError as problem:
        source = settings.file or "prices.toml"
        raise ConfigError(source, [Mistake("", line) for line in str(problem).splitlines()]) from problem


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


def _merged_prices(shipped: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Own rows replace shipped ones with the same id."""
    rows = own.get("model", [])
    if not isinstance(rows, list):
        return own
    replaced = [row.get("id") for row in rows if isinstance(row, dict)]
    kept = [row for row in shipped["model"] if row["id"] not in replaced]
    return {**shipped, **own, "model": [*kept, *rows]}


def api_key(environ: Mapping[str, str] = os.environ) -> str | None:
    """The API key: systemd's credential first, then the environment; None when there is none.

    Raises ConfigError for a text that no header can carry: each call would fail its job.
    """
    file = Path(environ.get("CREDENTIALS_DIRECTORY", "")) / KEY_CREDENTIAL
    if environ.get("CREDENTIALS_DIRECTORY") and file.exists():
        source, key = f"the credential {KEY_CREDENTIAL}", file.read_text(encoding="utf-8", errors="replace")
    else:
        source, key = KEY_VARIABLE, environ.get(KEY_VARIABLE, "")
    key = key.strip()
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigError(source, [Mistake("API key", "must be one line of ASCII without spaces")])
    return key or None
