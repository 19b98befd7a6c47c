"""`kill -9` over the life of batches: no job is lost or paid for twice, and the books are the invoice."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from enum import Enum
from itertools import cycle, islice
from typing import Any

import pytest

from claudeflow.twin.child import twin_process
from claudeflow.twin.faults import Fault
from claudeflow.twin.settings import TwinSettings
from tests.e2e.test_crash import jobs_of_all_sizes, release_held_jobs
from tests.support.books import calls_of, disagreements, reading, states_of, successes_by_job
from tests.support.daemons import PLENTY
from tests.support.processes import (
    Daemon,
    Site,
    daemon_at,
    eventually,
    short_folder,
    starting_daemon,
    twin_json,
)

SEED = 20261124
AT_THE_API: dict[str, Any] = {"batch_start_s": 0.2, "batch_item_s": 0.15, "batch_hidden_s": 0.2}
TABLES: dict[str, dict[str, Any]] = {
    "lanes": {"standard": {"batch": "always"}},
    "batches": {"max_requests": 300, "max_age_s": 0.0, "poll_s": 1.0},
    "retry": {"base_s": 0.05, "cap_s": 0.2},
}
LOOK_S = 0.0005
MOST_DAEMONS = 20
LONG_ENOUGH_S = 800
"""So long after a create left, its upload would have timed out and a batch would be in the API's list."""


class Moment(Enum):
    """When a daemon is killed: as soon as the store, or the API, shows this."""

    LEAVING = "SELECT 1 FROM batches WHERE state = 'creating'"
    CREATED = "the API counts one more create"
    HALF_BOOKED = "SELECT 1 FROM batches WHERE state = 'ended' AND booked > 0 AND booked < requests"
    FILLING = "SELECT 1 FROM batches WHERE state = 'filling'"
    IN_PROGRESS = "SELECT 1 FROM batches WHERE state = 'in_progress'"
    ENDED = "SELECT 1 FROM batches WHERE state = 'ended' AND booked = 0"
    STARTING = "SELECT 1"


@dataclass
class Toll:
    """What a series of kills met with: what was waited for, and what the store showed of batches after it."""

    came: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)

    @property
    def kills(self) -> int:
        return self.came.total() + self.missed.total()


def creates_at(address: str) -> int:
    """How many creates the API has seen, answered or not."""
    return int(twin_json(address, "/twin/stats")["batches"]["calls"].get("create", 0))


def comes(moment: Moment, site: Site, address: str, daemon: Daemon, patience_s: float) -> bool:
    """Whether the moment comes before patience is over."""
    seen, give_up = creates_at(address), time.monotonic() + patience_s
    with reading(site.store) as raw:
        while time.monotonic() < give_up:
            if moment is Moment.CREATED:
                found = creates_at(address) > seen
            else:
                found = raw.execute(moment.value).fetchone() is not None
            if found:
                return True
            assert not daemon.dies_within(LOOK_S)
    return False


def kill_at(moment: Moment, site: Site, address: str, chance: random.Random, toll: Toll) -> None:
    """Start a daemon, wait for the moment and a little more, and kill it."""
    with starting_daemon(site) as daemon:
        if moment is not Moment.STARTING:
            daemon.ready()
        came = comes(moment, site, address, daemon, patience_s=6.0)
        longest_s = (
            0.6 if moment in (Moment.STARTING, Moment.IN_PROGRESS) else chance.choice([0, 0, 0.01, 0.05])
        )
        assert not daemon.dies_within(chance.uniform(0.0, longest_s))
        daemon.kill()
    (toll.came if came else toll.missed)[moment.name] += 1
    toll.found.update(what_is_open(site))
    release_held_jobs(site)


def what_is_open(site: Site) -> list[str]:
    """How the batches stand with which nobody is through."""
    with reading(site.store) as raw:
        rows = raw.execute(
            "SELECT state, booked > 0 AND booked < requests FROM batches WHERE done_ms IS NULL"
        ).fetchall()
    return [f"{state}, half booked" if half else str(state) for state, half in rows]


def off_for_a_while(site: Site) -> None:
    """As if the machine had been off for a quarter of an hour: what left before left earlier by so much."""
    with closing(sqlite3.connect(site.store, timeout=20)) as raw, raw:
        raw.execute(
            "UPDATE batches SET attempted_ms = attempted_ms - ? WHERE state = 'creating'",
            [1_000 * LONG_ENOUGH_S],
        )


def all_answered(site: Site) -> bool:
    return states_of(site.store).keys() <= {"succeeded"} and not what_is_open(site)


def work_off(site: Site) -> None:
    """Let daemons finish what is left: one after another, as what went wrong is looked at again later."""
    for _ in range(MOST_DAEMONS):
        off_for_a_while(site)
        with daemon_at(site) as daemon:
            release_held_jobs(site)
            try:
                eventually(lambda: all_answered(site), patience_s=10.0)
            except TimeoutError:
                continue
            daemon.process.terminate()
            assert daemon.ended() == 0
            return
    raise AssertionError(f"not answered: {states_of(site.store)}, {what_is_open(site)}")


def check_the_outcome(site: Site, address: str, count: int) -> None:
    """Nothing lost, nothing twice, and every nano-dollar accounted for."""
    assert states_of(site.store) == {"succeeded": count}
    assert successes_by_job(site.store) == dict.fromkeys(range(1, count + 1), 1)
    invoice = twin_json(address, "/twin/invoice")["lines"]
    billed = {line["request_id"]: line["cost_nanousd"] for line in invoice}
    assert len(billed) == len(invoice)
    assert disagreements(site.store, billed) == []
    calls = calls_of(site.store)
    assert "open" not in {call.state for call in calls}
    settled = sum(call.cost_nanousd or 0 for call in calls)
    unknown = sum(call.reserved_nanousd for call in calls if call.state == "unknown")
    assert settled <= sum(billed.values()) <= settled + unknown
    check_the_batches(site, address, invoice)


def check_the_batches(site: Site, address: str, invoice: list[dict[str, Any]]) -> None:
    """Each batch is known, each request was created once, each job paid once, each answer settled."""
    at_the_api = twin_json(address, "/twin/batches?custom_ids=true")
    custom_ids = Counter(custom_id for batch in at_the_api for custom_id in batch["custom_ids"])
    assert [name for name, times in custom_ids.items() if times > 1] == []
    with reading(site.store) as raw:
        ours = {api_id for (api_id,) in raw.execute("SELECT api_id FROM batches WHERE api_id IS NOT NULL")}
        jobs = dict(raw.execute("SELECT id, job_id FROM calls WHERE batch_id IS NOT NULL").fetchall())
        query = "SELECT message_id, cost_nanousd FROM calls WHERE batch_id IS NOT NULL AND state = 'settled'"
        booked = [row for row in raw.execute(query).fetchall() if row[1]]
        miscounted = raw.execute(
            "SELECT id FROM batches WHERE booked <>"
            " (SELECT count(*) FROM calls WHERE batch_id = batches.id AND state = 'settled')"
        ).fetchall()
        answers = raw.execute(
            "SELECT coalesce(j.answer, b.data) FROM jobs AS j"
            " LEFT JOIN blobs AS b ON b.job_id = j.id AND b.part = 'answer'"
        ).fetchall()
    assert {batch["id"] for batch in at_the_api} == ours
    assert miscounted == []
    lines = {line["request_id"]: line for line in invoice if line["about"]["service_tier"] == "batch"}
    assert sorted(booked) == sorted((name, line["cost_nanousd"]) for name, line in lines.items())
    paid = Counter(jobs[int(line["client_request_id"].rpartition("-")[2])] for line in lines.values())
    assert [job for job, times in paid.items() if times > 1] == []
    assert len({json.loads(answer)["id"] for (answer,) in answers}) == len(answers)


def survive(moments: list[Moment], *, jobs: int, faults: tuple[Fault, ...] = (), seed: int = SEED) -> Toll:
    """Hand in jobs bit by bit, kill the daemon at these moments, let it finish, and look at what there is."""
    chance, toll = random.Random(seed), Toll()
    settings = TwinSettings(reply_tokens=20, seed=seed, faults=faults, **AT_THE_API, **PLENTY)
    with short_folder() as folder, twin_process(settings) as twin:
        site = Site(folder, twin.address, TABLES)
        for moment, portion in zip(
            moments, portions(jobs_of_all_sizes(jobs, chance), len(moments)), strict=True
        ):
            site.submit(portion)
            kill_at(moment, site, twin.address, chance, toll)
            if chance.random() < 0.5:
                off_for_a_while(site)
        work_off(site)
        check_the_outcome(site, twin.address, jobs)
    return toll


def portions(jobs: list[dict[str, Any]], count: int) -> list[list[dict[str, Any]]]:
    """The jobs in so many parts, the first of them half of all: each daemon finds some to make a batch of."""
    first, rest = jobs[: len(jobs) // 2], jobs[len(jobs) // 2 :]
    return [first, *(rest[part :: count - 1] for part in range(count - 1))]


EXPIRING = (
    Fault("batch_expire", share=0.7, item_share=0.1),
    Fault("batch_item_error", item_share=0.05, error_type="overloaded_error"),
)
LOST_CREATES = (Fault("batch_create_lost", share=0.4), Fault("batch_create_unheard", share=0.3))
BROKEN_RESULTS = (Fault("batch_partial", share=0.6, after_share=0.7),)
WEATHERS = {
    "calm": (),
    "lost-creates": LOST_CREATES,
    "broken-results": BROKEN_RESULTS,
    "expired-and-errored": EXPIRING,
    "everything": (*LOST_CREATES, *BROKEN_RESULTS, *EXPIRING),
}


@pytest.mark.timeout(180)
def test_three_kills_over_the_life_of_a_batch_lose_nothing_and_pay_for_nothing_twice() -> None:
    first_answer_lost = (Fault("batch_create_lost", calls=(1, 1)),)
    toll = survive([Moment.CREATED, Moment.HALF_BOOKED, Moment.FILLING], jobs=240, faults=first_answer_lost)
    assert toll.kills == 3
    assert toll.found["creating"] > 0


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("weather", WEATHERS)
def test_ten_kills_over_the_life_of_batches_lose_nothing_and_pay_for_nothing_twice(weather: str) -> None:
    chance = random.Random(f"{SEED} {weather}")
    moments = list(islice(cycle(Moment), 9))
    chance.shuffle(moments)
    toll = survive(
        [Moment.HALF_BOOKED, *moments], jobs=1_000, faults=WEATHERS[weather], seed=chance.randrange(1 << 30)
    )
    print(f"\n{weather}: {toll}")
    assert toll.kills == 10
    assert toll.came.total() >= 5
