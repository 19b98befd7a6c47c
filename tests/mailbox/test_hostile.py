"""Hostile and broken mailboxes beside a healthy one: it goes on, and the trouble is told with its remedy."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from claudeflow.intake.mailbox.place import DATABASE
from claudeflow.twin.child import twin_process
from claudeflow.twin.settings import TwinSettings
from tests.support.daemons import PLENTY
from tests.support.mailboxes import Mailbox, a_mailbox, a_site, states_by_name
from tests.support.processes import daemon_at, eventually, short_folder

TWIN = TwinSettings(reply_tokens=20, **PLENTY)


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    with twin_process(TWIN) as twin:
        yield twin.address


@contextmanager
def holding_the_lock(mailbox: Mailbox) -> Iterator[None]:
    with mailbox.opened() as raw:
        raw.execute("BEGIN IMMEDIATE")
        yield
        raw.execute("ROLLBACK")


def dropping_a_table(mailbox: Mailbox) -> AbstractContextManager[None]:
    with mailbox.opened() as raw:
        raw.execute("DROP TABLE outbox")
    return nullcontext()


def adding_a_trigger(mailbox: Mailbox) -> AbstractContextManager[None]:
    with mailbox.opened() as raw:
        raw.execute("CREATE TRIGGER t AFTER UPDATE ON inbox BEGIN DELETE FROM inbox; END")
    return nullcontext()


def writing_garbage(mailbox: Mailbox) -> AbstractContextManager[None]:
    mailbox.place.database.write_bytes(os.urandom(100_000))
    return nullcontext()


@contextmanager
def cutting_off_what_is_mapped(mailbox: Mailbox) -> Iterator[None]:
    """Again and again: whoever has the file mapped and touches it then is killed by the kernel."""
    shared = mailbox.place.folder / f"{DATABASE}-shm"

    def cut() -> None:
        os.truncate(shared, 0)

    with repeating(cut):
        yield


@contextmanager
def repeating(act: Callable[[], None]) -> Iterator[None]:
    """Until the block ends, in a process of its own."""
    child = os.fork()
    if child == 0:
        try:
            while True:
                act()
                time.sleep(0.001)
        finally:
            os._exit(0)
    try:
        yield
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        (holding_the_lock, "locked"),
        (dropping_a_table, "altered"),
        (adding_a_trigger, "altered"),
        (writing_garbage, "broken"),
        (cutting_off_what_is_mapped, "deadly"),
    ],
)
def test_the_others_go_on_and_the_trouble_is_told(
    api: str, attack: Callable[[Mailbox], AbstractContextManager[None]], code: str
) -> None:
    with short_folder() as folder:
        site, mail = a_site(folder, api)
        good, bad = a_mailbox(mail, "good"), a_mailbox(mail, "bad", workflow="other")
        with daemon_at(site) as daemon:
            for mailbox in (good, bad):
                mailbox.ask()
                mailbox.answered(1)
            bad.ask(3, first=2)
            with attack(bad):
                for number in range(2, 12):
                    good.ask(first=number)
                    good.answered(number)
                found = eventually(lambda: in_trouble(folder / "log", "bad"))
                assert {event["code"] for event in found} == {code}
                assert all(event["remedy"] and "NAME" not in event["remedy"] for event in found)
                assert states_by_name(site)["good"]["state"] == "serving"
            assert daemon.process.poll() is None


def in_trouble(log: Path, name: str) -> list[dict[str, str]]:
    """What was told of a mailbox's trouble."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "MailboxTroubled" and line["mailbox"] == name]


def test_a_flood_of_large_rows_keeps_nobody_waiting_and_is_refused(api: str) -> None:
    with short_folder() as folder:
        site, mail = a_site(folder, api)
        good, bad = a_mailbox(mail, "good"), a_mailbox(mail, "bad", max_row_bytes=100_000)
        with bad.opened() as raw:
            raw.execute("BEGIN")
            for _ in range(4):
                raw.execute("INSERT INTO inbox (request) VALUES (CAST(zeroblob(100000000) AS TEXT))")
            raw.execute("COMMIT")
        with daemon_at(site):
            good.ask()
            assert good.answered(1)[0]["state"] == "succeeded"
            refused = bad.answered(4)
            assert {row["state"] for row in refused} == {"refused"}
            assert "100,000 bytes" in refused[0]["error_message"]
            assert bad.inbox() == []


def test_a_flood_of_rows_lets_others_pass(api: str) -> None:
    """The good one's row comes last, and is answered long before the flood is over."""
    with short_folder() as folder:
        site, mail = a_site(folder, api)
        good, bad = a_mailbox(mail, "good"), a_mailbox(mail, "bad", workflow="flood")
        bad.ask(5_000)
        with daemon_at(site):
            eventually(lambda: bad.rows("SELECT 1 FROM inbox WHERE state <> 'new' LIMIT 1"))
            good.ask()
            good.answered(1)
            [left] = bad.rows("SELECT count(*) AS n FROM inbox WHERE state = 'new'")
            assert left["n"] > 1_000


def test_after_the_trouble_it_goes_on_by_itself(api: str) -> None:
    with short_folder() as folder:
        site, mail = a_site(folder, api)
        mailbox = a_mailbox(mail)
        with daemon_at(site):
            mailbox.ask()
            with holding_the_lock(mailbox):
                eventually(lambda: in_trouble(folder / "log", "tickets"))
                assert states_by_name(site)["tickets"]["code"] == "locked"
            assert mailbox.answered(1)[0]["state"] == "succeeded"
            eventually(lambda: site.events("MailboxMended"))
            assert states_by_name(site)["tickets"]["code"] is None


def test_a_mended_mailbox_gets_the_answers_that_are_owed(api: str) -> None:
    with short_folder() as folder:
        site, mail = a_site(folder, api)
        mailbox = a_mailbox(mail)
        with daemon_at(site):
            mailbox.ask(2, not_before="+2s")
            eventually(lambda: all(row["state"] == "accepted" for row in mailbox.inbox()))
            writing_garbage(mailbox)
            done = site.cli("mailbox", "mend", "tickets")
            assert done.returncode == 0, done.stderr
            assert len(mailbox.answered(2)) == 2
            mailbox.ask(first=3)
            mailbox.answered(3)
        [aside] = mail.glob("tickets.2*")
        assert (aside / DATABASE).stat().st_size == 100_000


@pytest.mark.parametrize("loosen", ["description", "folder"])
def test_descriptions_that_others_could_have_written_are_not_believed(api: str, loosen: str) -> None:
    with short_folder() as folder:
        site, mail = a_site(folder, api)
        mailbox = a_mailbox(mail)
        mailbox.ask()
        if loosen == "description":
            mailbox.place.description.chmod(0o666)
        else:
            mail.chmod(0o777)
        with daemon_at(site):
            kind = "MailboxTroubled" if loosen == "description" else "OwnTrouble"
            [event] = eventually(lambda: site.events(kind))
            assert "others than its owner may write" in event["problem"]
            assert mailbox.inbox()[0]["state"] == "new"
