"""A real daemon serves mailboxes: rows become jobs, answers come back, and new mailboxes are taken up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from claudeflow.intake.mailbox.making import remove
from claudeflow.twin.child import twin_process
from claudeflow.twin.settings import TwinSettings
from tests.support.books import reading
from tests.support.daemons import PLENTY, a_job
from tests.support.mailboxes import ME, a_mailbox, a_site, states_by_name
from tests.support.processes import Site, daemon_at, eventually, short_folder

TWIN = TwinSettings(reply_tokens=20, **PLENTY)


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    with twin_process(TWIN) as twin:
        yield twin.address


@pytest.fixture
def place(api: str) -> Iterator[tuple[Site, Path]]:
    with short_folder() as folder:
        yield a_site(folder, api)


def test_a_row_becomes_a_job_and_its_answer_a_row(place: tuple[Site, Path]) -> None:
    site, mail = place
    mailbox = a_mailbox(mail)
    with daemon_at(site):
        [row_id] = mailbox.ask(metadata='{"ticket": "4711"}', dedupe_key="ticket-4711", priority=5)
        [answer] = mailbox.answered(1)
        assert (answer["inbox_id"], answer["state"]) == (row_id, "succeeded")
        message = json.loads(answer["answer"])
        assert answer["text"] == message["content"][0]["text"]
        assert answer["output_tokens"] == message["usage"]["output_tokens"] > 0
        assert answer["cost_usd"] == pytest.approx(answer["cost_nanousd"] / 1e9)
        assert json.loads(answer["metadata"]) == {"ticket": "4711"}
        shown = json.loads(site.cli("show", str(answer["job_id"]), "--json").stdout)
    assert shown["submitted_by"] == ME
    assert (shown["workflow"], shown["lane"], shown["priority"]) == ("triage", "standard", 5)
    assert shown["cost_nanousd"] == answer["cost_nanousd"] > 0
    [asked] = mailbox.inbox()
    assert (asked["state"], asked["job_id"], asked["request"]) == ("answered", answer["job_id"], None)


def test_rows_of_an_owner_who_may_not_send_are_refused_and_that_is_told(place: tuple[Site, Path]) -> None:
    site, mail = place
    site.configure(**site.tables, **{'access."user:nobody"': {"roles": ["read"]}})
    mailbox = a_mailbox(mail, owner="nobody")
    with daemon_at(site):
        mailbox.ask(3)
        assert {row["error_code"] for row in mailbox.answered(3)} == {"forbidden"}
        told = eventually(lambda: site.events("CallerRefused"))
    assert {(one["caller"], one["via"], one["route"]) for one in told} == {
        ("nobody", "mailbox", "mailbox tickets")
    }
    assert sum(one["times"] for one in told) == 3


def test_dedupe_keys_of_a_mailbox_are_its_own(place: tuple[Site, Path]) -> None:
    """The owner sends a job under the same key, and has another mailbox: neither meets the other."""
    site, mail = place
    mailbox, another = a_mailbox(mail), a_mailbox(mail, "another")
    job = json.dumps({**a_job(), "workflow": "triage", "dedupe_key": "k"}) + "\n"
    with daemon_at(site):
        site.cli("submit", "--jsonl", "-", stdin=job)
        mailbox.ask(2, dedupe_key="k")
        first, second = mailbox.answered(2)
        another.ask(dedupe_key="k")
        [third] = another.answered(1)
        again = site.cli("submit", "--jsonl", "-", stdin=job)
    assert first["job_id"] == second["job_id"] != third["job_id"]
    with reading(site.store) as raw:
        jobs = raw.execute("SELECT id, mailbox FROM jobs WHERE dedupe_key = 'k' ORDER BY id").fetchall()
    assert jobs == [
        (1, None),
        (first["job_id"], mailbox.description.uuid),
        (third["job_id"], another.description.uuid),
    ]
    assert again.stdout == "0 submitted, 1 existed already\n"


def test_a_wrong_row_is_refused_with_the_mistakes_that_the_http_door_names(place: tuple[Site, Path]) -> None:
    site, mail = place
    mailbox = a_mailbox(mail)
    wrong = {"model": "claude-haiku-5-5", "temperature": 1}
    with daemon_at(site):
        mailbox.ask(request=json.dumps(wrong), deadline="tomorrow", priority=7)
        mailbox.ask(request="{nonsense", metadata="[1]", lane="interactive", workflow="other")
        first, second = mailbox.answered(2)
        document = json.dumps({"request": wrong, "deadline": "tomorrow", "priority": 7})
        told = site.cli("submit", "--jsonl", "-", stdin=document + "\n").stderr
    for mistake in json.loads(first["errors"]):
        assert mistake["message"] in told
    assert {mistake["field"] for mistake in json.loads(first["errors"])} >= {"deadline", "request.max_tokens"}
    named = {mistake["field"]: mistake["message"] for mistake in json.loads(second["errors"])}
    assert named.keys() >= {"request", "metadata", "lane", "workflow"}
    assert "lanes of this mailbox are bulk, standard" in named["lane"]
    assert [row["state"] for row in mailbox.inbox()] == ["refused", "refused"]
    with reading(site.store) as raw:
        assert raw.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_a_prompt_may_be_asked_for_and_its_lane_does_not_count(place: tuple[Site, Path]) -> None:
    site, mail = place
    folder = site.folder / "prompts" / "sorter"
    folder.mkdir(parents=True)
    (folder / "prompt.toml").write_text(
        'model = "claude-haiku-5-5"\nmax_tokens = 200\nlane = "interactive"\n'
    )
    (folder / "system.md").write_text("You sort tickets.\n")
    (folder / "user.md").write_text("{{ ticket }}\n")
    site.configure(prompts={"folder": str(folder.parent)}, **site.tables)
    mailbox = a_mailbox(mail)
    with daemon_at(site):
        mailbox.ask(request=None, prompt="sorter", input='{"ticket": "no toner"}')
        [answer] = mailbox.answered(1)
        shown = json.loads(site.cli("show", str(answer["job_id"]), "--json").stdout)
    assert (shown["lane"], shown["prompt"]["name"], answer["state"]) == ("standard", "sorter", "succeeded")


def test_mailboxes_come_and_go_while_the_daemon_runs(place: tuple[Site, Path]) -> None:
    site, mail = place
    with daemon_at(site):
        first = a_mailbox(mail, "first")
        first.ask()
        first.answered(1)
        second = a_mailbox(mail, "second", workflow="review")
        second.ask()
        assert second.answered(1)[0]["job_id"] != first.answers()[0]["job_id"]
        assert {name: row["state"] for name, row in states_by_name(site).items()} == {
            "first": "serving",
            "second": "serving",
        }
        remove(first.place)
        eventually(lambda: site.events("MailboxGone"))
        second.ask(first=2)
        second.answered(2)
        assert states_by_name(site).keys() == {"second"}


def test_what_ended_while_the_mailbox_was_locked_comes_back(place: tuple[Site, Path]) -> None:
    site, mail = place
    mailbox = a_mailbox(mail)
    with daemon_at(site), mailbox.opened() as raw:
        mailbox.ask(3, not_before="+1s")
        eventually(lambda: all(row["state"] == "accepted" for row in mailbox.inbox()))
        raw.execute("BEGIN IMMEDIATE")
        eventually(lambda: _finished(site) == 3)
        assert mailbox.answers() == []
        raw.execute("COMMIT")
        assert [row["state"] for row in mailbox.answered(3)] == ["succeeded"] * 3


def test_what_ended_while_the_mailbox_could_not_be_written_outlives_the_daemon(
    place: tuple[Site, Path],
) -> None:
    site, mail = place
    mailbox = a_mailbox(mail)
    with mailbox.opened() as raw:
        with daemon_at(site) as daemon:
            mailbox.ask(3, not_before="+1s")
            eventually(lambda: all(row["state"] == "accepted" for row in mailbox.inbox()))
            raw.execute("BEGIN IMMEDIATE")
            eventually(lambda: _finished(site) == 3)
            daemon.kill()
        raw.execute("COMMIT")
    assert mailbox.answers() == []
    with daemon_at(site):
        assert [row["state"] for row in mailbox.answered(3)] == ["succeeded"] * 3


def _finished(site: Site) -> int:
    with reading(site.store) as raw:
        count: int = raw.execute("SELECT count(*) FROM jobs WHERE finished_ms IS NOT NULL").fetchone()[0]
    return count


def test_rows_of_a_full_lane_wait_and_those_of_another_pass(api: str) -> None:
    with short_folder() as folder:
        lanes = {
            "standard": {"max_queued": 1, "max_in_flight": 1},
            "bulk": {},
        }
        site, mail = a_site(folder, api, lanes=lanes)
        mailbox = a_mailbox(mail)
        with daemon_at(site):
            assert site.cli("pause", "standard", "--reason", "test").returncode == 0
            site.submit([a_job(900)])
            mailbox.ask(3)
            [passing] = mailbox.ask(first=4, lane="bulk")
            [answer] = mailbox.answered(1)
            assert answer["inbox_id"] == passing
            assert [row["state"] for row in mailbox.inbox()] == ["new", "new", "new", "answered"]
            assert states_by_name(site)["tickets"]["state"] == "full"
            assert site.cli("resume", "standard").returncode == 0
            assert {row["state"] for row in mailbox.answered(4)} == {"succeeded"}


def test_status_names_mailboxes_in_trouble(place: tuple[Site, Path]) -> None:
    site, mail = place
    a_mailbox(mail, "sound")
    hurt = a_mailbox(mail, "hurt")
    hurt.place.database.unlink()
    (mail / "wrong.toml").write_text("nonsense = 1\n")
    with daemon_at(site):
        found = eventually(lambda: _with_troubles(site, 2))
        assert found["serving"] == 1
        missing, wrong = found["trouble"]
        assert (missing["name"], missing["code"]) == ("hurt", "missing")
        assert "claudeflow mailbox mend hurt" in missing["remedy"]
        assert (wrong["name"], wrong["code"]) == ("wrong", "description")
        screen = site.cli("status").stdout
        assert "mailboxes: 1 serving, 2 in trouble" in screen
        assert "claudeflow mailbox mend hurt" in screen
        mail.chmod(0o777)
        folder = eventually(lambda: _with_troubles(site, 3))["trouble"][0]
        assert (folder["name"], folder["code"]) == (str(mail), "folder")


def _with_troubles(site: Site, count: int) -> dict[str, Any]:
    """What status says of mailboxes, once so many are in trouble."""
    found: dict[str, Any] = json.loads(site.cli("status", "--json").stdout)["mailboxes"]
    return found if len(found["trouble"]) == count and found["serving"] else {}
