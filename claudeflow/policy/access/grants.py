"""Grants: what the configuration and tokens allow whom, and where somebody stands by them.

Grants only add up. Each is a unit: its lanes belong to its workflows, so two grants never allow together what
neither allows. Of the caps the most generous holds, and a grant without one has none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal, TypeVar

from claudeflow.domain.caller import Caller
from claudeflow.policy.access.roles import Role, all_of
from claudeflow.policy.access.settings import GrantSettings, RoleName

Kind = Literal["user", "group", "token", "all"]
T = TypeVar("T", int, float)
KINDS: tuple[Kind, ...] = ("user", "group", "token", "all")


@dataclass(frozen=True, slots=True)
class Grantee:
    """Whom a grant is for: a user, a group, a token, or `all`, every Unix user that can connect.

    `id` is the user's or the group's.
    """

    kind: Kind
    name: str = ""
    id: int | None = None

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind

    @classmethod
    def parse(cls, text: str) -> Grantee:
        """Whom a key of `[access]` names; ids are not looked up. Raises ValueError."""
        kind, _, name = text.partition(":")
        if text == "all":
            return cls("all")
        for known in KINDS:
            if known == kind and known != "all" and name:
                return cls(known, name)
        raise ValueError('must be "user:NAME", "group:NAME", "token:NAME" or "all"')

    def covers(self, caller: Caller) -> bool:
        """Whether the caller is meant."""
        match self.kind:
            case "user":
                return caller.uid is not None and caller.uid == self.id
            case "group":
                return self.id in caller.groups
            case "token":
                return caller.token == self.name
            case _:
                return caller.uid is not None


@dataclass(frozen=True, slots=True)
class Grant:
    """What one grantee may do."""

    grantee: Grantee
    settings: GrantSettings

    @property
    def roles(self) -> frozenset[Role]:
        """Its roles, with all that they include."""
        return _roles_named(self.settings.roles)

    def reaches(self, lane: str, workflow: str) -> bool:
        """Whether its lanes and its workflows are these."""
        return matches(lane, self.settings.lanes) and matches(workflow, self.settings.workflows)


@dataclass(frozen=True, slots=True)
class Caps:
    """How much a caller may send; None for no cap."""

    max_queued: int | None = None
    jobs_per_min: float | None = None
    nanousd_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A caller with the grants that cover it."""

    caller: Caller
    grants: tuple[Grant, ...]

    @property
    def roles(self) -> frozenset[Role]:
        """What it may do, all grants together."""
        return _roles_named(tuple(name for grant in self.grants for name in grant.settings.roles))

    @property
    def caps(self) -> Caps:
        """How much it may send: the most generous of the grants by which it may send at all."""
        sending = [grant for grant in self.grants if Role.SUBMIT in grant.roles]
        if not sending or any(Role.ADMIN in grant.roles for grant in sending):
            return Caps()
        return Caps(
            _most(grant.settings.max_queued for grant in sending),
            _most(grant.settings.jobs_per_min for grant in sending),
            _most(grant.settings.nanousd_per_day for grant in sending),
        )

    def reaches(self, role: Role, lane: str, workflow: str) -> bool:
        """Whether a single grant gives the role and covers lane and workflow; an admin's covers all."""
        return any(
            Role.ADMIN in grant.roles or (role in grant.roles and grant.reaches(lane, workflow))
            for grant in self.grants
        )


class AccessBook:
    """The grants in force. Root and the user that claudeflow runs as (`own_uid`) always are admin."""

    def __init__(self, grants: Iterable[Grant], own_uid: int) -> None:
        self.grants = tuple(grants) or DEFAULT
        self._always = frozenset({0, own_uid})

    def standing(self, caller: Caller, own_grant: GrantSettings | None = None) -> Standing:
        """Where the caller stands. `own_grant` is what its token was made with."""
        found = [grant for grant in self.grants if grant.grantee.covers(caller)]
        if own_grant is not None and caller.token is not None:
            found.append(Grant(Grantee("token", caller.token), own_grant))
        if caller.uid in self._always:
            found.append(Grant(Grantee("user", caller.name, caller.uid), GrantSettings(roles=("admin",))))
        return Standing(caller, tuple(found))


DEFAULT = (Grant(Grantee("all"), GrantSettings(roles=("read", "submit", "operate"))),)
"""Without any grant: whoever the socket lets in shares everything, but for what an admin alone may do."""


@lru_cache(maxsize=1024)
def _roles_named(names: tuple[RoleName, ...]) -> frozenset[Role]:
    """The roles of these names, with all that they include: asked for with each request, and few."""
    return all_of(Role(name) for name in names)


@lru_cache(maxsize=4096)
def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of these patterns is for the name."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _most(caps: Iterable[T]) -> T | None:
    """The largest cap; None as soon as one of them is 0, which is none."""
    all_caps = tuple(caps)
    return None if 0 in all_caps else max(all_caps)
