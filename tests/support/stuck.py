"""Holding up a store's threads, so that two things surely happen at the same time."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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
