"""Grants of the configuration with the ids that names have on this host."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Mapping
from dataclasses import replace

from claudeflow.domain.errors import ConfigError, Mistake
from claudeflow.policy.access.grants import Grant, Grantee
from claudeflow.policy.access.settings import GrantSettings

_MOST_ID = 2**32 - 2  # 2**32 - 1 is -1, which is nobody


def build_grants(settings: Mapping[str, GrantSettings]) -> tuple[Grant, ...]:
    """The grants of `[access]`. Raises ConfigError naming every user and group that is not there."""
    grants, mistakes = [], []
    for text, one in settings.items():
        try:
            grants.append(Grant(_resolved(Grantee.parse(text)), one))
        except ValueError as problem:
            mistakes.append(Mistake(f"access.{text}", str(problem)))
    if mistakes:
        raise ConfigError("[access]", mistakes)
    return tuple(grants)


def _resolved(grantee: Grantee) -> Grantee:
    match grantee.kind:
        case "user":
            return replace(grantee, id=_user_id(grantee.name))
        case "group":
            return replace(grantee, id=_group_id(grantee.name))
        case _:
            return grantee


def _user_id(name: str) -> int:
    """The id of a user by name, or by the number itself. Raises ValueError."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return _number(name, "user")


def _group_id(name: str) -> int:
    """The id of a group by name, or by the number itself. Raises ValueError."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return _number(name, "group")


def _number(text: str, kind: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= _MOST_ID):
        raise ValueError(f"this host has no {kind} {text}; make it, write its id, or take the grant out")
    return int(text)
