"""Whose files a new mailbox gets: the daemon's user, and the group of its producers."""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from claudeflow.cli.exits import Exit
from claudeflow.cli.problems import Failure

DAEMON_USER = "claudeflow"


@dataclass(frozen=True, slots=True)
class Owner:
    """A login name and a group, both known to this host."""

    user: str
    group: str
    gid: int


def read_owner(text: str) -> Owner:
    """`USER` or `USER:GROUP`; without a group, the user's own. Raises Failure."""
    user, _, group = text.partition(":")
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise Failure(Exit.USAGE, f"--owner: this host knows no user {user}") from None
    try:
        found = grp.getgrnam(group) if group else grp.getgrgid(entry.pw_gid)
    except KeyError:
        raise Failure(Exit.USAGE, f"--owner: this host knows no group {group or entry.pw_gid}") from None
    if found.gr_gid != entry.pw_gid and user not in found.gr_mem:
        way_out = f"usermod -aG {found.gr_name} {user}, or name a group of theirs"
        raise Failure(Exit.USAGE, f"--owner: {user} is not in the group {found.gr_name}: {way_out}")
    return Owner(user, found.gr_name, found.gr_gid)


def daemon_uid(store: Path) -> int:
    """The daemon's user: who owns its store, else claudeflow, else who asks."""
    try:
        return store.stat().st_uid
    except OSError:
        pass
    try:
        return pwd.getpwnam(DAEMON_USER).pw_uid
    except KeyError:
        return os.geteuid()


def check_permitted(uid: int, gid: int, what: str) -> None:
    """Only root gives files to others. Raises Failure."""
    mine = os.geteuid()
    if mine == 0 or (uid == mine and gid in (os.getegid(), *os.getgroups())):
        return
    user = pwd.getpwuid(uid).pw_name
    why = f"its files go to the user {user} and the group {grp.getgrgid(gid).gr_name}, which only root can do"
    raise Failure(Exit.NOT_PERMITTED, f"not permitted to {what}: {why}; use sudo")
