"""How long does a row of a mailbox wait for the daemon, and what do mailboxes cost when nobody writes?

From the producer's commit until the row is a job on the disk (`accepted_at`), and until its answer is
written (`written_at`), by the host's clock. The API answers at once.
"""

from __future__ import annotations

import json
import os
import pwd
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from benchmarks.machine import cpu_s, rss_mb
from benchmarks.processes import Daemon, daemon, fake_api, unlimited
from benchmarks.size import Size, number, percentile, table
from benchmarks.workload import request_body
from claudeflow.intake.mailbox.description import Description, new_uuid
from claudeflow.intake.mailbox.making import Ids, create
from claudeflow.intake.mailbox.place import Place

_REQUEST = json.dumps(request_body())
ROWS_A_SECOND = 200
LONGEST_S = 60.0
ME = pwd.getpwuid(os.getuid()).pw_name


def run(size: Size) -> Iterator[str]:
    """A table of waits, and one of what quiet mailboxes cost."""
    with fake_api() as api:
        yield from _waits(api.url, size)
        for count in size.of(tiny=(2,), quick=(1, 1_000), full=(1, 64, 1_000)):
            yield _at_rest(api.url, count, size)


def _waits(url: str, size: Size) -> Iterator[str]:
    quiet, spaced = size.of(tiny=2, quick=15, full=60), size.of(tiny=5, quick=200, full=1_000)
    with _served(url, 2) as (running, places):
        assert running.pid
        rows = [
            _row("quiet for 3 s before each", _ask(places[0], quiet, size.of(tiny=0.1, quick=3.0, full=3.0))),
            _row("50 ms before each", _ask(places[0], spaced, 0.05)),
        ]
        with _flood(places[1]):
            rows.append(
                _row(f"beside {ROWS_A_SECOND} rows a second in another", _ask(places[0], spaced, 0.05))
            )
    headings = ("a row, written", "to a durable job p50, ms", "p99, ms", "to its answer p50, ms", "p99, ms")
    yield table(headings, rows)


def _ask(place: Place, count: int, pause_s: float) -> list[tuple[float, float]]:
    """Milliseconds from each commit to the durable job, and to the answer."""
    committed: dict[int, float] = {}
    with closing(sqlite3.connect(place.database, isolation_level=None, timeout=20)) as raw:
        raw.execute("DELETE FROM outbox")
        for _ in range(count):
            time.sleep(pause_s)
            committed[_insert(raw)] = time.time()
        give_up = time.monotonic() + LONGEST_S
        while raw.execute("SELECT count(*) FROM outbox").fetchone()[0] < count:
            if time.monotonic() > give_up:
                raise TimeoutError("the mailbox has not answered")
            time.sleep(0.05)
        query = (
            "SELECT i.id, i.accepted_at, o.written_at FROM outbox AS o JOIN inbox AS i ON i.id = o.inbox_id"
        )
        found = {row_id: (accepted, written) for row_id, accepted, written in raw.execute(query)}
    return [
        (1000 * (_epoch_s(found[row_id][0]) - at), 1000 * (_epoch_s(found[row_id][1]) - at))
        for row_id, at in committed.items()
    ]


def _insert(raw: sqlite3.Connection) -> int:
    row_id = raw.execute("INSERT INTO inbox (request) VALUES (?)", (_REQUEST,)).lastrowid
    assert row_id is not None
    return row_id


@contextmanager
def _flood(place: Place) -> Iterator[None]:
    """Rows in another mailbox, one commit each, as long as the block lasts."""
    is_over = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(place.database, isolation_level=None, timeout=20)) as raw:
            while not is_over.wait(1 / ROWS_A_SECOND):
                _insert(raw)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        yield
    finally:
        is_over.set()
        writing.join()


def _at_rest(url: str, count: int, size: Size) -> str:
    """CPU and memory of daemon and porter while nobody writes."""
    seconds = size.of(tiny=1.0, quick=10.0, full=30.0)
    with _served(url, count) as (running, _):
        [porter] = _children(running.pid)
        time.sleep(size.of(tiny=0.5, quick=12.0, full=12.0))  # until the last one opened is quiet
        before = [cpu_s(pid) for pid in (running.pid, porter)]
        time.sleep(seconds)
        used = [
            100 * (cpu_s(pid) - was) / seconds for pid, was in zip((running.pid, porter), before, strict=True)
        ]
        row = [f"{count:,}", number(used[0], 2), number(used[1], 2), number(rss_mb(porter), 0)]
    return table(("quiet mailboxes", "daemon, % of a core", "porter, %", "porter RSS, MB"), [row])


@contextmanager
def _served(url: str, count: int) -> Iterator[tuple[Daemon, list[Place]]]:
    """A daemon that serves so many mailboxes, once all are open."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mail = folder / "mail"
        places = [_mailbox(mail, f"m{number}") for number in range(count)]
        settings = f'{unlimited(64)}\n[mailboxes]\nfolder = "{mail}"\n'
        with daemon(folder, url, settings) as running:
            give_up = time.monotonic() + LONGEST_S
            while {row["state"] for row in running.ask("GET", "/v1/mailboxes")["mailboxes"]} != {"serving"}:
                if time.monotonic() > give_up:
                    raise TimeoutError("the mailboxes are not open")
                time.sleep(0.2)
            yield running, places


def _mailbox(mail: Path, name: str) -> Place:
    place = Place(mail, name)
    create(
        place,
        Description(name, new_uuid(), ME, ME, "triage", ("standard",)),
        Ids(os.getuid(), os.getgid()),
    )
    return place


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in text.split()]


def _row(name: str, waits: list[tuple[float, float]]) -> list[str]:
    accepted, answered = [one for one, _ in waits], [other for _, other in waits]
    return [
        name,
        *(number(percentile(found, share), 1) for found in (accepted, answered) for share in (0.5, 0.99)),
    ]


def _epoch_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
