"""Where a mailbox's files are, and whether they are what they should be.

<folder>/NAME.toml         the description: of root, or of the daemon
<folder>/NAME/             of the daemon, 2550: nobody can add, replace or delete files in it
<folder>/NAME/mailbox.db   of the daemon and the producers' group, 0660; so are its -wal and -shm
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from claudeflow.intake.mailbox.description import SUFFIX
from claudeflow.intake.mailbox.trouble import MEND, MailboxTrouble

DATABASE = "mailbox.db"
SIDES = ("-wal", "-shm")
FOLDER_MODE = 0o2550
FILE_MODE = 0o660
MOST_LOG_BYTES = 512 * 1024 * 1024

Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one mailbox."""

    root: Path
    name: str

    @property
    def description(self) -> Path:
        """Its description."""
        return self.root / f"{self.name}{SUFFIX}"

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self.root / self.name

    @property
    def database(self) -> Path:
        """The file that producers write to."""
        return self.folder / DATABASE

    @property
    def files(self) -> tuple[Path, ...]:
        """The database and what SQLite keeps beside it."""
        return (self.database, *(self.folder / f"{DATABASE}{side}" for side in SIDES))


def identity(place: Place) -> Identity:
    """Which file is there now. Raises MailboxTrouble when it is none that may be opened."""
    try:
        _check_folder(place)
        found = [_check_file(path) for path in place.files]
    except FileNotFoundError as problem:
        raise MailboxTrouble("missing", f"{problem.filename} is not there", MEND) from problem
    except OSError as problem:
        raise MailboxTrouble("not_permitted", f"{problem.filename}: {problem.strerror}", MEND) from problem
    if os.path.lexists(place.folder / f"{DATABASE}-journal"):
        raise MailboxTrouble("altered", f"{DATABASE}-journal lies beside it", f"delete that file; or {MEND}")
    if found[1].st_size > MOST_LOG_BYTES:
        raise MailboxTrouble(
            "log_too_large",
            f"its log ({DATABASE}-wal) has {found[1].st_size:,} bytes: a program reads and never ends",
            "end that program, then run `PRAGMA wal_checkpoint(TRUNCATE)`",
        )
    return found[0].st_dev, found[0].st_ino


def restore_sides(place: Place) -> None:
    """Make -wal and -shm again, as the database is, where a SQLite of root's has deleted them and we may."""
    for side in place.files[1:]:
        with contextlib.suppress(OSError):
            of_database = place.database.lstat()
            number = os.open(side, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
            try:
                os.fchown(number, of_database.st_uid, of_database.st_gid)
                os.fchmod(number, FILE_MODE)
            finally:
                os.close(number)


def _check_folder(place: Place) -> None:
    found = place.folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise MailboxTrouble("replaced", f"{place.folder} is no folder", MEND)
    if found.st_dev != place.root.lstat().st_dev:
        raise MailboxTrouble("replaced", f"something is mounted on {place.folder}", "unmount it")


def _check_file(path: Path) -> os.stat_result:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise MailboxTrouble("replaced", f"{path} is no plain file", MEND)
    if found.st_nlink != 1:
        raise MailboxTrouble("replaced", f"{path} has another name elsewhere (a hard link)", MEND)
    return found
