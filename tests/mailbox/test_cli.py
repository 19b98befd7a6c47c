"""`claudeflow mailbox`: whom files belong to, and what each user may do with them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from claudeflow.intake.mailbox.description import read_description
from tests.support.mailboxes import ME, a_mailbox, a_site
from tests.support.processes import Site, short_folder


@pytest.fixture
def place() -> Iterator[tuple[Site, Path]]:
    with short_folder() as folder:
        yield a_site(folder, "http://127.0.0.1:9")


def create(site: Site, name: str = "tickets", *more: str, owner: str = ME, lane: str = "standard") -> str:
    done = site.cli(
        "mailbox", "create", name, "--owner", owner, "--workflow", "triage", "--lane", lane, *more
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_was_granted_stands_where_only_root_writes(place: tuple[Site, Path]) -> None:
    site, mail = place
    path = create(site, "tickets", "--max-row-bytes", "5000", "--keep-days", "3", lane="bulk,standard")
    assert path == str(mail / "tickets" / "mailbox.db")
    found = read_description(mail / "tickets.toml")
    assert (found.owner, found.workflow, found.lanes) == (ME, "triage", ("bulk", "standard"))
    assert (found.max_row_bytes, found.keep_days) == (5000, 3)
    modes = {entry.name: stat.S_IMODE(entry.lstat().st_mode) for entry in [mail, *mail.rglob("*")]}
    assert modes == {
        "mail": 0o755,
        "tickets.toml": 0o644,
        "tickets": 0o2550,
        "mailbox.db": 0o660,
        "mailbox.db-wal": 0o660,
        "mailbox.db-shm": 0o660,
    }


@pytest.mark.parametrize(
    ("arguments", "told", "code"),
    [
        (["Tickets", "--owner", ME, "--workflow", "t", "--lane", "bulk"], "must be 1 to 64", 78),
        (["tickets", "--owner", "nobody-here", "--workflow", "t", "--lane", "bulk"], "knows no user", 2),
        (["tickets", "--owner", f"{ME}:no-group", "--workflow", "t", "--lane", "bulk"], "knows no group", 2),
        (["tickets", "--owner", ME, "--workflow", "T!", "--lane", "bulk"], "must be a workflow", 78),
        (["tickets", "--owner", ME, "--workflow", "t", "--lane", "slow"], "lanes are interactive", 2),
    ],
)
def test_what_makes_no_mailbox_is_refused(
    place: tuple[Site, Path], arguments: list[str], told: str, code: int
) -> None:
    site, mail = place
    done = site.cli("mailbox", "create", *arguments)
    assert (done.returncode, list(mail.iterdir())) == (code, [])
    assert told in done.stderr


def test_a_second_one_of_the_same_name_is_refused(place: tuple[Site, Path]) -> None:
    site, _ = place
    create(site)
    done = site.cli("mailbox", "create", "tickets", "--owner", ME, "--workflow", "t", "--lane", "bulk")
    assert done.returncode == 6
    assert "there is a mailbox tickets already" in done.stderr


def test_without_a_folder_the_way_out_is_told() -> None:
    with short_folder() as folder:
        done = Site(folder).cli("mailbox", "create", "t", "--owner", ME, "--workflow", "t", "--lane", "bulk")
    assert done.returncode == 78
    assert "mailboxes.folder" in done.stderr


def test_without_a_daemon_mailboxes_are_listed_and_shown(place: tuple[Site, Path]) -> None:
    site, mail = place
    assert "no mailboxes" in site.cli("mailbox", "list").stderr
    create(site)
    (mail / "broken.toml").write_text("owner = 3\n")
    listed = site.cli("mailbox", "list").stdout
    assert "offline" in listed
    assert "uuid: is missing" in listed
    assert "triage" in site.cli("mailbox", "show", "tickets").stdout
    assert site.cli("mailbox", "show", "nothing").returncode == 5


def test_removing_asks_and_leaves_nothing(place: tuple[Site, Path]) -> None:
    site, mail = place
    create(site)
    assert site.cli("mailbox", "remove", "tickets", stdin="n\n").returncode != 0
    assert (mail / "tickets.toml").exists()
    assert site.cli("mailbox", "remove", "tickets", stdin="y\n").returncode == 0
    assert list(mail.iterdir()) == []
    assert site.cli("mailbox", "remove", "tickets", "--yes").returncode == 5


def test_mending_makes_lost_side_files_again_and_keeps_the_rows(place: tuple[Site, Path]) -> None:
    site, mail = place
    mailbox = a_mailbox(mail)
    mailbox.ask(2)
    for side in ("-wal", "-shm"):
        mailbox.place.database.with_name(f"mailbox.db{side}").unlink(missing_ok=True)
    done = site.cli("mailbox", "mend", "tickets")
    assert "nothing else was changed" in done.stdout
    assert len(mailbox.inbox()) == 2
    assert list(mail.glob("tickets.2*")) == []


def test_mending_anew_does_not_stop_at_lost_side_files(place: tuple[Site, Path]) -> None:
    site, mail = place
    mailbox = a_mailbox(mail)
    mailbox.ask(2)
    for side in ("-wal", "-shm"):
        mailbox.place.database.with_name(f"mailbox.db{side}").unlink(missing_ok=True)
    assert "--anew" in site.cli("mailbox", "mend", "tickets").stderr
    mailbox.place.database.with_name("mailbox.db-wal").unlink()
    done = site.cli("mailbox", "mend", "tickets", "--anew")
    assert (done.returncode, "is new and empty" in done.stdout) == (0, True)
    [aside] = mail.glob("tickets.2*")
    assert (aside / "mailbox.db").exists()
    assert len(mailbox.inbox()) == 0


ROOT_ONLY = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv") or not shutil.which("sqlite3"),
    reason="needs root, setpriv and the sqlite3 shell",
)
DAEMON, PRODUCER, STRANGER = 54_101, 54_102, 54_103


@dataclass(frozen=True, slots=True)
class User:
    """A user without any rights but its own."""

    uid: int
    gid: int

    def does(self, *command: str) -> subprocess.CompletedProcess[str]:
        who = ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        return subprocess.run([*who, *command], capture_output=True, text=True, timeout=30, check=False)

    def says(self, database: Path, statement: str) -> str:
        """What SQLite answers, or its error."""
        done = self.does("sqlite3", "-batch", str(database), statement)
        return (done.stdout + done.stderr).strip()


@ROOT_ONLY
def test_producer_and_daemon_share_the_file_and_strangers_see_nothing(tmp_path: Path) -> None:
    from claudeflow.intake.mailbox.making import Ids
    from tests.support import mailboxes

    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 != 0o005 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o005)
    mail = tmp_path / "mail"
    mailbox = mailboxes.a_mailbox(mail, ids=Ids(DAEMON, PRODUCER))
    path = mailbox.place.database
    daemon, producer, stranger = (User(uid, uid) for uid in (DAEMON, PRODUCER, STRANGER))
    insert = "INSERT INTO inbox (request) VALUES ('{}') RETURNING id"
    for number in range(1, 5, 2):  # whoever comes first, and whoever is the last to close
        assert producer.says(path, insert) == str(number)
        assert daemon.says(path, insert) == str(number + 1)
    assert "unable to open" in stranger.says(path, "SELECT 1 FROM inbox")
    assert stranger.does("ls", str(mailbox.place.folder)).returncode != 0
    for act in (
        ["rm", "-f", str(path)],
        ["mv", str(path), f"{path}.old"],
        ["ln", "-s", "/etc/passwd", f"{path}-journal"],
        ["touch", f"{path}-journal"],
        ["chmod", "777", str(mailbox.place.folder)],
        ["sh", "-c", f"echo 'lanes = []' > {mailbox.place.description}"],
    ):
        assert producer.does(*act).returncode != 0, act
    assert producer.says(path, "PRAGMA journal_mode = DELETE; SELECT count(*) FROM inbox")
    assert producer.says(path, insert) == "5"
    assert not path.with_name("mailbox.db-journal").exists()


@ROOT_ONLY
def test_only_root_may_give_files_to_others(tmp_path: Path) -> None:
    from claudeflow.cli.mailbox_owner import check_permitted
    from claudeflow.cli.problems import Failure

    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setuid(PRODUCER)
            check_permitted(0, 0, "make it")
        except Failure as refused:
            code = 0 if "only root can do; use sudo" in str(refused.lines) else 2
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
