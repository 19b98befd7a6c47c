"""Mailboxes on disk, as `place` lays them out: made, mended and removed, by the command line as root."""

from __future__ import annotations

import os
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from claudeflow.intake.mailbox.description import Description, to_toml
from claudeflow.intake.mailbox.guard import schema_text
from claudeflow.intake.mailbox.place import FILE_MODE, FOLDER_MODE, Place

ROOT_MODE = 0o755
DESCRIPTION_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Ids:
    """To whom the files belong: the daemon's user, and the producers' group."""

    uid: int
    gid: int


def create(place: Place, mailbox: Description, ids: Ids) -> None:
    """Make the files, then the description: that is what the daemon looks for. Raises OSError."""
    make_root(place.root)
    _put_files(place, mailbox, ids)
    try:
        _write_description(place, mailbox)
    except OSError:
        remove(place)
        raise


def make_root(root: Path) -> None:
    """The folder of all mailboxes, which only its owner may change. Raises OSError."""
    if not root.is_dir():
        root.mkdir(parents=True)
        root.chmod(ROOT_MODE)


def has_lost_sides(place: Place) -> bool:
    """Whether the database is there, and only what SQLite keeps beside it is not."""
    database, *sides = (os.path.lexists(path) for path in place.files)
    return database and not all(sides)


def mend(place: Place, mailbox: Description, ids: Ids, stamp: str) -> Path | None:
    """Put an empty mailbox in the place of a broken one; where that is now. Raises OSError."""
    aside = place.root / f"{place.name}.{stamp}"
    was_there = os.path.lexists(place.folder)
    if was_there:
        place.folder.rename(aside)
    try:
        _put_files(place, mailbox, ids)
    except OSError:
        if was_there:
            aside.rename(place.folder)
        raise
    return aside if was_there else None


def remove(place: Place) -> None:
    """Delete the description, so that the daemon lets go, and then the files. Raises OSError."""
    place.description.unlink(missing_ok=True)
    if place.folder.is_symlink():
        place.folder.unlink()
    elif place.folder.is_dir():
        place.folder.chmod(0o700)
        shutil.rmtree(place.folder)


def _put_files(place: Place, mailbox: Description, ids: Ids) -> None:
    """Made under another name and put in place whole: nobody sees half a mailbox."""
    making = Place(place.root, f".{place.name}.new")
    if making.folder.is_dir():
        shutil.rmtree(making.folder)
    making.folder.mkdir(mode=0o700)
    try:
        _make_database(making, mailbox)
        for path in making.files:
            _make_file(path, ids)
        os.chown(making.folder, ids.uid, ids.gid)
        making.folder.chmod(FOLDER_MODE)
        making.folder.rename(place.folder)
    except BaseException:
        making.folder.chmod(0o700)
        shutil.rmtree(making.folder)
        raise


def _make_database(place: Place, mailbox: Description) -> None:
    raw = sqlite3.connect(place.database, isolation_level=None)
    try:
        raw.execute("PRAGMA journal_mode = WAL").fetchone()
        raw.executescript(schema_text())
        raw.execute("INSERT INTO mailbox (uuid, name) VALUES (?, ?)", (mailbox.uuid, mailbox.name))
    finally:
        raw.close()


def _make_file(path: Path, ids: Ids) -> None:
    """SQLite would make and delete -wal and -shm as it likes; ours are always there."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    try:
        os.fchown(number, ids.uid, ids.gid)
        os.fchmod(number, FILE_MODE)
    finally:
        os.close(number)


def _write_description(place: Place, mailbox: Description) -> None:
    making = place.root / f".{place.name}.toml.new"
    making.unlink(missing_ok=True)
    number = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, DESCRIPTION_MODE)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(to_toml(mailbox))
    making.chmod(DESCRIPTION_MODE)
    making.rename(place.description)
