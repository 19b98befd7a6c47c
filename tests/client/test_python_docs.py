"""The code of docs/python.md and examples/python runs, against a real daemon over the twin."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from claudeflow import client
from claudeflow.cli import places as cli_places
from claudeflow.client import places
from claudeflow.twin.child import twin_process
from tests.client.conftest import LANES, QUICK
from tests.support.processes import PATIENCE_S, Site, daemon_at, short_folder

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A daemon with the prompts that ship as examples."""
    lanes = {"lanes": {**LANES["lanes"], "bulk": {"weight": 0.5}}}
    with short_folder() as folder, twin_process(QUICK) as twin:
        found = Site(
            folder, twin.address, {**lanes, "prompts": {"folder": str(ROOT / "examples" / "prompts")}}
        )
        with daemon_at(found):
            yield found


def run(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        env=site.environ(PYTHONPATH=os.pathsep.join([str(ROOT)])),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
        check=False,
    )


def test_the_page_runs_from_its_first_to_its_last_block(site: Site, tmp_path: Path) -> None:
    program = tmp_path / "page.py"
    program.write_text("\n".join(BLOCKS))
    done = run(site, str(program))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len([line for line in lines if re.fullmatch(r"\d+ True", line)]) == 200
    assert any(line.startswith("job_finished ") and line.endswith(" succeeded") for line in lines)
    assert any(line.startswith("invalid_job {") and "Did you mean" in line for line in lines)
    assert any(line.startswith("queued ") for line in lines)
    assert any(line.startswith("cancelled ") for line in lines)


def test_every_exception_is_on_the_page() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    exported = {getattr(client, name) for name in client.__all__}
    assert documented == {kind.__name__ for kind in exported if issubclass(kind, Exception)}


def test_one_job(site: Site) -> None:
    done = run(site, str(ROOT / "examples/python/one_job.py"), "My card is lost")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


def test_one_job_without_a_daemon(site: Site, tmp_path: Path) -> None:
    elsewhere = Site(tmp_path)
    done = run(elsewhere, "-W", "ignore::ResourceWarning", str(ROOT / "examples/python/one_job.py"))
    assert done.returncode == 1
    assert f"no daemon at {elsewhere.socket}" in done.stderr
    assert "Traceback" not in done.stderr


def test_many_jobs_and_many_jobs_again(site: Site, tmp_path: Path) -> None:
    source = tmp_path / "questions.txt"
    source.write_text("My card is lost\nWhere is my refund?\nMy card is lost\n")
    first = run(site, str(ROOT / "examples/python/many_jobs.py"), str(source))
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert [line[:10] for line in lines] == ['{"line": 1', '{"line": 2', '{"line": 3']
    assert lines[0][10:] == lines[2][10:]
    assert "3 of 3, 0 failed" in first.stderr
    assert run(site, str(ROOT / "examples/python/many_jobs.py"), str(source)).stdout == first.stdout


def test_fan_out(site: Site, tmp_path: Path) -> None:
    document = tmp_path / "document.txt"
    document.write_text("All badges are renewed in March. Please send a photograph. " * 20)
    done = run(site, str(ROOT / "examples/python/fan_out.py"), str(document))
    assert done.returncode == 0, done.stderr
    assert {"What is this about?", "What is unclear in it?"} <= set(done.stdout.splitlines())


def test_the_client_and_the_command_line_look_in_the_same_places() -> None:
    assert places.DEFAULT_SOCKET == cli_places.DEFAULT_SOCKET
    assert places.DEFAULT_CONFIG == cli_places.DEFAULT_CONFIG
