"""Who is turned away at the HTTP interface is told, with nothing of what it showed."""

from __future__ import annotations

import dataclasses

import pytest

from claudeflow.domain.caller import Caller
from claudeflow.domain.door_events import CallerRefused
from claudeflow.domain.errors import IntakeError
from claudeflow.intake.desks.access import NewToken
from claudeflow.intake.http.door.peers import overflow_uid
from claudeflow.policy.access.errors import RateCapped, SpendCapped, TooManyJobs
from claudeflow.policy.access.settings import GrantSettings
from tests.intake.builders import a_job, raw
from tests.intake.test_access_http import ALICE, House, to_me

FALSE_TOKEN = "cf_ci_" + "x" * 43


@pytest.fixture
def house() -> House:
    return House()


def only(house: House) -> CallerRefused:
    [refusal] = house.desk.access.refusals
    return refusal


async def test_a_route_that_is_not_allowed(house: House) -> None:
    house.desk.access.grant(to_me("read"))
    await house.ask("POST", "/v1/jobs/17/cancel")
    assert only(house) == CallerRefused("alice", "socket", 4711, "POST /v1/jobs/{job_id}/cancel", "forbidden")


async def test_a_lane_that_is_not_allowed(house: House) -> None:
    house.desk.access.grant(to_me("submit", lanes=("bulk",)))
    await house.ask("POST", "/v1/jobs", raw(a_job(lane="interactive")))
    assert only(house) == CallerRefused("alice", "socket", 4711, "POST /v1/jobs", "forbidden")


async def test_a_message_that_is_not_allowed(house: House) -> None:
    house.desk.access.grant(to_me("read"))
    await house.ask("POST", "/v1/messages", b"{}")
    assert only(house) == CallerRefused("alice", "socket", 4711, "POST /v1/messages", "forbidden")


@pytest.mark.parametrize("partial", ["false", "true"])
@pytest.mark.parametrize("by_line", [False, True])
@pytest.mark.parametrize("cap", [TooManyJobs, RateCapped, SpendCapped])
async def test_caps(house: House, cap: type[IntakeError], partial: str, *, by_line: bool) -> None:
    async def capped(*_: object, **__: object) -> None:
        raise cap("no more", 30)

    house.desk.submit = capped  # type: ignore[assignment, method-assign]
    headers = {"accept": "application/x-ndjson"} if by_line else None
    kind = "application/x-ndjson"
    await house.ask("POST", "/v1/jobs", raw(a_job()) + b"\n", kind, headers=headers, partial=partial)
    assert only(house) == CallerRefused("alice", "socket", 4711, "POST /v1/jobs", cap.code)


async def test_a_token_that_is_not_valid_names_whoever_connected(house: House) -> None:
    headers = {"authorization": f"Bearer {FALSE_TOKEN}"}
    await house.ask("GET", "/v1/status", headers=headers)
    await house.ask("GET", "/v1/status", headers=headers, caller=None)
    assert house.desk.access.refusals == [
        CallerRefused("alice", "socket", 4711, "GET /v1/status", "unauthenticated"),
        CallerRefused(None, "tcp", None, "GET /v1/status", "unauthenticated"),
    ]
    assert "xxxx" not in repr(house.desk.access.refusals)


async def test_a_token_that_may_not(house: House) -> None:
    _, text = await house.desk.access.create_token(NewToken("ci", GrantSettings(("submit",)), None, "root"))
    await house.ask("GET", "/v1/status", headers={"x-api-key": text})
    assert only(house) == CallerRefused("token:ci", "socket", 4711, "GET /v1/status", "forbidden")
    assert text not in repr(only(house))


async def test_users_of_other_namespaces_hosts_and_origins(house: House) -> None:
    await house.ask("GET", "/v1/status", caller=Caller("nobody", overflow_uid(), pid=5))
    await house.ask("GET", "/v1/status", headers={"origin": "http://evil.example"})
    await house.ask("GET", "/v1/status", headers={"host": "evil.example"}, caller=None)
    assert [dataclasses.astuple(refusal)[:5] for refusal in house.desk.access.refusals] == [
        ("nobody", "socket", 5, "GET /v1/status", "unauthenticated"),
        ("alice", "socket", 4711, "GET /v1/status", "foreign_origin"),
        (None, "tcp", None, "GET /v1/status", "wrong_host"),
    ]
    assert "evil" not in repr(house.desk.access.refusals)


async def test_each_job_of_many_that_may_not_be_moved(house: House) -> None:
    await house.a_job_of("bob")
    house.desk.access.grant(to_me("operate", lanes=("bulk",)))
    await house.ask("POST", "/v1/jobs/move", raw({"filter": "submitted_by:bob", "lane": "interactive"}))
    assert only(house) == CallerRefused("alice", "socket", 4711, "POST /v1/jobs/move", "forbidden")


async def test_what_is_wrong_with_a_request_turns_nobody_away(house: House) -> None:
    assert (await house.ask("GET", "/v1/jobs/17")).status == 404
    assert (await house.ask("POST", "/v1/jobs", b"{")).status == 422
    assert (await house.ask("GET", "/v1/status", caller=ALICE)).status == 200
    assert house.desk.access.refusals == []
