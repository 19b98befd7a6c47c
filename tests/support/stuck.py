"""A store in trouble: held up in its threads, so that two things surely happen at once, or without space."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from claudeflow.domain.errors import StoreError
from claudeflow.store.database import Database
from tests.support.recorder import PATIENCE_S

STEPS_INTO_A_QUERY = 40


@asynccontextmanager
async def stuck_writer(store: Database) -> AsyncIterator[None]:
    """While the block lasts, nothing is written; what comes meanwhile goes into one group, in order."""
    entered, free = threading.Event(), threading.Event()

    def work(_: sqlite3.Connection) -> None:
        entered.set()
        free.wait(PATIENCE_S)

    writing = asyncio.create_task(store.write(work))
    await asyncio.to_thread(entered.wait, PATIENCE_S)
    try:
        yield
    finally:
        free.set()
        await writing


class StuckReader:
    """The next query stops in its midst, with its view of the store taken, until it is `free`."""

    def __init__(self, store: Database) -> None:
        self._store = store
        self._entered, self.free = threading.Event(), threading.Event()

    async def lay_in_wait(self) -> None:
        """Stop the next query."""
        await self._store.read(lambda raw: raw.set_progress_handler(self._stop, STEPS_INTO_A_QUERY))

    async def caught(self) -> None:
        """Returns once a query has stopped."""
        await asyncio.to_thread(self._entered.wait, PATIENCE_S)

    def _stop(self) -> int:
        self._entered.set()
        self.free.wait(PATIENCE_S)
        return 0


def take_all_space(raw: sqlite3.Connection) -> None:
    """From now on SQLite answers "database or disk is full" to whatever needs another page."""
    pages = raw.execute("PRAGMA page_count").fetchone()[0]
    raw.execute(f"PRAGMA max_page_count = {pages}").fetchone()


def give_space_back(raw: sqlite3.Connection) -> None:
    raw.execute("PRAGMA max_page_count = 1000000000").fetchone()


@asynccontextmanager
async def full_disk(store: Database) -> AsyncIterator[None]:
    """A store in which there is no room for another page while the block lasts."""
    await store.write(take_all_space)
    try:
        yield
    finally:
        await write_at_last(store, give_space_back)


async def write_at_last(store: Database, work: Callable[[sqlite3.Connection], None]) -> None:
    """Write, however often others' failures undo the group."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(StoreError):
                return await store.write(work)
