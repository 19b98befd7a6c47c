"""Who calls: the value that every request carries, whichever door it came through."""

from __future__ import annotations

from dataclasses import dataclass

HOLDS_TOKEN = "token:"  # noqa: S105 (no secret: it begins a name)
"""Begins the name of whoever calls with a token. No login name has a colon."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever is at the other end: a Unix user as the kernel knows it, or the holder of a token.

    `name` is the login name (`uid:1234` without one) or `token:NAME`: jobs keep it as `submitted_by`.
    `groups` are the ids of all its groups. `pid` is a hint for people: processes come and go. A holder
    of a token has no user.
    """

    name: str
    uid: int | None = None
    gid: int | None = None
    pid: int | None = None
    groups: frozenset[int] = frozenset()

    def __str__(self) -> str:
        return self.name if self.uid is None else f"{self.name} (uid {self.uid})"

    @classmethod
    def of_token(cls, name: str) -> Caller:
        """The holder of the token of this name."""
        return cls(f"{HOLDS_TOKEN}{name}")

    @property
    def token(self) -> str | None:
        """The name of the token that was shown; None for a Unix user."""
        return self.name.removeprefix(HOLDS_TOKEN) if self.name.startswith(HOLDS_TOKEN) else None
