"""One mailbox file, as the porter opens it: what a producer may do to it, and what then is said."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from claudeflow.intake.mailbox.file import MailboxFile
from claudeflow.intake.mailbox.guard import own_objects
from claudeflow.intake.mailbox.place import DATABASE
from claudeflow.intake.mailbox.trouble import MailboxTrouble
from tests.support.mailboxes import Mailbox, a_mailbox

LIMIT = 10_000
AT = "2026-11-30T09:00:00.000Z"
TAKE: dict[str, Any] = {
    "after": 0,
    "blocked_lanes": (),
    "default_lane": "standard",
    "limit": 10,
    "most_bytes": 1_000_000,
}


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return a_mailbox(tmp_path, max_row_bytes=LIMIT)


@pytest.fixture
def file(mailbox: Mailbox) -> Iterator[MailboxFile]:
    found = opened(mailbox)
    yield found
    found.close()


def opened(mailbox: Mailbox) -> MailboxFile:
    return MailboxFile(mailbox.place, mailbox.description.uuid, mailbox.description.max_row_bytes)


def run(mailbox: Mailbox, *statements: str) -> None:
    with mailbox.opened() as raw:
        for statement in statements:
            raw.execute(statement)


def an_answer(row: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "inbox_id": row["id"],
        "nonce": row["nonce"],
        "state": "succeeded",
        "job_id": 1,
        "text": "ok",
        **more,
    }


def use_it(file: MailboxFile) -> None:
    """All that is done in a round."""
    file.deliver([{"inbox_id": 77, "nonce": "x", "state": "failed"}])
    file.take(**TAKE)
    file.settle([(1, "x", 1)], [], AT)
    file.clean("2000", 10)


def test_rows_are_taken_in_order_and_no_more_than_asked_for(mailbox: Mailbox, file: MailboxFile) -> None:
    ids = mailbox.ask(5)
    taken = file.take(**{**TAKE, "limit": 3})
    assert [row["id"] for row in taken.rows] == ids[:3]
    assert (taken.more, taken.last) == (True, ids[2])
    rest = file.take(**{**TAKE, "after": taken.last})
    assert ([row["id"] for row in rest.rows], rest.more) == (ids[3:], False)


def test_a_round_ends_when_it_has_read_enough(mailbox: Mailbox, file: MailboxFile) -> None:
    mailbox.ask(4)
    taken = file.take(**{**TAKE, "most_bytes": 200})
    assert (len(taken.rows), taken.more) == (2, True)


def test_rows_for_full_lanes_are_passed_over(mailbox: Mailbox, file: MailboxFile) -> None:
    [first] = mailbox.ask()
    [second] = mailbox.ask(lane="bulk")
    assert [row["id"] for row in file.take(**{**TAKE, "blocked_lanes": ["standard"]}).rows] == [second]
    assert [row["id"] for row in file.take(**{**TAKE, "blocked_lanes": ["bulk"]}).rows] == [first]


def test_an_answer_is_written_once_though_its_rows_were_deleted(mailbox: Mailbox, file: MailboxFile) -> None:
    mailbox.ask()
    [row] = file.take(**TAKE).rows
    file.settle([(row["id"], row["nonce"], 1)], [], AT)
    file.deliver([an_answer(row)])
    run(mailbox, "DELETE FROM inbox", "DELETE FROM outbox")
    file.deliver([an_answer(row)])
    assert mailbox.answers() == []
    file.deliver([an_answer({**row, "nonce": "of another row with this id"})])
    assert [answer["inbox_id"] for answer in mailbox.answers()] == [row["id"]]


def test_a_row_is_refused_once_though_it_is_put_back(mailbox: Mailbox, file: MailboxFile) -> None:
    mailbox.ask()
    [row] = file.take(**TAKE).rows
    refusal = {"inbox_id": row["id"], "nonce": row["nonce"], "state": "refused", "error_code": "invalid_job"}
    for _ in range(2):
        file.settle([], [refusal], AT)
        run(mailbox, "UPDATE inbox SET state = 'new', request = '{}'")
    assert len(mailbox.answers()) == 1


def test_a_row_above_the_limit_is_told_by_its_id_alone_and_goes(mailbox: Mailbox, file: MailboxFile) -> None:
    [large] = mailbox.ask(request=json.dumps({"model": "x" * 2_000_000}))
    [between] = mailbox.ask(request=json.dumps({"model": "x" * (LIMIT + 1)}))
    [small] = mailbox.ask()
    taken = file.take(**TAKE)
    assert [row_id for row_id, _ in taken.large] == [large, between]
    assert [row["id"] for row in taken.rows] == [small]
    refusals = [
        {"inbox_id": row_id, "nonce": nonce, "state": "refused", "is_large": True}
        for row_id, nonce in taken.large
    ]
    file.settle([], refusals, AT)
    assert [row["id"] for row in mailbox.inbox()] == [small]
    assert [row["inbox_id"] for row in mailbox.answers()] == [large, between]


def test_text_that_is_not_utf_8_is_named_and_the_others_are_read(mailbox: Mailbox, file: MailboxFile) -> None:
    run(mailbox, "INSERT INTO inbox (request) VALUES (CAST(x'7b22ff227d' AS TEXT))")
    mailbox.ask()
    wrong, right = file.take(**TAKE).rows
    assert wrong["wrong"] == {"request": "is not UTF-8"}
    assert right["wrong"] == {}


def test_what_is_done_and_old_goes_and_what_was_read_at_once(mailbox: Mailbox, file: MailboxFile) -> None:
    mailbox.ask(3)
    rows = file.take(**TAKE).rows
    file.settle([(row["id"], row["nonce"], row["id"]) for row in rows], [], "2026-01-01T00:00:00.000Z")
    file.deliver([an_answer(row) for row in rows[:2]])
    run(mailbox, f"UPDATE outbox SET read_at = 'now' WHERE inbox_id = {rows[0]['id']}")
    assert file.clean("2026-01-02T00:00:00.000Z", 100) == 3
    assert [row["id"] for row in mailbox.inbox()] == [rows[2]["id"]]  # its answer is still to come
    assert [row["inbox_id"] for row in mailbox.answers()] == [rows[1]["id"]]
    file.clean("2100-01-01T00:00:00.000Z", 100)
    assert mailbox.answers() == []


SABOTAGE: list[tuple[str, str]] = [
    ("DROP TABLE outbox", "altered"),
    ("ALTER TABLE inbox RENAME TO outbox_of_mine", "altered"),
    ("ALTER TABLE inbox ADD COLUMN more TEXT", "altered"),
    ("ALTER TABLE inbox DROP COLUMN traceparent", "altered"),
    ("ALTER TABLE inbox ADD COLUMN g TEXT AS (hex(zeroblob(1000000))) VIRTUAL", "altered"),
    ("CREATE INDEX i ON inbox (length(request))", "altered"),
    ("CREATE INDEX i ON outbox (text) WHERE hex(text) > 'a'", "altered"),
    ("CREATE VIEW v AS SELECT 1", "altered"),
    ("CREATE VIRTUAL TABLE v USING fts5(x)", "altered"),
    ("CREATE TRIGGER t AFTER INSERT ON outbox BEGIN DELETE FROM outbox; END", "altered"),
    ("CREATE TRIGGER t AFTER UPDATE ON inbox BEGIN SELECT load_extension('/tmp/evil.so'); END", "altered"),
    ("CREATE TRIGGER t BEFORE DELETE ON inbox BEGIN DELETE FROM outbox; END", "altered"),
    ("UPDATE mailbox SET uuid = 'of another'", "replaced"),
    ("DELETE FROM mailbox", "replaced"),
]


@pytest.mark.parametrize(("statement", "code"), SABOTAGE)
def test_tables_that_are_no_mailboxes_are_refused_before_anything_is_done(
    mailbox: Mailbox, statement: str, code: str
) -> None:
    mailbox.ask()
    run(mailbox, statement)
    with pytest.raises(MailboxTrouble) as caught:
        use_it(opened(mailbox))
    assert caught.value.code == code


@pytest.mark.parametrize("statement", [one for one, code in SABOTAGE if code == "altered"])
def test_what_is_altered_while_the_mailbox_is_open_is_noticed_at_once(
    mailbox: Mailbox, file: MailboxFile, statement: str
) -> None:
    use_it(file)
    run(mailbox, statement)
    with pytest.raises(MailboxTrouble) as caught:
        use_it(file)
    assert caught.value.code == "altered"


def forge(mailbox: Mailbox, statement: str, *values: Any) -> None:
    """Write into the schema itself: what no ALTER would allow."""
    with mailbox.opened() as raw:
        raw.execute("PRAGMA writable_schema = ON")
        raw.execute(statement, values)
        version = raw.execute("PRAGMA schema_version").fetchone()[0]
        raw.execute(f"PRAGMA schema_version = {version + 1}")


def test_a_trigger_that_nobody_has_looked_for_does_nothing(mailbox: Mailbox, file: MailboxFile) -> None:
    """The schema is looked at again only when its version has changed; the authorizer always looks."""
    mailbox.ask()
    [row] = file.take(**TAKE).rows
    trigger = "CREATE TRIGGER t AFTER INSERT ON outbox BEGIN DELETE FROM inbox; END"
    run(mailbox, trigger)
    with mailbox.opened() as raw:
        file._schema = raw.execute("PRAGMA schema_version").fetchone()[0]
    with pytest.raises(MailboxTrouble) as caught:
        file.deliver([an_answer(row)])
    assert caught.value.code == "altered"
    assert (len(mailbox.inbox()), mailbox.answers()) == (1, [])


def test_checks_and_columns_forged_into_the_schema_are_refused(mailbox: Mailbox, file: MailboxFile) -> None:
    spoilt = (own_objects()["outbox"] or "").replace("state         TEXT", "state TEXT COLLATE NOCASE")
    forge(mailbox, "UPDATE sqlite_schema SET sql = ? WHERE name = 'outbox'", spoilt)
    with pytest.raises(MailboxTrouble) as caught:
        use_it(file)
    assert caught.value.code == "altered"


def test_tables_of_the_producers_own_do_no_harm(mailbox: Mailbox, file: MailboxFile) -> None:
    run(
        mailbox,
        "CREATE TABLE mine (id INTEGER PRIMARY KEY, of_inbox REFERENCES inbox (id) ON DELETE CASCADE)",
        "CREATE INDEX mine_by_inbox ON mine (of_inbox)",
        "ANALYZE",
    )
    use_it(file)


def test_hundreds_of_tables_are_too_many(mailbox: Mailbox, file: MailboxFile) -> None:
    run(mailbox, *(f"CREATE TABLE t{number} (a)" for number in range(250)))
    with pytest.raises(MailboxTrouble, match="more than 200"):
        use_it(file)


def put_garbage(mailbox: Mailbox) -> None:
    mailbox.place.database.write_bytes(os.urandom(200_000))


def damage(mailbox: Mailbox) -> None:
    run(mailbox, "PRAGMA wal_checkpoint(TRUNCATE)")
    with mailbox.place.database.open("r+b") as raw:
        for page in range(1, 10):
            raw.seek(page * 4096)
            raw.write(os.urandom(4096))


def empty(mailbox: Mailbox) -> None:
    os.truncate(mailbox.place.database, 0)


def in_its_folder(act: Callable[[Mailbox, Path], None]) -> Callable[[Mailbox], None]:
    """With the rights of root, for nobody else can."""

    def do(mailbox: Mailbox) -> None:
        mailbox.place.folder.chmod(0o750)
        act(mailbox, mailbox.place.database)

    return do


@in_its_folder
def unlink(_: Mailbox, path: Path) -> None:
    path.unlink()


@in_its_folder
def link_to_elsewhere(mailbox: Mailbox, path: Path) -> None:
    path.rename(mailbox.place.root / "elsewhere.db")
    path.symlink_to(mailbox.place.root / "elsewhere.db")


@in_its_folder
def make_a_fifo(_: Mailbox, path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@in_its_folder
def make_a_folder(_: Mailbox, path: Path) -> None:
    path.unlink()
    path.mkdir()


@in_its_folder
def link_the_log(mailbox: Mailbox, path: Path) -> None:
    log = path.with_name(f"{DATABASE}-wal")
    log.unlink(missing_ok=True)
    (mailbox.place.root / "log").touch()
    log.symlink_to(mailbox.place.root / "log")


@in_its_folder
def link_it_twice(mailbox: Mailbox, path: Path) -> None:
    os.link(path, mailbox.place.root / "twin.db")


@in_its_folder
def forge_a_journal(_: Mailbox, path: Path) -> None:
    path.with_name(f"{DATABASE}-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(504))


@in_its_folder
def put_another_mailbox(mailbox: Mailbox, path: Path) -> None:
    other = a_mailbox(mailbox.place.root, "other")
    other.place.database.replace(path)


@pytest.mark.parametrize(
    ("act", "codes"),
    [
        (put_garbage, {"broken"}),
        (damage, {"broken", "altered"}),
        (empty, {"altered", "broken"}),
        (unlink, {"missing"}),
        (link_to_elsewhere, {"replaced"}),
        (make_a_fifo, {"replaced"}),
        (make_a_folder, {"replaced"}),
        (link_the_log, {"replaced"}),
        (link_it_twice, {"replaced"}),
        (forge_a_journal, {"altered"}),
        (put_another_mailbox, {"replaced"}),
    ],
)
def test_files_that_are_no_mailbox_are_not_opened(
    mailbox: Mailbox, act: Callable[[Mailbox], None], codes: set[str]
) -> None:
    mailbox.ask()
    act(mailbox)
    with pytest.raises(MailboxTrouble) as caught:
        use_it(opened(mailbox))
    assert caught.value.code in codes
    assert caught.value.remedy


def test_a_file_that_was_replaced_while_it_was_open_is_noticed(mailbox: Mailbox, file: MailboxFile) -> None:
    file.check_identity()
    put_another_mailbox(mailbox)
    with pytest.raises(MailboxTrouble) as caught:
        file.check_identity()
    assert caught.value.code == "replaced"


def test_a_lock_is_told_at_once_and_not_waited_for(mailbox: Mailbox, file: MailboxFile) -> None:
    with mailbox.opened() as raw:
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(MailboxTrouble) as caught:
            file.settle([(1, "x", 1)], [], AT)
        raw.execute("ROLLBACK")
    assert caught.value.code == "locked"
    use_it(file)


def test_a_full_file_is_told_and_nothing_is_half_written(mailbox: Mailbox, file: MailboxFile) -> None:
    mailbox.ask()
    [row] = file.take(**TAKE).rows
    file._raw.set_authorizer(None)
    file._raw.execute("PRAGMA max_page_count = 5")
    with pytest.raises(MailboxTrouble) as caught:
        file.deliver([an_answer(row, answer="x" * 100_000)])
    assert caught.value.code == "full"
    assert (mailbox.answers(), mailbox.rows("SELECT * FROM receipts")) == ([], [])


def test_the_schema_says_in_itself_what_to_write(mailbox: Mailbox) -> None:
    with mailbox.opened() as raw:
        text = " ".join(row[0] for row in raw.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"))
        for column in ("priority", "deadline", "cost_nanousd", "errors"):
            assert any(column in line and "--" in line for line in text.splitlines())
        assert "INSERT INTO inbox (request)" in text
        with pytest.raises(sqlite3.IntegrityError, match="either request, or prompt"):
            raw.execute("INSERT INTO inbox (lane) VALUES ('bulk')")
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute("INSERT INTO inbox (request, priority) VALUES ('{}', 101)")
