"""Every mistake of a configuration at once: of its file, and of all that the file names."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from claudeflow.config import Config, config_of, load_prices, sound_parts
from claudeflow.daemon.access.grants import build_grants
from claudeflow.daemon.catalog import check_fallbacks, pools_of, read_prompts
from claudeflow.domain.errors import ConfigError
from claudeflow.policy.access.grants import Grantee
from claudeflow.policy.access.settings import GrantSettings

T = TypeVar("T")


def find_mistakes(tables: Mapping[str, Any], source: str) -> list[ConfigError]:
    """What is wrong in the tables, and in the price list, the prompts, the users and groups they name.

    Parts of the configuration are looked into also where others are wrong.
    """
    found = _Found()
    found.of(lambda: config_of(tables, source))
    parts = sound_parts(tables)
    prices = found.of(lambda: load_prices(parts.prices))
    prompts = found.of(lambda: read_prompts(parts))
    if prices is not None:
        pools = pools_of(prices)
        found.of(lambda: check_fallbacks(parts, prompts or {}, pools))
    found.of(lambda: build_grants({name: GrantSettings() for name in _grantees(tables.get("access"))}))
    return found.errors


def remarks(config: Config) -> list[str]:
    """What is no mistake, for the daemon starts with it, and yet not as it should be."""
    wanted = config.mailboxes.folder
    if not wanted.startswith("/"):
        return []  # none, or a mistake
    try:
        mode = Path(wanted).stat().st_mode
    except FileNotFoundError:
        way_out = "`claudeflow mailbox create` makes it, with the first mailbox"
        return [f"mailboxes.folder: {wanted} is not there, so that no mailbox is served; {way_out}"]
    except OSError as problem:
        return [f"mailboxes.folder: {wanted}: {problem.strerror}"]
    if not stat.S_ISDIR(mode):
        return [f"mailboxes.folder: {wanted} is no folder, so that no mailbox is served; name another"]
    if mode & 0o022:
        rule = "others than its owner may write to it, so that no mailbox is served; chmod go-w"
        return [f"mailboxes.folder: {wanted}: {rule} {wanted}"]
    return []


class _Found:
    def __init__(self) -> None:
        self.errors: list[ConfigError] = []

    def of(self, check: Callable[[], T]) -> T | None:
        """What the check returns; None, and its mistakes noted, when it finds some."""
        try:
            return check()
        except ConfigError as problem:
            self.errors.append(problem)
            return None


def _grantees(access: Any) -> list[str]:
    """Those whose names can be read; the others are mistakes of the file."""
    return [name for name in access if _is_grantee(name)] if isinstance(access, dict) else []


def _is_grantee(name: str) -> bool:
    try:
        Grantee.parse(name)
    except ValueError:
        return False
    return True
