"""The instance lock: one daemon (or one command) per store."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from claudeflow.domain.errors import StoreError, StoreLocked

LOOK_AGAIN_S = 0.02


@contextmanager
def instance_lock(store: Path, patience_s: float = 0.0) -> Iterator[None]:
    """Hold the store exclusively. The kernel frees the lock when the process dies, however it dies.

    `patience_s` is how long to wait for another owner: a command that works on the store itself is
    done in a moment.
    Raises StoreLocked naming the owner's process id. A lock file beside the store is used, as
    POSIX locks on the store itself would interfere with SQLite's own.
    """
    path = store.with_name(store.name + ".lock")
    try:
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except PermissionError:
        raise
    except OSError as problem:
        raise StoreError(f"{path}: {problem.strerror}; check the folder and its owner") from problem
    try:
        _take(handle, store, patience_s)
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        yield
    finally:
        os.close(handle)


def _take(handle: int, store: Path, patience_s: float) -> None:
    give_up_at = time.monotonic() + patience_s
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            if time.monotonic() >= give_up_at:
                owner = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
                raise StoreLocked(f"{store} is in use by process {owner}") from problem
        time.sleep(LOOK_AGAIN_S)
