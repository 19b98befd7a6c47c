"""Three Unix users at the socket of a real daemon: each reaches what its grants say, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from claudeflow.intake.http.needs import NEEDS
from claudeflow.policy.access.roles import Role, all_of, suffices
from tests.intake.test_access_http import address
from tests.support.daemons import a_job
from tests.support.processes import Daemon, Site, daemon_at, short_folder

PROGRAM = Path(__file__).with_name("other_user.py").read_text(encoding="utf-8")
SENDER, OPERATOR, STRANGER = 61_001, 61_002, 61_003
STAFF, NOBODYS = 61_100, 61_101
ROLES = {SENDER: ("submit",), OPERATOR: ("operate",), STRANGER: ()}
ACCESS: dict[str, dict[str, Any]] = {
    f'access."user:{SENDER}"': {
        "roles": ["submit"],
        "lanes": ["bulk"],
        "workflows": ["audit-*"],
        "max_queued": 2,
    },
    f'access."group:{STAFF}"': {"roles": ["operate"], "lanes": ["bulk", "standard"]},
}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users")


@dataclass
class User:
    """A program that runs as somebody else."""

    process: subprocess.Popen[str]

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[Any, Any]:
        """Status and document of one answer; instead of a status, why there was no connection."""
        assert self.process.stdin
        assert self.process.stdout
        sent = None if body is None else json.dumps(body)
        kinds = {} if body is None else {"content-type": "application/json"}
        self.process.stdin.write(json.dumps([method, path, sent, kinds | headers]) + "\n")
        self.process.stdin.flush()
        status, document = json.loads(self.process.stdout.readline())
        return status, document


@contextmanager
def user(site: Site, uid: int, *groups: int) -> Iterator[User]:
    """A user without a name, in groups without names."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", PROGRAM, str(site.socket), *map(str, (uid, *groups))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield User(process)
        assert process.stdin
        process.stdin.close()
    assert process.returncode == 0


@contextmanager
def a_site(mode: str = "0666", group: str = "") -> Iterator[tuple[Site, Daemon]]:
    with short_folder() as folder:
        folder.chmod(0o755)
        site = Site(folder, tables={"socket": {"mode": mode, "group": group}, **ACCESS})
        with daemon_at(site) as daemon:
            yield site, daemon


def test_every_route_for_three_users() -> None:
    with a_site() as (site, _):
        for uid, groups in ((SENDER, ()), (OPERATOR, (STAFF,)), (STRANGER, (NOBODYS,))):
            roles = all_of(Role(role) for role in ROLES[uid])
            with user(site, uid, *groups) as somebody:
                for route, need in NEEDS.items():
                    method, path = route.split(" ")
                    status, document = somebody.ask(method, address(path))
                    assert (status != 403) is suffices(need, roles), (uid, route, status, document)


def test_each_user_does_what_its_grants_say() -> None:
    bulk = a_job(lane="bulk", workflow="audit-1")
    with (
        a_site() as (site, _),
        user(site, SENDER) as sender,
        user(site, OPERATOR, STAFF) as operator,
        user(site, STRANGER) as stranger,
    ):
        assert sender.ask("POST", "/v1/jobs", bulk) == (201, {"id": 1, "created": True})
        assert sender.ask("POST", "/v1/jobs", a_job(lane="interactive", workflow="audit-1"))[0] == 403
        assert sender.ask("POST", "/v1/jobs", a_job(lane="bulk", workflow="chat"))[0] == 403
        site.cli("submit", "--jsonl", "-", stdin=json.dumps(a_job(2, lane="bulk")) + "\n")
        status, job = sender.ask("GET", "/v1/jobs/1")
        assert (status, job["submitted_by"]) == (200, f"uid:{SENDER}")
        assert sender.ask("GET", "/v1/jobs/2")[0] == 404
        assert [job["id"] for job in sender.ask("GET", "/v1/jobs")[1]["jobs"]] == [1]
        assert [job["id"] for job in operator.ask("GET", "/v1/jobs")[1]["jobs"]] == [2, 1]
        assert sender.ask("POST", "/v1/jobs/2/cancel")[0] == 404
        assert operator.ask("POST", "/v1/jobs/2/cancel")[0] == 200
        assert operator.ask("POST", "/v1/jobs", bulk)[0] == 403
        assert operator.ask("PATCH", "/v1/jobs/1", {"lane": "interactive"})[0] == 403
        assert operator.ask("PATCH", "/v1/jobs/1", {"lane": "standard"})[0] == 200
        assert operator.ask("PUT", "/v1/budgets/team", {"limit_usd": 1})[0] == 403
        status, refusal = stranger.ask("GET", "/v1/jobs/1")
        assert (status, refusal["code"]) == (403, "forbidden")
        assert f"uid:{STRANGER} (uid {STRANGER}) may not" in refusal["detail"]
        assert sender.ask("POST", "/v1/jobs", bulk)[0] == 201
        status, refusal = sender.ask("POST", "/v1/jobs", bulk)
        assert (status, refusal["code"]) == (429, "too_many_jobs")


def test_a_reload_gives_and_takes_on_a_connection_that_is_open() -> None:
    with a_site() as (site, daemon), user(site, STRANGER) as stranger, user(site, SENDER) as sender:
        assert stranger.ask("GET", "/v1/status")[0] == 403
        assert sender.ask("GET", "/v1/jobs")[0] == 200
        site.configure(
            socket={"mode": "0666", "group": ""}, **{f'access."user:{STRANGER}"': {"roles": ["read"]}}
        )
        daemon.signal(signal.SIGHUP)
        daemon.notify.wait_for("RELOADING=1")
        daemon.notify.wait_for("READY=1")
        assert stranger.ask("GET", "/v1/status")[0] == 200
        assert sender.ask("GET", "/v1/jobs")[0] == 403


def test_a_token_counts_and_not_the_user_who_shows_it() -> None:
    with a_site() as (site, _), user(site, STRANGER) as stranger:
        made = site.cli("token", "create", "ci", "--role", "read", "--expires", "1h")
        text = made.stdout.strip()
        status, me = stranger.ask("GET", "/v1/whoami", authorization=f"Bearer {text}")
        assert (status, me["name"], me["roles"]) == (200, "token:ci", ["read"])
        assert stranger.ask("GET", "/v1/status", **{"x-api-key": text})[0] == 200
        assert site.cli("token", "revoke", "ci").returncode == 0
        assert stranger.ask("GET", "/v1/status", **{"x-api-key": text})[0] == 401
        assert text.rpartition("_")[2] not in site.log.read_text()


def test_the_sockets_mode_and_group_say_who_may_connect() -> None:
    with a_site("0660", str(STAFF)) as (site, _):
        with user(site, SENDER) as sender:
            assert sender.ask("GET", "/v1/jobs")[0] == "PermissionError"
        with user(site, OPERATOR, STAFF) as operator:
            assert operator.ask("GET", "/v1/status")[0] == 200
        with user(site, SENDER, STAFF) as sender:
            assert sender.ask("GET", "/v1/jobs")[0] == 200
