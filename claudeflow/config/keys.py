"""Where keys come from: a file, systemd's credential, or the environment, in this order.

Calls and reports have a key each, and neither is ever sent where the other belongs.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from claudeflow.domain.errors import ConfigError, Mistake

KEY_VARIABLE = "ANTHROPIC_API_KEY"
KEY_CREDENTIAL = "anthropic-api-key"

ADMIN_KEY_VARIABLE = "ANTHROPIC_ADMIN_KEY"
ADMIN_KEY_CREDENTIAL = "anthropic-admin-key"
ADMIN_KEY_BEGINS = "sk-ant-admin"

_MOST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class _Places:
    """Where one kind of key may be, and what it is called."""

    what: str
    table: str
    credential: str
    variable: str
    admin: bool


_API_KEY = _Places("API key", "api", KEY_CREDENTIAL, KEY_VARIABLE, admin=False)
_ADMIN_KEY = _Places("admin key", "admin", ADMIN_KEY_CREDENTIAL, ADMIN_KEY_VARIABLE, admin=True)


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key, and where it was found. The key is in no text that is made of this."""

    key: str = field(repr=False)
    source: str


def find_key(key_file: str = "", environ: Mapping[str, str] = os.environ) -> FoundKey | None:
    """The API key as it is now; None when there is none.

    Raises ConfigError for a text that no header can carry (each call would fail its job), for an admin
    key, and for a `key_file` that cannot be read or that others may read or change.
    """
    return _find(_API_KEY, key_file, environ)


def find_admin_key(key_file: str = "", environ: Mapping[str, str] = os.environ) -> FoundKey | None:
    """The admin key as it is now; None when there is none. Raises ConfigError as `find_key` does."""
    return _find(_ADMIN_KEY, key_file, environ)


def _find(places: _Places, key_file: str, environ: Mapping[str, str]) -> FoundKey | None:
    credential = Path(environ.get("CREDENTIALS_DIRECTORY", "")) / places.credential
    if key_file:
        source, text = key_file, _private_text(key_file, places)
    elif environ.get("CREDENTIALS_DIRECTORY") and credential.exists():
        source = f"the credential {places.credential}"
        text = credential.read_text(encoding="utf-8", errors="replace")
    else:
        source, text = places.variable, environ.get(places.variable, "")
    key = text.strip()
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigError(source, [Mistake(places.what, "must be one line of ASCII without spaces")])
    if key and key.startswith(ADMIN_KEY_BEGINS) is not places.admin:
        raise ConfigError(source, [Mistake(places.what, _of_the_other_kind(places))])
    return FoundKey(key, source) if key else None


def _of_the_other_kind(places: _Places) -> str:
    if places.admin:
        return f"is no admin key: those begin with {ADMIN_KEY_BEGINS}; the key for calls is never sent there"
    return f"is an admin key: calls need an ordinary one; put this into {ADMIN_KEY_VARIABLE} or `[admin]`"


def _private_text(path: str, places: _Places) -> str:
    """The text of a file that nobody but its owner's group may read, and nobody else write."""
    setting = f"the file of `[{places.table}] key_file`"
    try:
        with Path(path).open("rb") as file:
            found = os.fstat(file.fileno())
            problem = _not_private(found)
            if problem:
                raise ConfigError(path, [Mistake(places.what, f"{problem}; {setting}")])
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise ConfigError(path, [Mistake(places.what, f"{reason}; {setting}")]) from error


def _not_private(found: os.stat_result) -> str:
    """What is wrong with a key file's kind, owner or mode; empty when nothing is."""
    if not stat.S_ISREG(found.st_mode):
        return "must be a plain file"
    if found.st_uid not in (0, os.geteuid()):
        return "must belong to root or to the user that runs claudeflow"
    if found.st_mode & 0o027:
        return "others must not read it, nor its group write it: chmod 640, or 600"
    return ""
