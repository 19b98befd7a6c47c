"""One daemon per store, however the last one died."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from claudeflow.domain.errors import StoreError, StoreLocked
from claudeflow.store.lock import instance_lock

OWNER = """
import sys
from pathlib import Path
from claudeflow.store.lock import instance_lock

with instance_lock(Path(sys.argv[1])):
    print("owned", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_owner(store: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the store until its stdin ends or it is killed."""
    command = [sys.executable, "-c", OWNER, str(store)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "owned\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused_and_told_who_owns_the_store(tmp_path: Path) -> None:
    store = tmp_path / "a.db"
    with (
        another_owner(store) as process,
        pytest.raises(StoreLocked, match=rf"a\.db is in use by process {process.pid}$"),
        instance_lock(store),
    ):
        pass


def test_a_store_whose_owner_was_killed_is_free(tmp_path: Path) -> None:
    store = tmp_path / "a.db"
    with another_owner(store) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with instance_lock(store):
            pass


def test_a_store_whose_owner_has_ended_is_free(tmp_path: Path) -> None:
    store = tmp_path / "a.db"
    with another_owner(store) as process:
        process.communicate()
        assert process.returncode == 0
        with instance_lock(store):
            pass


def test_the_refused_process_does_not_overwrite_the_owners_name(tmp_path: Path) -> None:
    store = tmp_path / "a.db"
    with another_owner(store) as process:
        for _ in range(2):
            with pytest.raises(StoreLocked, match=str(process.pid)), instance_lock(store):
                pass


def test_the_same_process_cannot_own_a_store_twice(tmp_path: Path) -> None:
    store = tmp_path / "a.db"
    with (
        instance_lock(store),
        pytest.raises(StoreLocked, match=f"process {os.getpid()}"),
        instance_lock(store),
    ):
        pass
    with instance_lock(store):
        pass


def test_stores_are_locked_apart(tmp_path: Path) -> None:
    with instance_lock(tmp_path / "a.db"), instance_lock(tmp_path / "b.db"):
        pass


def test_a_longer_name_of_an_earlier_owner_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a.db.lock").write_text("12345678901234567890")
    with instance_lock(tmp_path / "a.db"):
        assert (tmp_path / "a.db.lock").read_text() == str(os.getpid())


def test_the_lock_is_beside_the_store_and_private(tmp_path: Path) -> None:
    with instance_lock(tmp_path / "a.db"):
        assert [path.name for path in tmp_path.iterdir()] == ["a.db.lock"]
        assert stat.S_IMODE((tmp_path / "a.db.lock").stat().st_mode) == 0o600


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match="No such file or directory; check the folder"),
        instance_lock(tmp_path / "nowhere" / "a.db"),
    ):
        pass
