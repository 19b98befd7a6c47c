"""`kill -9` at random moments: each row becomes one job, and gets one row of outbox.

A job that was running at three of them is held for a person, who lets it go here.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from claudeflow.twin.child import twin_process
from claudeflow.twin.faults import Fault
from claudeflow.twin.settings import TwinSettings
from tests.e2e.test_crash import release_held_jobs
from tests.support.books import reading, states_of
from tests.support.daemons import PLENTY
from tests.support.mailboxes import Mailbox, a_mailbox, a_site
from tests.support.processes import Site, daemon_at, eventually, short_folder, starting_daemon

SEED = 20261130
FAULTS = (Fault("overloaded_529", share=0.02), Fault("conn_reset", share=0.02))
TWIN = TwinSettings(reply_tokens=30, ttft_s=0.05, tokens_per_s=400.0, faults=FAULTS, **PLENTY)


def kill_again_and_again(site: Site, mailboxes: list[Mailbox], kills: int, chance: random.Random) -> int:
    """Write rows while the daemon is killed again and again; how many were asked for."""
    asked = 0
    for _ in range(kills):
        with starting_daemon(site) as daemon:
            daemon.ready()
            for mailbox in mailboxes:
                count = chance.randint(5, 40)
                mailbox.ask(count, first=asked + 1, metadata=json.dumps({"at": str(asked)}))
                asked += count
            assert not daemon.dies_within(chance.uniform(0.0, 0.7))
            daemon.kill()
    return asked


def survive(folder: Path, *, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    with twin_process(TWIN) as twin:
        tables = {
            "lanes": {"standard": {"max_in_flight": 16}, "bulk": {}},
            "retry": {"base_s": 0.05, "cap_s": 0.2},
        }
        site, mail = a_site(folder, twin.address, **tables)
        mailboxes = [a_mailbox(mail, "one"), a_mailbox(mail, "two", lanes=("bulk",))]
        asked = kill_again_and_again(site, mailboxes, kills, chance)
        with daemon_at(site):
            release_held_jobs(site)
            eventually(lambda: sum(len(one.answers()) for one in mailboxes) >= asked, patience_s=90)
            check(site, mailboxes, asked)


def check(site: Site, mailboxes: list[Mailbox], asked: int) -> None:
    assert states_of(site.store) == {"succeeded": asked}
    for mailbox in mailboxes:
        inbox = {row["id"]: row for row in mailbox.inbox()}
        answers = Counter(row["inbox_id"] for row in mailbox.answers())
        assert answers == Counter(inbox.keys())
        assert {row["state"] for row in inbox.values()} == {"answered"}
        for answer in mailbox.answers():
            assert inbox[answer["inbox_id"]]["job_id"] == answer["job_id"]
    with reading(site.store) as raw:
        noted = raw.execute(
            "SELECT count(*), count(DISTINCT job_id), count(written_ms) FROM mailbox_jobs"
        ).fetchone()
    assert noted == (asked, asked, asked)


@pytest.mark.timeout(180)
def test_kills_lose_no_row_and_double_none() -> None:
    with short_folder() as folder:
        survive(folder, kills=5, seed=SEED)


@pytest.mark.chaos
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(3))
def test_many_kills_lose_no_row_and_double_none(seed: int) -> None:
    with short_folder() as folder:
        survive(folder, kills=30, seed=seed)


def test_a_row_that_was_stored_and_not_marked_is_no_second_job() -> None:
    """The moment between the two commits, made to last by a lock, with a kill in it."""
    with twin_process(TWIN) as twin, short_folder() as folder:
        site, mail = a_site(folder, twin.address)
        mailbox = a_mailbox(mail)
        mailbox.ask(3, not_before="+1h")
        with mailbox.opened() as raw:
            raw.execute("BEGIN IMMEDIATE")
            for _ in range(2):
                with daemon_at(site) as daemon:
                    eventually(lambda: site.store.exists() and states_of(site.store) == {"queued": 3})
                    daemon.kill()
            assert {row["state"] for row in mailbox.inbox()} == {"new"}
            raw.execute("ROLLBACK")
        with daemon_at(site):
            eventually(lambda: {row["state"] for row in mailbox.inbox()} == {"accepted"})
            ids = [row["job_id"] for row in mailbox.inbox()]
            assert (len(set(ids)), states_of(site.store)) == (3, {"queued": 3})
            for job_id in ids:
                assert site.cli("cancel", str(job_id)).returncode == 0
            assert [row["state"] for row in mailbox.answered(3)] == ["cancelled"] * 3
        assert site.events("OwnTrouble") == []
