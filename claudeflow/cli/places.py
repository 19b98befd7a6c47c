"""Places: where the socket, the configuration and the store are, as options, environment and config say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from claudeflow.domain.errors import ConfigError, Mistake

DEFAULT_CONFIG = Path("/etc/claudeflow/claudeflow.toml")
DEFAULT_SOCKET = Path("/run/claudeflow/claudeflow.sock")
DEFAULT_STORE = Path("/var/lib/claudeflow/claudeflow.db")

_HELP = {
    "socket": "Socket of the daemon; without it, `[socket] path` of the configuration.",
    "config": f"Configuration file; without it, {DEFAULT_CONFIG}.",
}
_META = "claudeflow.places."

_Fn = TypeVar("_Fn", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Places:
    """What was said about places. `None` means that nothing was said."""

    socket_option: Path | None = None
    config_option: Path | None = None

    @property
    def config(self) -> Path:
        """The configuration file, whether or not it exists."""
        return self.config_option or DEFAULT_CONFIG

    @property
    def config_if_any(self) -> Path | None:
        """The configuration file; None when nobody named one and the default does not exist."""
        return self.config if self.config_option or DEFAULT_CONFIG.exists() else None

    def socket(self) -> Path:
        """The daemon's socket. Raises ConfigError."""
        return self.socket_option or self._from_config("socket", DEFAULT_SOCKET)

    def store(self) -> Path:
        """The daemon's store. Raises ConfigError."""
        return self._from_config("store", DEFAULT_STORE)

    def _from_config(self, table: str, default: Path) -> Path:
        path = self.config_if_any
        if path is None:
            return default
        section = _read(path).get(table, {})
        value = section.get("path", str(default)) if isinstance(section, dict) else None
        if not isinstance(value, str) or not value:
            raise ConfigError(str(path), [Mistake(f"{table}.path", "must be a path in quotes")])
        return Path(value)


def _read(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except PermissionError:
        raise
    except OSError as error:
        raise ConfigError(str(path), [Mistake("", error.strerror or "cannot be read")]) from error
    except ValueError as error:
        raise ConfigError(str(path), [Mistake("", str(error))]) from error


def places_of(context: click.Context) -> Places:
    """The places that the options before and after the verb name."""
    return Places(context.meta.get(_META + "socket"), context.meta.get(_META + "config"))


def places_options(
    *names: str, environment: bool = False, helps: Mapping[str, str] = _HELP
) -> Callable[[_Fn], _Fn]:
    """Add `--config`, `--socket` or both. The group's read the environment, a verb's override the group's."""

    def decorate(function: _Fn) -> _Fn:
        for name in reversed(names):
            variable = f"CLAUDEFLOW_{name.upper()}"
            function = click.option(
                f"--{name}",
                type=click.Path(readable=False, path_type=Path),
                metavar="PATH",
                callback=_remember,
                expose_value=False,
                envvar=variable if environment else None,
                show_envvar=environment,
                help=helps[name] if environment else f"{helps[name]}  [env var: {variable}]",
            )(function)
        return function

    return decorate


def _remember(context: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.meta[f"{_META}{parameter.name}"] = value
