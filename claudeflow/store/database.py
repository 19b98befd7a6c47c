"""The database: one file, one writer with group commit, and readers that cannot write.

A store method is a plain function over `sqlite3.Connection`, run whole in the connection's thread:
nothing interleaves with it, and cancelling whoever waits for it cannot leave a transaction open.

Group commit: what waits while a commit runs goes into the next one, each behind a SAVEPOINT of its
own, so that one failing write harms no other. Writes are acknowledged after the commit
(`synchronous=FULL`: the log is on the disk by then).

Checkpoints run on the writer after the acknowledgement, never by themselves: SQLite before 3.51.3
can lose pages when two connections checkpoint at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from claudeflow.domain.errors import StoreError
from claudeflow.store.schema import prepare_schema

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

GROUP_LIMIT = 256
CHECKPOINT_AT_BYTES = 500 * 4096
IDLE_CHECKPOINT_S = 0.4
CHECKPOINT_BUSY_MS = 75
BUSY_TIMEOUT_MS = 5_000
MINIMUM_SQLITE = (3, 37, 0)


HandOver = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Wraps what is about to run in a connection's thread. An event loop in virtual time must know of it."""


def as_it_is(work: Callable[..., Any]) -> Callable[..., Any]:
    """The `HandOver` of real time: nobody needs to know."""
    return work


class WholeFunctionConnection(aiosqlite.Connection):
    """An aiosqlite connection that runs whole functions in its thread: one hop, however many statements."""

    def __init__(self, raw: sqlite3.Connection, hand_over: HandOver) -> None:
        super().__init__(hand_over(lambda: raw), iter_chunk_size=64)
        self._hand_over = hand_over

    async def run(self, work: Work[T]) -> T:
        """Run `work` over the raw connection."""
        result: T = await self._execute(self._hand_over(work), self._conn)  # type: ignore[no-untyped-call]
        return result


@dataclass(slots=True)
class _Write:
    work: Work[Any]
    done: asyncio.Future[Any]


class Database:
    """The open store file. `async with Database(path)`; `write` and `read` from one event loop."""

    def __init__(self, path: Path, hand_over: HandOver = as_it_is) -> None:
        self._path = path
        self._hand_over = hand_over
        self._wal = path.with_name(path.name + "-wal")
        self._waiting: deque[_Write] = deque()
        self._arrived = asyncio.Event()
        self._closing = False

    async def __aenter__(self) -> Database:
        if sqlite3.sqlite_version_info < MINIMUM_SQLITE:
            raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or newer is needed")
        self._writer = await self._connect(_open_writer)
        self._reader = await self._connect(_open_reader)
        self._pump = asyncio.create_task(self._write_groups(), name="store-writer")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        self._arrived.set()
        try:
            await self._pump
            await self._writer.run(_checkpoint)
        finally:
            await self._reader.close()
            await self._writer.close()

    async def write(self, work: Work[T]) -> T:
        """Run `work` in the next group; returns when it is on the disk.

        Raises what `work` raised (its changes are undone, others' stay), or StoreError when it
        could not be written.
        """
        if self._closing or self._pump.done():
            raise StoreError("the store is closed")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Write(work, done))
        self._arrived.set()
        return await done

    async def read(self, work: Work[T]) -> T:
        """Run `work` over a connection that cannot write."""
        try:
            return await self._reader.run(work)
        except sqlite3.Error as problem:
            raise StoreError(f"{self._path}: {problem}") from problem

    async def ping(self) -> None:
        """Returns once the writer has got round to it. Raises StoreError."""
        await self.write(lambda raw: raw.execute("SELECT 1").fetchone())

    @property
    def writer_is_alive(self) -> bool:
        """Whether writes are still carried out."""
        return not self._pump.done()

    async def _connect(self, opener: Callable[[Path], sqlite3.Connection]) -> WholeFunctionConnection:
        """Open in a thread that may fail: aiosqlite would leave its own one behind."""
        try:
            raw = await asyncio.to_thread(opener, self._path)
        except sqlite3.Error as problem:
            raise StoreError(f"{self._path}: {problem}") from problem
        return await WholeFunctionConnection(raw, self._hand_over)  # type: ignore[return-value]

    async def _write_groups(self) -> None:
        group: list[_Write] = []
        try:
            while await self._something_to_write():
                group = [self._waiting.popleft() for _ in range(min(GROUP_LIMIT, len(self._waiting)))]
                group = [write for write in group if not write.done.done()]
                if group:
                    outcomes = await self._writer.run(partial(_commit_group, group=group))
                    _acknowledge(group, outcomes)
                    if self._wal_bytes() >= CHECKPOINT_AT_BYTES or _disk_refused(outcomes):
                        await self._writer.run(_checkpoint)
        finally:
            _refuse((*group, *self._waiting))

    async def _something_to_write(self) -> bool:
        """Wait for work; False when there will be none any more. A quiet moment empties the log."""
        while not self._waiting:
            if self._closing:
                return False
            self._arrived.clear()
            timeout = IDLE_CHECKPOINT_S if self._wal_bytes() else None
            try:
                async with asyncio.timeout(timeout):
                    await self._arrived.wait()
            except TimeoutError:
                await self._writer.run(_checkpoint)
        return True

    def _wal_bytes(self) -> int:
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0


def _acknowledge(group: list[_Write], outcomes: list[tuple[Any, BaseException | None]]) -> None:
    for write, (result, problem) in zip(group, outcomes, strict=True):
        if write.done.done():
            continue
        if problem is None:
            write.done.set_result(result)
        else:
            write.done.set_exception(problem)


def _disk_refused(outcomes: list[tuple[Any, BaseException | None]]) -> bool:
    """Whether the group was not written. Emptying the log may make room on a full disk, and a log that
    is written to again and again never sees a quiet moment.
    """
    return any(isinstance(problem, StoreError) for _, problem in outcomes)


def _refuse(writes: Iterable[_Write]) -> None:
    """The writer has come to its end: whoever still waits must not wait for ever."""
    for write in writes:
        if not write.done.done():
            write.done.set_exception(StoreError("the store's writer has stopped"))


def _commit_group(raw: sqlite3.Connection, group: list[_Write]) -> list[tuple[Any, BaseException | None]]:
    try:
        raw.execute("BEGIN IMMEDIATE")
        outcomes = [_run_one(raw, write.work) for write in group]
        raw.execute("COMMIT")
    except sqlite3.Error as problem:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        failure = StoreError(f"the store could not be written: {problem}")
        return [(None, failure)] * len(group)
    return outcomes


def _run_one(raw: sqlite3.Connection, work: Work[Any]) -> tuple[Any, BaseException | None]:
    raw.execute("SAVEPOINT one")
    try:
        result = work(raw)
    except Exception as problem:
        if not raw.in_transaction:
            raise sqlite3.OperationalError(f"the transaction is gone: {problem}") from problem
        raw.execute("ROLLBACK TO one")
        raw.execute("RELEASE one")
        return None, _named(problem)
    raw.execute("RELEASE one")
    return result, None


def _named(problem: Exception) -> Exception:
    """A full disk or a failing one is the store's trouble, whichever statement meets it."""
    if isinstance(problem, sqlite3.OperationalError):
        return StoreError(f"the store could not be written: {problem}")
    return problem


def _checkpoint(raw: sqlite3.Connection) -> None:
    """Move the log into the file and empty it; what stands in the way only postpones it."""
    raw.execute(f"PRAGMA busy_timeout = {CHECKPOINT_BUSY_MS}")
    with contextlib.suppress(sqlite3.Error):
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    raw.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")


def _open_writer(path: Path) -> sqlite3.Connection:
    _create_private(path)
    raw = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        _set_up_writer(raw, path)
    except BaseException:
        raw.close()
        raise
    return raw


def _set_up_writer(raw: sqlite3.Connection, path: Path) -> None:
    raw.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    prepare_schema(raw, path)
    raw.execute("PRAGMA journal_mode = WAL").fetchone()
    raw.execute("PRAGMA synchronous = FULL")
    raw.execute("PRAGMA wal_autocheckpoint = 0").fetchone()
    raw.execute("PRAGMA foreign_keys = ON")
    raw.execute("PRAGMA cache_size = -16384")


def _open_reader(path: Path) -> sqlite3.Connection:
    raw = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
    raw.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    raw.execute("PRAGMA wal_autocheckpoint = 0").fetchone()
    raw.execute("PRAGMA query_only = ON")
    return raw


def _create_private(path: Path) -> None:
    """Make the file readable by its owner alone before anything is in it."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as problem:
        raise StoreError(f"{path}: {problem.strerror}; check the folder and its owner") from problem
