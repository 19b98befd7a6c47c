"""The prompts folder and its prompts, as a verb without a daemon sees them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.places import places_of
from claudeflow.cli.problems import Failure

if TYPE_CHECKING:
    from claudeflow.domain.prompt import PromptTemplate
    from claudeflow.policy.money.pricing import PriceTable

_META = "claudeflow.prompts.folder"


def remember_folder(context: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    """Keep what `--folder` says: it goes before the configuration."""
    del parameter
    if value is not None:
        context.meta[_META] = value


def prompts_folder(context: click.Context) -> Path:
    """The folder that was named, else that of the configuration. Raises Failure, ConfigError."""
    import tomllib

    named: Path | None = context.meta.get(_META)
    if named is not None:
        return named
    config = places_of(context).config_if_any
    folder = ""
    if config is not None:
        try:
            prompts = tomllib.loads(config.read_text(encoding="utf-8")).get("prompts", {})
        except PermissionError:
            raise
        except (OSError, ValueError) as error:
            raise Failure(Exit.BAD_CONFIG, f"{config}: {error}") from error
        folder = prompts.get("folder", "") if isinstance(prompts, dict) else ""
    if not isinstance(folder, str) or not folder:
        where = f"{config} names none" if config else "there is no configuration"
        raise Failure(Exit.USAGE, f"no prompts folder: name one ({where}: [prompts] folder)")
    return Path(folder)


def find_prompt(prompts: Mapping[str, PromptTemplate], name: str) -> PromptTemplate:
    """The prompt with this name. Raises Failure naming the one that may have been meant."""
    try:
        return prompts[name]
    except KeyError:
        raise Failure(Exit.NOT_FOUND, f"no prompt is named {name}{meant(name, prompts)}") from None


def prices_of(context: click.Context) -> PriceTable:
    """The price list of the configuration; the shipped one without any. Raises ConfigError."""
    from claudeflow.config import PriceSettings, load_config, load_prices

    config = places_of(context).config_if_any
    return load_prices(load_config(config).prices if config is not None else PriceSettings())


def minimum_of(prices: PriceTable, model: str) -> int | None:
    """The least tokens that a model caches; None when the price list does not know the model."""
    found = (info for info in prices.models.values() if model in (info.id, *info.aliases))
    return next((info.cache_minimum_tokens for info in found), None)


def meant(name: str, names: Iterable[str]) -> str:
    """The end of an error about an unknown name: the one that may have been meant, else all there are."""
    known = sorted(names)
    close = difflib.get_close_matches(name, known, n=1) or [one for one in known if name and name in one]
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f"; there are: {', '.join(known) or 'none'}"
