"""Where the API key comes from: a file, systemd's credential, or the environment, in this order."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from claudeflow.domain.errors import ConfigError, Mistake

KEY_VARIABLE = "ANTHROPIC_API_KEY"
KEY_CREDENTIAL = "anthropic-api-key"

_MOST_BYTES = 4096
_WHAT = "API key"


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key, and where it was found. The key is in no text that is made of this."""

    key: str = field(repr=False)
    source: str


def find_key(key_file: str = "", environ: Mapping[str, str] = os.environ) -> FoundKey | None:
    """The API key as it is now; None when there is none.

    Raises ConfigError for a text that no header can carry (each call would fail its job), and for a
    `key_file` that cannot be read or that others may read or change.
    """
    credential = Path(environ.get("CREDENTIALS_DIRECTORY", "")) / KEY_CREDENTIAL
    if key_file:
        source, text = key_file, _private_text(key_file)
    elif environ.get("CREDENTIALS_DIRECTORY") and credential.exists():
        source = f"the credential {KEY_CREDENTIAL}"
        text = credential.read_text(encoding="utf-8", errors="replace")
    else:
        source, text = KEY_VARIABLE, environ.get(KEY_VARIABLE, "")
    key = text.strip()
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigError(source, [Mistake(_WHAT, "must be one line of ASCII without spaces")])
    return FoundKey(key, source) if key else None


def _private_text(path: str) -> str:
    """The text of a file that nobody but its owner's group may read, and nobody else write."""
    try:
        with Path(path).open("rb") as file:
            found = os.fstat(file.fileno())
            problem = _not_private(found)
            if problem:
                raise ConfigError(path, [Mistake(_WHAT, f"{problem}; the file of `[api] key_file`")])
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise ConfigError(path, [Mistake(_WHAT, f"{reason}; the file of `[api] key_file`")]) from error


def _not_private(found: os.stat_result) -> str:
    """What is wrong with a key file's kind, owner or mode; empty when nothing is."""
    if not stat.S_ISREG(found.st_mode):
        return "must be a plain file"
    if found.st_uid not in (0, os.geteuid()):
        return "must belong to root or to the user that runs claudeflow"
    if found.st_mode & 0o027:
        return "others must not read it, nor its group write it: chmod 640, or 600"
    return ""
