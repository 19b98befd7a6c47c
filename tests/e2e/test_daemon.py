"""The real daemon process, its command line, and a twin over TCP."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from claudeflow.twin.child import twin_process
from claudeflow.twin.settings import TwinSettings
from tests.support.books import disagreements, settled_nanousd, states_of
from tests.support.daemons import PLENTY, a_job, some_jobs
from tests.support.processes import (
    CLAUDEFLOW,
    PATIENCE_S,
    Site,
    daemon_at,
    eventually,
    invoice_of,
    short_folder,
    starting_daemon,
    twin_json,
)

QUICK = TwinSettings(reply_tokens=20, **PLENTY)
SLOW = TwinSettings(reply_tokens=20, ttft_s=0.5, latency_sigma=0.0, **PLENTY)
ENDLESS = TwinSettings(reply_tokens=20, ttft_s=3600.0, latency_sigma=0.0, **PLENTY)


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as path:
        yield path


def test_from_submit_to_answer_and_back_to_the_shell(folder: Path) -> None:
    with twin_process(QUICK) as twin:
        site = Site(folder, twin.address)
        with daemon_at(site) as daemon:
            submitted = site.cli("submit", "-", "--workflow", "triage", stdin=json.dumps(a_job()))
            assert (submitted.returncode, submitted.stdout, submitted.stderr) == (0, "1\n", "")
            assert site.cli("wait", "1", "--timeout", "20").stdout == "job 1 succeeded\n"
            result = site.cli("result", "1")
            assert result.returncode == 0
            assert result.stdout.strip()
            answered = site.cli("submit", "-", "--wait", "20", "--json", stdin=json.dumps(a_job(2)))
            assert json.loads(answered.stdout)["type"] == "message"
            status = json.loads(site.cli("status", "--json").stdout)
            assert status["spend"]["settled_nanousd"] == sum(invoice_of(twin.address).values())
            daemon.signal(signal.SIGTERM)
            assert daemon.ended() == 0


def test_twenty_examples_go_through_and_the_books_equal_the_invoice(folder: Path) -> None:
    examples = Path(__file__).parents[2] / "examples"
    with twin_process(QUICK) as twin:
        site = Site(folder, twin.address, {"prompts": {"folder": str(examples / "prompts")}})
        with daemon_at(site) as daemon:
            submitted = site.cli("submit", "--jsonl", str(examples / "jobs" / "twenty.jsonl"))
            assert submitted.returncode == 0, submitted.stderr
            ids = [str(number) for number in range(1, 21)]
            waited = site.cli("wait", *ids, "--timeout", "30")
            assert waited.returncode == 0, waited.stderr
            daemon.signal(signal.SIGTERM)
            assert daemon.ended() == 0
        invoice = invoice_of(twin.address)
        assert states_of(site.store) == {"succeeded": 20}
        assert settled_nanousd(site.store) == sum(invoice.values()) > 0
        assert disagreements(site.store, invoice) == []


def test_sigterm_lets_calls_finish_keeps_the_rest_and_exits_0(folder: Path) -> None:
    with twin_process(SLOW) as twin:
        site = Site(folder, twin.address)
        with daemon_at(site) as daemon:
            site.submit(some_jobs(60))
            eventually(lambda: twin_json(twin.address, "/twin/stats")["in_flight"] > 0)
            daemon.signal(signal.SIGTERM)
            daemon.notify.wait_for("STOPPING=1")
            assert daemon.ended() == 0
        states = states_of(site.store)
        assert states["succeeded"] + states["queued"] == 60
        assert states["succeeded"] == twin_json(twin.address, "/twin/stats")["calls"] > 0
        assert disagreements(site.store, invoice_of(twin.address)) == []
        assert not site.socket.exists()
        [stopped] = site.events("DaemonStopped")
        assert stopped["released_jobs"] == 0


def test_a_second_sigterm_returns_running_jobs_to_the_queue_at_once(folder: Path) -> None:
    with twin_process(ENDLESS) as twin:
        site = Site(folder, twin.address)
        with daemon_at(site) as daemon:
            site.submit(some_jobs(2))
            eventually(lambda: twin_json(twin.address, "/twin/stats")["in_flight"] == 2)
            daemon.signal(signal.SIGTERM)
            daemon.notify.wait_for("STOPPING=1")
            eventually(lambda: site.events("DaemonDraining"))
            daemon.signal(signal.SIGINT)
            assert daemon.ended() == 0
        assert states_of(site.store) == {"queued": 2}
        eventually(lambda: len(invoice_of(twin.address)) == 2)
        assert disagreements(site.store, invoice_of(twin.address)) == []


def test_sighup_takes_up_a_good_configuration_and_refuses_a_bad_one(folder: Path) -> None:
    site = Site(folder)
    with daemon_at(site) as daemon:
        assert site.cli("submit", "-", "--lane", "night", stdin=json.dumps(a_job())).returncode == 2
        lanes = {"standard": {"weight": 1.0}, "night": {"weight": 0.5}}
        site.configure(lanes=lanes)
        daemon.signal(signal.SIGHUP)
        assert "MONOTONIC_USEC=" in daemon.notify.wait_for("RELOADING=1")
        daemon.notify.wait_for("READY=1")
        assert site.cli("submit", "-", "--lane", "night", stdin=json.dumps(a_job())).returncode == 0
        site.configure(lanes={"night": {"weight": -1.0, "wieght": 2.0}})
        daemon.signal(signal.SIGHUP)
        daemon.notify.wait_for("READY=1")
        [refused] = site.events("ConfigRefused")
        assert "lanes.night.weight" in refused["problem"]
        assert "did you mean weight?" in refused["problem"]
        assert refused["problem"].count("lanes.night") == 2
        assert site.cli("submit", "-", "--lane", "standard", stdin=json.dumps(a_job())).returncode == 0
        site.configure(lanes=lanes, api={"base_url": "http://127.0.0.1:10"})
        daemon.signal(signal.SIGHUP)
        daemon.notify.wait_for("READY=1")
        assert "api: cannot change while the daemon runs" in site.events("ConfigRefused")[-1]["problem"]
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0


def test_a_second_daemon_on_the_same_store_is_refused_naming_the_first(folder: Path) -> None:
    site = Site(folder)
    with daemon_at(site) as daemon:
        second = site.cli("run", ANTHROPIC_API_KEY="k")
        assert second.returncode == 1
        assert second.stderr == f"claudeflow: error: {site.store} is in use by process {daemon.process.pid}\n"
        assert site.cli("status").returncode == 0


def test_without_a_key_the_daemon_does_not_start(folder: Path) -> None:
    site = Site(folder)
    refused = site.cli("run")
    assert refused.returncode == 78
    assert "ANTHROPIC_API_KEY" in refused.stderr
    assert "anthropic-api-key" in refused.stderr
    assert not site.store.exists()


def test_the_key_may_come_as_a_credential_of_systemd(folder: Path) -> None:
    credentials = folder / "credentials"
    credentials.mkdir()
    (credentials / "anthropic-api-key").write_text("from-systemd\n")
    with twin_process(TwinSettings(keys=("from-systemd",), reply_tokens=20)) as twin:
        site = Site(folder, twin.address)
        with daemon_at(site, CREDENTIALS_DIRECTORY=str(credentials)):
            done = site.cli("submit", "-", "--wait", "20", stdin=json.dumps(a_job()))
            assert done.returncode == 0, done.stderr
        assert "from-systemd" not in site.log.read_text()
        assert b"from-systemd" not in site.store.read_bytes()


def test_a_bad_configuration_is_refused_with_every_mistake(folder: Path) -> None:
    site = Site(folder)
    site.config.write_text(
        'default_lane = "fast"\n[store]\npath = 5\n[socket]\nmod = "0660"\n'
        '[api]\nkey = "sk-ant-secret"\n[retry]\nbase_s = -1.0\n'
    )
    refused = site.cli("run", ANTHROPIC_API_KEY="k")
    assert refused.returncode == 78
    for path in ("store.path", "socket.mod", "api.key", "retry.base_s"):
        assert f": {path}: " in refused.stderr, refused.stderr
    assert "did you mean mode?" in refused.stderr
    assert "sk-ant-secret" not in refused.stderr


def test_the_service_manager_hears_of_start_watchdog_status_and_stop(folder: Path) -> None:
    site = Site(folder)
    with daemon_at(site, WATCHDOG_USEC="1000000") as daemon:
        daemon.notify.wait_for("WATCHDOG=1")
        assert re.search(r"STATUS=running: 0 in flight", daemon.notify.wait_for("STATUS=running"))
        daemon.notify.wait_for("WATCHDOG=1")
        daemon.signal(signal.SIGTERM)
        daemon.notify.wait_for("STOPPING=1")
        assert daemon.ended() == 0


def test_without_a_daemon_the_command_line_works_on_the_store_and_says_so(folder: Path) -> None:
    site = Site(folder)
    done = site.cli("submit", "-", stdin=json.dumps(a_job()))
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert done.stderr == f"claudeflow: no daemon on {site.socket}; working on the store itself\n"
    assert json.loads(site.cli("show", "1", "--json").stdout)["state"] == "queued"
    with twin_process(QUICK) as twin:
        site.api = twin.address
        site.configure()
        with daemon_at(site):
            assert site.cli("wait", "1", "--timeout", "20").returncode == 0
    later = site.cli("result", "1")
    assert later.returncode == 0
    assert "working on the store itself" in later.stderr


def test_the_command_line_never_writes_a_store_that_a_daemon_holds(folder: Path) -> None:
    site = Site(folder)
    with daemon_at(site) as daemon:
        elsewhere = str(folder / "nobody.sock")
        done = site.cli("--socket", elsewhere, "submit", "-", stdin=json.dumps(a_job()))
        assert done.returncode == 3
        assert f"is in use by process {daemon.process.pid}" in done.stderr
        assert states_of(site.store) == {}


def test_many_command_lines_at_once_without_a_daemon_lose_nothing(folder: Path) -> None:
    site = Site(folder)
    command = [*CLAUDEFLOW, "submit", "-"]
    started = [
        subprocess.Popen(
            command,
            env=site.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    done = [process.communicate(json.dumps(a_job(n)), PATIENCE_S) for n, process in enumerate(started)]
    accepted = [out for out, _ in done if out]
    refused = [err for out, err in done if not out]
    assert states_of(site.store) == {"queued": len(accepted)}
    assert all("is in use by process" in err for err in refused)


def test_a_job_submitted_while_the_daemon_starts_is_worked_on(folder: Path) -> None:
    with twin_process(QUICK) as twin:
        site = Site(folder, twin.address)
        with starting_daemon(site) as daemon:
            eventually(site.socket.exists)
            done = site.cli("submit", "-", "--wait", "20", stdin=json.dumps(a_job()))
            assert done.returncode == 0, done.stderr
            daemon.signal(signal.SIGTERM)
            assert daemon.ended() == 0


def test_a_stop_while_the_daemon_starts_is_heeded(folder: Path) -> None:
    site = Site(folder)
    with starting_daemon(site) as daemon:
        eventually(site.socket.exists)
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0


def test_a_dead_daemons_socket_is_taken_over_and_a_living_ones_is_not(folder: Path) -> None:
    site = Site(folder)
    with daemon_at(site) as daemon:
        daemon.kill()
    assert site.socket.exists()
    (folder / "other").mkdir()
    other = Site(folder / "other", tables={"socket": {"path": str(site.socket)}})
    with daemon_at(site):
        refused = other.cli("run", ANTHROPIC_API_KEY="k")
        assert refused.returncode != 0
        assert str(site.socket) in refused.stderr
        assert site.cli("status").stderr == ""


def test_prompts_answers_and_keys_are_not_logged(folder: Path) -> None:
    with twin_process(QUICK) as twin:
        site = Site(folder, twin.address)
        job = a_job(system="A secret recipe. " * 50)
        with daemon_at(site) as daemon:
            done = site.cli("submit", "-", "--wait", "20", stdin=json.dumps(job))
            daemon.signal(signal.SIGTERM)
            daemon.ended()
        log = site.log.read_text()
        assert "JobFinished" in log
        assert "secret recipe" not in log
        assert "VPN drops" not in log
        assert done.stdout.strip()[:40] not in log
