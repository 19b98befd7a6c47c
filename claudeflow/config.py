"""Configuration: TOML → one frozen value. The only module that sees every setting.

The settings of a part live beside that part. All mistakes are reported at once, each with its key
path, what was found and what is allowed. Secrets do not belong here: see `api_key`.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, ClassVar

import orjson
from annotated_types import Ge, Gt
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from claudeflow.claude.settings import ClaudeSettings
from claudeflow.domain.errors import ConfigError, Mistake
from claudeflow.observe.settings import LogSettings
from claudeflow.policy.limiter import LimiterSettings, PoolLimits
from claudeflow.policy.pricing import PriceTable
from claudeflow.policy.retry import RetrySettings
from claudeflow.policy.scheduler import LaneSettings

KEY_VARIABLE = "ANTHROPIC_API_KEY"
KEY_CREDENTIAL = "anthropic-api-key"
_LANE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the store is. The file belongs to the daemon alone."""

    path: str = "/var/lib/claudeflow/claudeflow.db"


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """The Unix socket: `mode` in octal, `group` owns it when named. systemd's socket goes first."""

    path: str = "/run/claudeflow/claudeflow.sock"
    mode: str = "0660"
    group: str = ""


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """`grace_s`: how long calls may go on after SIGTERM. `lease_s`: how long a claim holds unrenewed."""

    grace_s: Annotated[float, Ge(0)] = 60.0
    lease_s: Annotated[float, Gt(3)] = 60.0


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """`folder` holds one folder per prompt template; empty for none."""

    folder: str = ""


@dataclass(frozen=True, slots=True)
class PriceSettings:
    """`file` adds to or overrides the prices that come with claudeflow; empty for none."""

    file: str = ""


def _default_lanes() -> dict[str, LaneSettings]:
    return {
        "interactive": LaneSettings(weight=8.0, retry_window_s=300.0),
        "standard": LaneSettings(weight=3.0),
        "bulk": LaneSettings(weight=1.0, retry_window_s=86_400.0),
    }


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set. `pools` overrides `limits` for single pools."""

    default_lane: str = "standard"
    store: StoreSettings = field(default_factory=StoreSettings)
    socket: SocketSettings = field(default_factory=SocketSettings)
    daemon: DaemonSettings = field(default_factory=DaemonSettings)
    log: LogSettings = field(default_factory=LogSettings)
    api: ClaudeSettings = field(default_factory=ClaudeSettings)
    prompts: PromptSettings = field(default_factory=PromptSettings)
    prices: PriceSettings = field(default_factory=PriceSettings)
    limits: PoolLimits = field(default_factory=PoolLimits)
    pools: dict[str, PoolLimits] = field(default_factory=dict)
    limiter: LimiterSettings = field(default_factory=LimiterSettings)
    retry: RetrySettings = field(default_factory=RetrySettings)
    lanes: dict[str, LaneSettings] = field(default_factory=_default_lanes)

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


_ADAPTER = TypeAdapter(Config)


def load_config(path: Path) -> Config:
    """The configuration in a file. Raises ConfigError with every mistake."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise ConfigError(str(path), [Mistake("", f"not UTF-8 (byte {problem.start})")]) from problem
    except OSError as problem:
        raise ConfigError(
            str(path), [Mistake("", f"{problem.strerror}; name another with --config")]
        ) from problem
    return parse_config(text, str(path))


def parse_config(text: str, source: str) -> Config:
    """The configuration in a text. Raises ConfigError with every mistake."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(source, [Mistake("", f"not TOML: {problem}")]) from problem
    mistakes = [_secret_mistake(key) for key in _secrets_in(tables)]
    try:
        config = _ADAPTER.validate_json(orjson.dumps(tables, default=str), strict=True)
    except ValidationError as problem:
        mistakes += [_mistake(error) for error in problem.errors() if not _is_secret_key(error["loc"])]
        raise ConfigError(source, mistakes) from problem
    mistakes += _cross_checks(config, tables)
    if mistakes:
        raise ConfigError(source, mistakes)
    return config


def load_prices(settings: PriceSettings) -> PriceTable:
    """The price table that ships with claudeflow, with the user's file over it. Raises ConfigError."""
    shipped = resources.files("claudeflow").joinpath("prices.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(shipped)
    if settings.file:
        try:
            own = tomllib.loads(Path(settings.file).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
            raise ConfigError(settings.file, [Mistake("prices.file", str(problem))]) from problem
        tables = _merged_prices(tables, own)
    try:
        return PriceTable.from_toml_dict(tables)
    except ValueError as problem:
        raise ConfigError(settings.file or "prices.toml", [Mistake("", str(problem))]) from problem


def _merged_prices(shipped: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    rows = own.get("model", [])
    if not isinstance(rows, list):
        return own
    replaced = {row.get("id") for row in rows if isinstance(row, dict)}
    kept = [row for row in shipped["model"] if row["id"] not in replaced]
    return {**shipped, **own, "model": [*kept, *rows]}


def api_key(environ: Mapping[str, str] = os.environ) -> str | None:
    """The API key: systemd's credential first, then the environment; None when there is none."""
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if folder:
        file = Path(folder) / KEY_CREDENTIAL
        if file.exists():
            return file.read_text(encoding="utf-8").strip() or None
    return environ.get(KEY_VARIABLE, "").strip() or None


def as_dict(config: Config) -> dict[str, Any]:
    """The configuration as plain values."""
    return asdict(config)


def to_toml(config: Config) -> str:
    """The configuration as TOML; keys at their default are marked."""
    return "\n".join(_toml_lines(config, Config(), ())) + "\n"


def _toml_lines(value: Any, default: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Scalars first, then tables, as TOML wants it."""
    entries = (
        value.items()
        if isinstance(value, dict)
        else [(f.name, getattr(value, f.name)) for f in fields(value)]
    )
    tables = [(key, entry) for key, entry in entries if is_dataclass(entry) or isinstance(entry, dict)]
    scalars = [(key, entry) for key, entry in entries if (key, entry) not in tables]
    if path and scalars:
        yield f"\n[{'.'.join(path)}]"
    for key, entry in scalars:
        mark = "  # default" if entry == _member(default, key) else ""
        yield f"{key} = {orjson.dumps(entry).decode()}{mark}"
    for key, entry in tables:
        yield from _toml_lines(entry, _member(default, key), (*path, key))


def _member(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else getattr(value, key, None)


def _mistake(error: ErrorDetails) -> Mistake:
    path = ".".join(str(part) for part in error["loc"])
    if error["type"] == "unexpected_keyword_argument":
        return Mistake(path, f"no such key{_did_you_mean(error['loc'])}")
    found = f"; found {error['input']!r}" if not isinstance(error["input"], dict | list) else ""
    return Mistake(path, f"{error['msg'].removeprefix('Input ')}{found}")


def _did_you_mean(loc: tuple[int | str, ...]) -> str:
    node: Any = Config()
    for part in loc[:-1]:
        node = (
            next(iter(node.values()), LaneSettings())
            if isinstance(node, dict)
            else getattr(node, str(part), None)
        )
    names = [f.name for f in fields(node)] if is_dataclass(node) else []
    close = difflib.get_close_matches(str(loc[-1]), names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; allowed: {', '.join(names)}" if names else ""


def _cross_checks(config: Config, tables: dict[str, Any]) -> list[Mistake]:
    mistakes = [Mistake(path, "must be a finite number") for path in _not_finite(tables)]
    if not config.lanes:
        mistakes.append(Mistake("lanes", "name at least one lane"))
    elif config.default_lane not in config.lanes:
        mistakes.append(
            Mistake("default_lane", f"no lane {config.default_lane!r}; allowed: {', '.join(config.lanes)}")
        )
    mistakes += [
        Mistake(f"lanes.{name}", "lane names are lower-case letters, digits, '.', '_', '-', at most 64")
        for name in config.lanes
        if not _LANE_NAME.fullmatch(name)
    ]
    ceiling = config.limiter.ceiling
    if not ceiling.minimum <= ceiling.initial <= ceiling.maximum:
        mistakes.append(Mistake("limiter.ceiling", "minimum <= initial <= maximum must hold"))
    if not re.fullmatch(r"0?[0-7]{3}", config.socket.mode):
        mistakes.append(
            Mistake("socket.mode", f'must be an octal mode such as "0660"; found {config.socket.mode!r}')
        )
    return mistakes


def _not_finite(node: Any, path: str = "") -> list[str]:
    if isinstance(node, dict):
        return [hit for key, value in node.items() for hit in _not_finite(value, f"{path}.{key}".lstrip("."))]
    return [path] if isinstance(node, float) and not math.isfinite(node) else []


def _is_secret_key(loc: tuple[int | str, ...]) -> bool:
    return "key" in str(loc[-1]).lower()


def _secrets_in(node: Any, path: str = "") -> list[str]:
    """Key paths that look as if they held an API key."""
    if isinstance(node, dict):
        named = [f"{path}.{key}".lstrip(".") for key in node if "key" in str(key).lower()]
        return named + [
            hit for k, value in node.items() for hit in _secrets_in(value, f"{path}.{k}".lstrip("."))
        ]
    return [path] if isinstance(node, str) and node.startswith("sk-ant-") else []


def _secret_mistake(path: str) -> Mistake:
    return Mistake(
        path,
        f"keys do not belong into the configuration; use the credential {KEY_CREDENTIAL} or {KEY_VARIABLE}",
    )
