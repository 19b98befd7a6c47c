"""One writer with group commit, acknowledged after the commit, and readers that cannot write."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import pytest

from claudeflow.domain.errors import SchemaTooNew, StoreError
from claudeflow.store.database import CHECKPOINT_AT_BYTES, GROUP_LIMIT, Database
from claudeflow.store.state import remember
from tests.support.recorder import PATIENCE_S
from tests.support.stuck import full_disk, stuck_writer

TURNS = 20
"""How often the event loop goes round before a test believes that nothing will happen."""


def note(name: str, value: object = 1) -> Callable[[sqlite3.Connection], None]:
    """A small write."""
    return partial(remember, name=name, value=value, now_ms=0)


def notes(raw: sqlite3.Connection) -> set[str]:
    return {name for (name,) in raw.execute("SELECT name FROM memory")}


def on_disk(path: Path) -> set[str]:
    """What somebody else sees of the store."""
    with closing(sqlite3.connect(path)) as raw:
        return notes(raw)


def wal_bytes(path: Path) -> int:
    return path.with_name(path.name + "-wal").stat().st_size


def modes_in(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def go_round() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


@asynccontextmanager
async def watched(store: Database) -> AsyncIterator[list[str]]:
    """Every statement that the writer executes while the block lasts."""
    seen: list[str] = []
    await store.write(lambda raw: raw.set_trace_callback(seen.append))
    seen.clear()
    yield seen
    await store.write(lambda raw: raw.set_trace_callback(None))


class Halt:
    """Holds the writer's thread at the next statement that begins so, until it is `free`."""

    def __init__(self, beginning: str) -> None:
        self._beginning = beginning
        self._armed = False
        self._reached, self.free = threading.Event(), threading.Event()

    async def set_up(self, store: Database) -> None:
        await store.write(lambda raw: raw.set_trace_callback(self._see))
        self._armed = True

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._reached.wait, PATIENCE_S)

    def _see(self, statement: str) -> None:
        if self._armed and statement.startswith(self._beginning):
            self._reached.set()
            self.free.wait(PATIENCE_S)


class Refused(Exception):
    """What a failing write raises."""


def spoiled(raw: sqlite3.Connection) -> None:
    note("spoiled")(raw)
    raise Refused


# Group commit


async def test_what_waits_while_a_commit_runs_goes_into_the_next_one(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db") as store, watched(store) as seen:
        async with stuck_writer(store):
            writes = [asyncio.create_task(store.write(note(f"n{number}"))) for number in range(20)]
            await go_round()
        await asyncio.gather(*writes)
        assert seen.count("COMMIT") == 2
        assert len(await store.read(notes)) == 20


async def test_one_failing_write_harms_no_other(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db") as store, watched(store) as seen:
        async with stuck_writer(store):
            works = (note("before"), spoiled, note("after"))
            writes = [asyncio.create_task(store.write(work)) for work in works]
            await go_round()
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [type(None), Refused, type(None)]
        assert seen.count("COMMIT") == 2
        assert await store.read(notes) == {"before", "after"}


async def test_a_group_is_bounded(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db") as store, watched(store) as seen:
        async with stuck_writer(store):
            writes = [
                asyncio.create_task(store.write(note(f"n{number}"))) for number in range(2 * GROUP_LIMIT + 1)
            ]
            await go_round()
        await asyncio.gather(*writes)
        assert seen.count("COMMIT") == 4
        assert len(await store.read(notes)) == 2 * GROUP_LIMIT + 1


async def test_writes_of_one_group_happen_in_the_order_in_which_they_were_asked_for(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db") as store:
        async with stuck_writer(store):
            writes = [asyncio.create_task(store.write(note("same", number))) for number in range(50)]
            await go_round()
        await asyncio.gather(*writes)
        last = await store.read(lambda raw: raw.execute("SELECT value FROM memory").fetchone()[0])
        assert last == "49"


async def test_a_write_returns_what_its_work_returned(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db") as store:
        assert await store.write(lambda raw: raw.execute("SELECT 42").fetchone()[0]) == 42


async def test_a_work_that_ends_the_transaction_itself_takes_its_group_with_it_and_no_other(
    tmp_path: Path,
) -> None:
    def rude(raw: sqlite3.Connection) -> None:
        raw.execute("ROLLBACK")
        raise Refused

    async with Database(tmp_path / "a.db") as store:
        async with stuck_writer(store):
            writes = [asyncio.create_task(store.write(work)) for work in (note("a"), rude, note("b"))]
            await go_round()
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [StoreError] * 3
        await store.write(note("next"))
        assert await store.read(notes) == {"next"}


# Acknowledged after the commit


async def test_a_write_is_acknowledged_only_after_its_commit(tmp_path: Path) -> None:
    path, halt = tmp_path / "a.db", Halt("COMMIT")
    async with Database(path) as store:
        await halt.set_up(store)
        writing = asyncio.create_task(store.write(note("mine")))
        await halt.reached()
        await go_round()
        assert not writing.done()
        assert on_disk(path) == set()
        halt.free.set()
        await writing
        assert on_disk(path) == {"mine"}


async def test_the_log_is_on_the_disk_before_a_commit_returns_and_nobody_checkpoints_by_chance(
    tmp_path: Path,
) -> None:
    pragmas = {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 0, "foreign_keys": 1}

    def asked(raw: sqlite3.Connection) -> dict[str, object]:
        return {name: raw.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas}

    async with Database(tmp_path / "a.db") as store:
        assert await store.write(asked) == pragmas
        assert (await store.read(asked))["wal_autocheckpoint"] == 0


# Cancelled waiters


async def test_a_write_that_nobody_waits_for_any_more_before_it_began_is_not_carried_out(
    tmp_path: Path,
) -> None:
    async with Database(tmp_path / "a.db") as store:
        async with stuck_writer(store):
            given_up = asyncio.create_task(store.write(note("given up")))
            kept = asyncio.create_task(store.write(note("kept")))
            await go_round()
            given_up.cancel()
            await go_round()
        await kept
        assert given_up.cancelled()
        assert await store.read(notes) == {"kept"}


async def test_a_group_of_writes_that_were_all_given_up_is_not_even_begun(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db") as store, watched(store) as seen:
        async with stuck_writer(store):
            given_up = asyncio.create_task(store.write(note("given up")))
            await go_round()
            given_up.cancel()
            await go_round()
        await store.write(note("next"))
        assert seen.count("COMMIT") == 2


@pytest.mark.parametrize("work", [note("begun"), spoiled])
async def test_a_write_that_is_given_up_in_its_midst_ends_whole(
    tmp_path: Path, work: Callable[[sqlite3.Connection], None]
) -> None:
    path, halt = tmp_path / "a.db", Halt("INSERT")
    async with Database(path) as store:
        await halt.set_up(store)
        given_up = asyncio.create_task(store.write(work))
        await halt.reached()
        given_up.cancel()
        await go_round()
        halt.free.set()
        await store.write(note("next"))
        assert given_up.cancelled()
        assert on_disk(path) == ({"next"} if work is spoiled else {"begun", "next"})


# Reading


async def test_a_reader_cannot_write(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db") as store:
        with pytest.raises(StoreError, match="readonly"):
            await store.read(note("sneaked in"))
        assert await store.read(notes) == set()


async def test_a_reader_sees_what_was_acknowledged(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db") as store:
        await store.write(note("mine"))
        assert await store.read(notes) == {"mine"}


async def test_a_reader_does_not_wait_for_the_writer(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db") as store, stuck_writer(store):
        assert await store.read(notes) == set()


# The file


async def test_the_store_and_its_log_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with Database(tmp_path / "a.db") as store:
            await store.write(note("mine"))
            modes = modes_in(tmp_path)
    finally:
        os.umask(before)
    assert modes == {"a.db": 0o600, "a.db-wal": 0o600, "a.db-shm": 0o600}


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    for number in range(3):
        async with Database(tmp_path / "a.db") as store:
            await store.write(note(f"n{number}"))
    assert on_disk(tmp_path / "a.db") == {"n0", "n1", "n2"}


async def opened(path: Path) -> None:
    async with Database(path):
        pass


async def test_a_sqlite_file_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE music (title TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"a\.db: a SQLite file of another program"):
        await opened(path)
    assert path.read_bytes() == before


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_text("Dear diary,\n" * 100)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"a\.db: not a SQLite file"):
        await opened(path)
    assert path.read_bytes() == before


async def test_a_store_of_a_newer_claudeflow_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await opened(path)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA user_version = 999")
    with pytest.raises(SchemaTooNew, match="schema version 999 is newer"):
        await opened(path)
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (999,)


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere/a\.db: No such file or directory; check the folder"):
        await opened(tmp_path / "nowhere" / "a.db")


async def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Is a directory"):
        await opened(tmp_path)


async def test_a_file_that_cannot_become_a_store_says_why(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await opened(path)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA user_version = 0")
    with pytest.raises(StoreError, match="table jobs already exists"):
        await opened(path)


# Trouble and the end


async def test_on_a_full_disk_a_write_says_so_and_works_again_afterwards(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db") as store:
        async with full_disk(store):
            with pytest.raises(StoreError, match="full"):
                await store.write(note("large", "x" * 1_000_000))
        await store.write(note("small"))
        assert await store.read(notes) == {"small"}


async def test_a_statement_that_the_store_cannot_carry_out_is_the_stores_trouble(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db") as store:
        with pytest.raises(StoreError, match="no such table"):
            await store.write(lambda raw: raw.execute("SELECT * FROM nowhere"))


async def test_what_still_waits_when_the_store_is_closed_is_written(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db") as store:
        writes = [asyncio.create_task(store.write(note(f"n{number}"))) for number in range(5)]
        await asyncio.sleep(0)
    await asyncio.gather(*writes)
    assert len(on_disk(tmp_path / "a.db")) == 5


async def test_a_closed_store_takes_nothing_more(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db") as store:
        await store.ping()
        alive_before = store.writer_is_alive
    assert (alive_before, store.writer_is_alive) == (True, False)
    with pytest.raises(StoreError, match="closed"):
        await store.ping()


class Bolt(BaseException):
    """What no work may raise, and what no group survives."""


async def test_when_the_writer_dies_nobody_waits_for_ever(tmp_path: Path) -> None:
    def bolt(_: sqlite3.Connection) -> None:
        raise Bolt

    async def a_store_that_dies() -> list[object]:
        async with Database(tmp_path / "a.db") as store:
            async with stuck_writer(store):
                works = [note("first"), bolt, *[note("behind")] * GROUP_LIMIT]
                writes = [asyncio.create_task(store.write(work)) for work in works]
                await go_round()
            return_values.extend(await asyncio.gather(*writes, return_exceptions=True))
            assert not store.writer_is_alive
        return return_values

    return_values: list[object] = []
    with pytest.raises(Bolt):
        await a_store_that_dies()
    assert {type(value) for value in return_values} == {StoreError}
    assert on_disk(tmp_path / "a.db") == set()


# Checkpoints


async def test_a_long_log_is_moved_into_the_file_after_the_acknowledgement(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with Database(path) as store:
        await store.write(note("large", "x" * CHECKPOINT_AT_BYTES))
        await store.ping()
        assert wal_bytes(path) == 0


async def test_a_reader_in_the_way_only_postpones_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with Database(path) as store:
        await store.write(note("small"))
        with closing(sqlite3.connect(path, isolation_level=None)) as slow:
            slow.execute("BEGIN")
            notes(slow)
            await store.write(note("large", "x" * CHECKPOINT_AT_BYTES))
            await store.ping()
            assert wal_bytes(path) > CHECKPOINT_AT_BYTES
            assert notes(slow) == {"small"}
        await store.write(note("next"))
        await store.ping()
        assert wal_bytes(path) < CHECKPOINT_AT_BYTES
        assert await store.read(notes) == {"small", "large", "next"}


async def test_a_quiet_moment_empties_the_log(tmp_path: Path) -> None:
    path, halt = tmp_path / "a.db", Halt("PRAGMA wal_checkpoint")
    halt.free.set()
    async with Database(path) as store:
        await halt.set_up(store)
        await store.write(note("mine"))
        assert wal_bytes(path) > 0
        await halt.reached()
        await store.ping()
        assert wal_bytes(path) == 0


async def test_a_closed_store_leaves_no_log(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db") as store:
        await store.write(note("mine"))
    assert set(modes_in(tmp_path)) == {"a.db"}
