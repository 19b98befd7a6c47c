"""The folder of mailboxes as it is now: descriptions that may be trusted, and why others may not."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass, field
from pathlib import Path

from claudeflow.domain.caller import Caller
from claudeflow.domain.errors import ConfigError
from claudeflow.intake.mailbox.description import SUFFIX, Description, read_description

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Found:
    """Mailboxes by name, each with the stamp of its file; `wrong` ones, and why. `problem`: the folder's."""

    mailboxes: dict[str, tuple[Stamp, Description]] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    problem: str = ""


def look(folder: Path, known: Found) -> Found:
    """What the folder holds; descriptions that have not changed are taken from `known`."""
    try:
        problem = untrusted(folder.stat())
        names = sorted(entry.name for entry in os.scandir(folder) if _is_description(entry.name))
    except OSError as error:
        return Found(problem=f"{folder}: {error.strerror}; see `[mailboxes] folder`")
    if problem:
        return Found(problem=f"{folder}: {problem}")
    found = Found()
    for name in names:
        _read(folder / name, known, found)
    return found


def _is_description(name: str) -> bool:
    return name.endswith(SUFFIX) and not name.startswith(".")


def _read(path: Path, known: Found, found: Found) -> None:
    name = path.name.removesuffix(SUFFIX)
    try:
        status = path.lstat()
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        before = known.mailboxes.get(name)
        if before is not None and before[0] == stamp:
            found.mailboxes[name] = before
            return
        problem = untrusted(status) if stat.S_ISREG(status.st_mode) else "it must be a plain file"
        if problem:
            found.wrong[name] = f"{path}: {problem}"
        else:
            found.mailboxes[name] = (stamp, read_description(path))
    except FileNotFoundError:
        return
    except (OSError, ConfigError) as error:
        found.wrong[name] = str(error)


def caller_of(owner: str) -> Caller:
    """The owner of a mailbox as grants know it. One whom the host does not know has no groups."""
    try:
        entry = pwd.getpwnam(owner)
    except KeyError:
        return Caller(owner)
    return Caller(owner, entry.pw_uid, entry.pw_gid, None, frozenset(os.getgrouplist(owner, entry.pw_gid)))


def untrusted(status: os.stat_result) -> str:
    """Why others than root and the daemon could have written this; empty when they could not."""
    if status.st_uid not in (0, os.geteuid()):
        return "it must belong to root or to the daemon's user: chown it"
    if status.st_mode & 0o022:
        return "others than its owner may write to it: chmod go-w"
    return ""
