"""Every route for every role: made from the routes themselves, so that none is left out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from claudeflow.domain.caller import Caller
from claudeflow.domain.job import JobId
from claudeflow.domain.report import AttemptRow
from claudeflow.intake.http.app import build_app, is_the_apis
from claudeflow.intake.http.door.peers import overflow_uid, peer_of
from claudeflow.intake.http.inprocess import call
from claudeflow.intake.http.needs import NEEDS, need_of
from claudeflow.policy.access.grants import Grant, Grantee
from claudeflow.policy.access.roles import Need, Role, all_of, suffices
from claudeflow.policy.access.settings import GrantSettings, RoleName
from tests.intake.builders import NOW_MS, a_catalog, a_job, parsed, raw
from tests.support.fake_desk import FakeDesk

ALICE = Caller("alice", 1001, 1001, 4711, frozenset({1001}))
ME = ALICE.name
ROLES: tuple[RoleName, ...] = ("read", "submit", "operate", "admin")
PARAMETERS = {"job_id": "1", "batch_id": "1", "scope": "all", "name": "team", "model_id": "m"}


def routes() -> Iterator[tuple[str, str]]:
    """Method and path of everything that is served."""
    app = build_app(FakeDesk(a_catalog()), lambda: 0)
    assert isinstance(app, Starlette)
    for route in app.routes:
        assert isinstance(route, Route)
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, route.path


def address(path: str) -> str:
    for name, value in PARAMETERS.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path, f"give {path} a value in PARAMETERS"
    return path


def to_me(*roles: RoleName, **settings: object) -> Grant:
    return Grant(Grantee("user", ME, 1001), GrantSettings(roles=roles, **settings))  # type: ignore[arg-type]


@dataclass(slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        return str(self.json()["detail"])


def code_of(answer: Answer, path: str) -> str:
    """The code of an error, in whichever form it is told under that path."""
    if not is_the_apis(path):
        return str(answer.json()["code"])
    return {"permission_error": "forbidden", "authentication_error": "unauthenticated"}[
        answer.json()["error"]["type"]
    ]


class House:
    """A desk behind its doors. Whoever is told calls: alice, unless another is named."""

    def __init__(self) -> None:
        self.desk = FakeDesk(a_catalog())
        self._app = build_app(self.desk, lambda: NOW_MS, self._in_trouble)

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        kind: str = "application/json",
        *,
        caller: Caller | None = ALICE,
        headers: dict[str, str] | None = None,
        **query: str,
    ) -> Answer:
        content_type = kind if body else None
        answer = await call(
            self._app,
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            caller=caller,
            headers=headers,
        )
        return Answer(*answer)

    async def a_job_of(self, submitter: str) -> JobId:
        [stored] = await self.desk.submit([parsed(a_job(), submitted_by=submitter)])
        return stored.id

    def _in_trouble(self, error: Exception) -> None:
        raise AssertionError from error


@pytest.fixture
def house() -> House:
    return House()


def test_every_route_says_what_it_needs_and_nothing_else_does() -> None:
    assert {f"{method} {path}" for method, path in routes()} == set(NEEDS)


def test_a_route_that_nobody_has_thought_about_cannot_be_built() -> None:
    with pytest.raises(LookupError, match="GET /v1/secrets says nowhere who may ask for it"):
        need_of("GET", "/v1/secrets")


@pytest.mark.parametrize(("method", "path"), list(routes()))
@pytest.mark.parametrize("role", [None, *ROLES])
async def test_every_route_for_every_role(
    house: House, method: str, path: str, role: RoleName | None
) -> None:
    await house.a_job_of(ME)
    house.desk.access.grant(to_me(*([role] if role else [])))
    need = need_of(method, path)
    may = need in (Need.NOTHING, Need.NAME) or suffices(need, all_of([Role(role)] if role else []))
    answer = await house.ask(method, address(path))
    assert (answer.status != 403) is may
    if not may:
        assert code_of(answer, path) == "forbidden"
        assert f"{method} {path}" in answer.body.decode()


@pytest.mark.parametrize(
    ("method", "path"),
    [(method, path) for method, path in routes() if need_of(method, path) is not Need.NOTHING],
)
async def test_every_route_but_those_for_anybody_needs_a_caller(house: House, method: str, path: str) -> None:
    answer = await house.ask(method, address(path), caller=None)
    media_type = "application/json" if is_the_apis(path) else "application/problem+json"
    assert (answer.status, answer.headers["content-type"]) == (401, media_type)
    assert code_of(answer, path) == "unauthenticated"


async def test_a_user_without_an_id_on_this_side_is_told_so(house: House) -> None:
    answer = await house.ask("GET", "/v1/status", caller=Caller("nobody", overflow_uid()))
    assert answer.status == 401
    assert "user namespace" in answer.detail


@pytest.mark.parametrize("path", ["/v1/jobs/{}", "/v1/jobs/{}/attempts", "/v1/jobs/{}/explain"])
async def test_a_sender_sees_its_own_jobs_and_no_others(house: House, path: str) -> None:
    mine, other = await house.a_job_of(ME), await house.a_job_of("bob")
    house.desk.access.grant(to_me("submit"))
    assert (await house.ask("GET", path.format(mine))).status == 200
    hidden = await house.ask("GET", path.format(other))
    missing = await house.ask("GET", path.format(99))
    assert (hidden.status, hidden.json()["code"]) == (404, "job_not_found")
    assert hidden.detail == missing.detail.replace("99", str(other))
    house.desk.access.grant(to_me("read"))
    assert (await house.ask("GET", path.format(other))).status == 200


async def test_a_sender_does_not_learn_with_whose_jobs_its_own_shared_a_call(house: House) -> None:
    mine = await house.a_job_of(ME)
    house.desk.tries[mine] = [
        AttemptRow(
            1, 9, "succeeded", 1, 0, 5, None, "settled", 7, 200, None, None, None, None, None, 3, "a",
            shared_with=(71, 72),
        )
    ]  # fmt: skip
    seen: list[tuple[RoleName, list[int]]] = [("submit", []), ("read", [71, 72])]
    for role, told in seen:
        house.desk.access.grant(to_me(role))
        [attempt] = (await house.ask("GET", f"/v1/jobs/{mine}/attempts")).json()["attempts"]
        assert (attempt["items"], attempt["shared_with"]) == (3, told)


async def test_a_sender_lists_its_own_jobs_and_no_others(house: House) -> None:
    mine, other = await house.a_job_of(ME), await house.a_job_of("bob")
    house.desk.access.grant(to_me("submit"))
    assert ids(await house.ask("GET", "/v1/jobs")) == [mine]
    assert ids(await house.ask("GET", "/v1/jobs", submitted_by=ME)) == [mine]
    assert (await house.ask("GET", "/v1/jobs", submitted_by="bob")).status == 403
    house.desk.access.grant(to_me("read"))
    assert ids(await house.ask("GET", "/v1/jobs")) == [other, mine]
    assert ids(await house.ask("GET", "/v1/jobs", submitted_by="bob")) == [other]


async def test_a_sender_cancels_its_own_jobs_and_no_others(house: House) -> None:
    mine, other = await house.a_job_of(ME), await house.a_job_of("bob")
    house.desk.access.grant(to_me("submit", "read"))
    assert (await house.ask("POST", f"/v1/jobs/{other}/cancel")).status == 403
    house.desk.access.grant(to_me("submit"))
    assert (await house.ask("POST", f"/v1/jobs/{other}/cancel")).status == 404
    assert (await house.ask("POST", f"/v1/jobs/{mine}/cancel")).status == 200
    house.desk.access.grant(to_me("operate"))
    assert (await house.ask("POST", f"/v1/jobs/{other}/cancel")).status == 200


async def test_jobs_go_where_the_grant_says_only(house: House) -> None:
    house.desk.access.grant(to_me("submit", lanes=("bulk",), workflows=("audit-*",)))
    assert await status_of(house, a_job(lane="bulk", workflow="audit-1")) == 201
    assert await status_of(house, a_job(lane="interactive", workflow="audit-1")) == 403
    assert await status_of(house, a_job(lane="bulk", workflow="chat")) == 403
    lines = raw(a_job(lane="bulk", workflow="audit-1")) + b"\n" + raw(a_job(lane="bulk", workflow="chat"))
    many = await house.ask("POST", "/v1/jobs", lines, "application/x-ndjson")
    assert (many.status, len(house.desk.jobs)) == (403, 1)


async def test_jobs_that_do_not_say_go_where_the_grant_says(house: House) -> None:
    house.desk.access.grant(to_me("submit", lanes=("b*", "bulk"), workflows=("audit",)))
    job = {name: value for name, value in a_job().items() if name not in ("lane", "workflow")}
    assert await status_of(house, job) == 201
    assert await status_of(house, {**job, "lane": "interactive"}) == 403
    message = await house.ask("POST", "/v1/messages", raw(job["request"]))
    assert message.status == 200
    [by_jobs] = house.desk.jobs.values()
    assert (by_jobs.lane, by_jobs.workflow) == ("bulk", "audit")
    ask = house.desk.messages.asked[-1]
    assert (ask.job.lane, ask.job.workflow) == ("bulk", "audit")


async def test_a_job_is_moved_to_where_the_grant_says_only(house: House) -> None:
    job = await house.a_job_of("bob")
    house.desk.access.grant(to_me("operate", lanes=("bulk",)))
    refused = await house.ask("PATCH", f"/v1/jobs/{job}", b'{"lane": "interactive"}')
    assert refused.status == 403
    moved = await house.ask("PATCH", f"/v1/jobs/{job}", b'{"lane": "bulk"}')
    assert (moved.status, moved.json()["lane"]) == (200, "bulk")


async def test_of_many_jobs_those_are_moved_that_the_grant_covers(house: House) -> None:
    for workflow in ("audit", "chat"):
        await house.desk.submit([parsed(a_job(lane="interactive", workflow=workflow))])
    house.desk.access.grant(to_me("operate", lanes=("bulk",), workflows=("audit",)))
    wish = json.dumps({"filter": "", "all": True, "lane": "bulk"}).encode()
    moved = (await house.ask("POST", "/v1/jobs/move", wish)).json()
    assert (moved["done"], [(one["code"], one["ids"]) for one in moved["skipped"]]) == (
        1,
        [("forbidden", [2])],
    )


async def test_a_sender_finds_its_own_jobs_by_filter_and_no_others(house: House) -> None:
    mine, _ = await house.a_job_of(ME), await house.a_job_of("bob")
    house.desk.access.grant(to_me("submit"))
    for text in ("state:queued", "by:bob", "-by:alice"):
        found = await house.ask("GET", "/v1/jobs", filter=text.replace("by:", "submitted_by:"))
        assert ids(found) == ([mine] if text == "state:queued" else [])


async def test_new_grants_hold_for_connections_that_are_open(house: House) -> None:
    house.desk.access.grant(to_me("read"))
    assert (await house.ask("GET", "/v1/status")).status == 200
    house.desk.access.grant(to_me("submit"))
    assert (await house.ask("GET", "/v1/status")).status == 403


async def test_whoami_tells_who_asks_and_what_it_may_do(house: House) -> None:
    house.desk.access.grant(to_me("submit", lanes=("bulk",), max_queued=7))
    found = (await house.ask("GET", "/v1/whoami")).json()
    assert (found["name"], found["uid"], found["token"]) == (ME, 1001, None)
    assert found["groups"] == [1001]
    assert found["roles"] == ["submit"]
    assert found["grants"] == [
        {"to": f"user:{ME}", "roles": ["submit"], "lanes": ["bulk"], "workflows": ["*"]}
    ]
    assert found["caps"] == {"max_queued": 7, "jobs_per_min": None, "nanousd_per_day": None}
    assert (found["used"]["queued"], found["used"]["jobs_now"], found["used"]["spent_nanousd"]) == (3, 7, 5)


def ids(answer: Answer) -> list[int]:
    return [job["id"] for job in answer.json()["jobs"]]


async def status_of(house: House, job: object) -> int:
    return (await house.ask("POST", "/v1/jobs", raw(job))).status


def test_only_a_unix_socket_has_a_peer() -> None:
    assert peer_of(None) is None
