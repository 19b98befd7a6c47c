"""Keys: the API key in use, and how a new one is taken up while the daemon runs."""

from __future__ import annotations

from collections.abc import Callable

from claudeflow.config import FoundKey
from claudeflow.domain.errors import ConfigError
from claudeflow.domain.events import Emit, KeyChanged, OwnTrouble

FindKey = Callable[[], FoundKey | None]
"""Looks where the key may be. Raises ConfigError."""


class KeyRing:
    """The key in use. It changes only in `refresh`; it is never told to anybody but the sender."""

    def __init__(self, found: FoundKey, find: FindKey, emit: Emit) -> None:
        self._key = found.key
        self._find = find
        self._emit = emit
        self._problem = ""

    def key(self) -> str:
        """The key in use."""
        return self._key

    def refresh(self) -> bool:
        """Look again; whether there is a new key. One that cannot be used leaves the old one in place."""
        try:
            found = self._find()
        except ConfigError as problem:
            self._tell(f"{problem.source}: {'; '.join(str(mistake) for mistake in problem.mistakes)}")
            return False
        if found is None:
            self._tell("there is none any more; the old one stays in use")
            return False
        self._problem = ""
        if found.key == self._key:
            return False
        self._key = found.key
        self._emit(KeyChanged(found.source))
        return True

    def _tell(self, problem: str) -> None:
        """Say what is wrong, once."""
        if problem != self._problem:
            self._problem = problem
            self._emit(OwnTrouble("reading the API key", problem))
