"""The examples ask and get their answers, wherever their language is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from claudeflow.twin.child import twin_process
from claudeflow.twin.settings import TwinSettings
from tests.support.daemons import PLENTY
from tests.support.mailboxes import Mailbox, a_mailbox, a_site
from tests.support.processes import daemon_at, short_folder

EXAMPLES = Path(__file__).parents[2] / "examples" / "mailbox"
BETTER = os.environ.get("BETTER_SQLITE3_FOLDER", "")
"""A folder in which `npm install better-sqlite3@12` was run."""


@pytest.fixture(scope="module")
def served() -> Iterator[Mailbox]:
    with twin_process(TwinSettings(reply_tokens=20, **PLENTY)) as twin, short_folder() as folder:
        site, mail = a_site(folder, twin.address)
        mailbox = a_mailbox(mail)
        with daemon_at(site):
            yield mailbox


def needs(program: str, *check: str) -> str:
    """Why an example cannot be tried here; empty when it can."""
    if shutil.which(program) is None:
        return f"{program} is not installed"
    done = subprocess.run([program, *check], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{program}: {' '.join(check)} fails"


EXAMPLE_OF = {
    "shell": (["sh", str(EXAMPLES / "ask.sh")], "sqlite3", ["-version"]),
    "python": ([sys.executable, str(EXAMPLES / "ask.py")], sys.executable, ["--version"]),
    "node": (["node", str(EXAMPLES / "ask.mjs")], "node", ["-e", "require('node:sqlite')"]),
    "php": (
        ["php", str(EXAMPLES / "ask.php")],
        "php",
        ["-r", "new PDO('sqlite:');"],
    ),
}


@pytest.mark.parametrize("language", EXAMPLE_OF)
def test_an_example_asks_and_gets_its_answer(served: Mailbox, language: str) -> None:
    command, program, check = EXAMPLE_OF[language]
    if reason := needs(program, *check):
        pytest.skip(reason)
    ask_with(command, served)


def test_the_node_example_works_with_better_sqlite3(served: Mailbox, tmp_path: Path) -> None:
    if not BETTER or needs("node", "--version"):
        pytest.skip("BETTER_SQLITE3_FOLDER names no folder with better-sqlite3, or there is no node")
    shutil.copy(EXAMPLES / "ask.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(Path(BETTER) / "node_modules")
    ask_with(["node", str(tmp_path / "ask.mjs")], served)


def ask_with(command: list[str], mailbox: Mailbox) -> None:
    text = 'It\'s "quoted" & odd: ünïcode; DROP TABLE inbox; --'
    path = str(mailbox.place.database)
    done = subprocess.run([*command, path, text], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert mailbox.answers() == []
    wrong = subprocess.run([*command, path, ""], capture_output=True, text=True, timeout=30, check=False)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "invalid_job: request.messages" in wrong.stderr
    with mailbox.opened() as raw:
        raw.execute("DELETE FROM outbox")
