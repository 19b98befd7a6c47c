"""Tokens at the door: made, shown, and revoked."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from starlette.requests import Request

from claudeflow.domain.token import hash_of, token_text
from claudeflow.intake.http.guard import shown_token
from claudeflow.policy.access.errors import Unauthenticated
from tests.intake.builders import a_job, raw
from tests.intake.test_access_http import Answer, House, to_me

CI = token_text("ci", b"\x01" * 32)
OTHER = token_text("ci", b"\x02" * 32)


@pytest.fixture
def house() -> House:
    house = House()
    house.desk.access.grant(to_me("admin"))
    return house


def asking(**headers: str | list[str]) -> Request:
    pairs = [
        (name.replace("_", "-").encode(), one.encode())
        for name, given in headers.items()
        for one in ([given] if isinstance(given, str) else given)
    ]
    return Request({"type": "http", "headers": pairs})


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ({}, None),
        ({"authorization": f"Bearer {CI}"}, CI),
        ({"authorization": f"bearer  {CI}"}, CI),
        ({"x_api_key": CI}, CI),
        ({"x_api_key": CI, "authorization": f"Bearer {CI}"}, CI),
        ({"x_api_key": "sk-ant-api03-x", "authorization": f"Bearer {CI}"}, CI),
        ({"x_api_key": "sk-ant-api03-x"}, None),
        ({"authorization": "Bearer sk-ant-api03-x"}, None),
        ({"authorization": f"Basic {CI}"}, None),
        ({"authorization": CI}, None),
        ({"x_api_key": "cf_half"}, "cf_half"),
        ({"cookie": CI}, None),
    ],
)
def test_where_a_token_is_looked_for(headers: dict[str, str], shown: str | None) -> None:
    assert shown_token(asking(**headers)) == shown


@pytest.mark.parametrize(
    "headers", [{"x_api_key": CI, "authorization": f"Bearer {OTHER}"}, {"x_api_key": [CI, OTHER]}]
)
def test_two_tokens_are_none(headers: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated, match="show one"):
        shown_token(asking(**headers))


async def made(house: House, **fields: Any) -> Answer:
    return await house.ask("POST", "/v1/tokens", orjson.dumps({"name": "ci", **fields}))


async def test_a_token_is_shown_once_and_works_by_both_headers(house: House) -> None:
    answer = await made(house, lanes=["bulk"])
    assert (answer.status, answer.headers["cache-control"]) == (201, "no-store")
    text = answer.json()["token"]
    assert answer.json()["roles"] == ["submit"]
    for headers in ({"authorization": f"Bearer {text}"}, {"x-api-key": text}):
        me = (await house.ask("GET", "/v1/whoami", caller=None, headers=headers)).json()
        assert (me["name"], me["token"], me["uid"], me["roles"]) == ("token:ci", "ci", None, ["submit"])
    listed = await house.ask("GET", "/v1/tokens")
    assert [one["name"] for one in listed.json()["tokens"]] == ["ci"]
    secret = text.rpartition("_")[2]
    assert secret.encode() not in listed.body
    assert hash_of(text).hex().encode() not in listed.body


async def test_a_token_stands_for_itself_whoever_shows_it(house: House) -> None:
    text = (await made(house)).json()["token"]
    headers = {"x-api-key": text}
    assert (await house.ask("GET", "/v1/tokens", headers=headers)).status == 403
    sent = await house.ask("POST", "/v1/jobs", raw(a_job()), headers=headers)
    assert sent.status == 201
    [job] = house.desk.jobs.values()
    assert job.submitted_by == "token:ci"
    [record] = (await house.ask("GET", "/v1/jobs", caller=None, headers=headers)).json()["jobs"]
    assert record["submitted_by"] == "token:ci"


@pytest.mark.parametrize("text", [OTHER, "cf_ci_short", "cf_", token_text("nobody", bytes(32))])
async def test_what_is_no_token_in_force_lets_nobody_in_not_even_an_admin(house: House, text: str) -> None:
    await made(house)
    answer = await house.ask("GET", "/v1/status", headers={"x-api-key": text})
    assert (answer.status, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == 'Bearer realm="claudeflow"'
    assert text.rpartition("_")[2] not in answer.detail or text == "cf_"


async def test_a_key_of_the_api_is_not_looked_at_and_never_repeated(house: House) -> None:
    headers = {"x-api-key": "sk-ant-api03-secret", "authorization": "Bearer sk-ant-api03-secret"}
    assert (await house.ask("GET", "/v1/status", headers=headers)).status == 200
    refused = await house.ask("GET", "/v1/status", caller=None, headers=headers)
    assert refused.status == 401
    assert b"secret" not in refused.body


async def test_a_revoked_token_is_good_for_nothing_at_once(house: House) -> None:
    headers = {"x-api-key": (await made(house)).json()["token"]}
    assert (await house.ask("GET", "/v1/jobs", caller=None, headers=headers)).status == 200
    revoked = await house.ask("DELETE", "/v1/tokens/ci")
    assert (revoked.json()["state"], revoked.json()["revoked_by"]) == ("revoked", "alice")
    assert (await house.ask("GET", "/v1/jobs", caller=None, headers=headers)).status == 401
    again = await house.ask("DELETE", "/v1/tokens/ci")
    assert (again.status, again.json()["code"]) == (404, "token_not_found")


async def test_a_name_is_taken_while_its_token_is_in_force(house: House) -> None:
    assert (await made(house)).status == 201
    assert (await made(house)).status == 409


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"name": "CI"}, "name: must be 1 to 32 of a-z"),
        ({"name": None}, "name: must be"),
        ({"name": 7}, "name: must be"),
        ({"roles": ["root"]}, "roles.0: must be 'read', 'submit', 'operate' or 'admin'"),
        ({"roles": "read"}, "roles: must be"),
        ({"lanes": ["bulky"]}, 'lanes.0: "bulky" is no lane; lanes are bulk, interactive'),
        ({"lanes": [7]}, "lanes.0: must be"),
        ({"workflows": ["build-*", "Build X"]}, "workflows.1: must be a workflow or a pattern for some"),
        ({"max_queued": -1}, "max_queued: must be greater than or equal to 0"),
        ({"usd_per_day": "5"}, "usd_per_day: must be"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at: is not in the future"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"role": ["read"]}, "role: is no field of a token"),
    ],
)
async def test_what_is_wrong_with_a_token_is_told(house: House, fields: dict[str, Any], told: str) -> None:
    answer = await made(house, **fields)
    assert (answer.status, answer.json()["code"]) == (422, "invalid_token")
    assert told in answer.detail
    assert house.desk.access.made == []


async def test_only_json_makes_a_token(house: House) -> None:
    assert (
        await house.ask("POST", "/v1/tokens", b"name=ci", "application/x-www-form-urlencoded")
    ).status == 415
    assert (await house.ask("POST", "/v1/tokens", b'{"name": "ci", "name": "cd"}')).status == 422
