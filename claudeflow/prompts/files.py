"""How a file of a prompts folder is read: only a regular file, and only so much of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from claudeflow.domain.errors import PromptError

LARGEST_BYTES = 4 * 1024 * 1024
"""About a million tokens: more than any model reads."""


def read_text(path: Path, largest_bytes: int = LARGEST_BYTES) -> str:
    """The text of a file exactly as it is. Never waits for a writer.

    Raises FileNotFoundError when there is nothing at the path, PromptError for what is no text file.
    """
    try:
        data = read_regular(path, largest_bytes + 1)
    except FileNotFoundError:
        if path.is_symlink():
            raise PromptError("is a link to nothing; remove it, or make what it points to") from None
        raise
    except OSError as error:
        raise PromptError(f"cannot be read: {error.strerror}") from error
    if len(data) > largest_bytes:
        raise PromptError(f"is larger than {largest_bytes // 2**20} MiB, which no model reads; shorten it")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise PromptError(f"not valid UTF-8 at byte {error.start}") from error


def is_passed_over(name: str) -> bool:
    """Whether a name is that of a hidden file or of an editor's copy: these are no part of a prompt."""
    return name.startswith(".") or name.endswith("~")


def read_regular(path: Path, most_bytes: int) -> bytes:
    """The first bytes of a regular file, all with -1. Raises OSError, PromptError for another kind."""
    _check_is_regular(path.stat().st_mode)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        _check_is_regular(os.fstat(descriptor).st_mode)
        return file.read(most_bytes)


def _check_is_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise PromptError("is no regular file; write the text itself there")
