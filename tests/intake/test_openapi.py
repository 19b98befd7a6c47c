"""The OpenAPI document is about what is served; tests/support/truth.py compares every answer with it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.routing import Route

from claudeflow.intake.http.app import build_app, is_the_apis
from claudeflow.intake.http.openapi.document import PATH
from tests.intake.builders import NOW_MS, a_catalog, a_job
from tests.intake.serving import Served, serving
from tests.support.fake_desk import FakeDesk
from tests.support.truth import Truth, the_document

PATHS: dict[str, dict[str, Any]] = the_document()["paths"]
OPERATIONS = [(method, path) for path, operations in PATHS.items() for method in operations]


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(FakeDesk(a_catalog(), now_ms=NOW_MS), tmp_path) as running:
        yield running


def every_reference(value: Any) -> Iterator[str]:
    """What `$ref` says, anywhere."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    for inner in value if isinstance(value, list) else []:
        yield from every_reference(inner)


def test_every_route_has_an_operation_and_no_other_is_there() -> None:
    app = build_app(FakeDesk(a_catalog()), lambda: 0)
    assert isinstance(app, Starlette)
    served = {
        (method.lower(), route.path)
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert set(OPERATIONS) == served


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    document = the_document()
    names = {ref.removeprefix("#/components/schemas/") for ref in every_reference(dict(document))}
    assert names == set(document["components"]["schemas"])


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [PATHS[path][method]["operationId"] for method, path in OPERATIONS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in names)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_the_parameters_of_a_path_are_those_of_its_template(method: str, path: str) -> None:
    named = [one["name"] for one in PATHS[path][method].get("parameters", []) if one["in"] == "path"]
    assert named == re.findall(r"\{(\w+)\}", path)


OUR_LOOKS = [(method, path) for method, path in OPERATIONS if method == "get" and not is_the_apis(path)]


@pytest.mark.parametrize(("method", "path"), OUR_LOOKS)
async def test_a_query_takes_the_parameters_in_the_document_and_no_other(
    served: Served, method: str, path: str
) -> None:
    await served.desk.submit([])
    response = await served.client.get(re.sub(r"\{\w+\}", "1", path), params={"nonsense": "1"})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_query")
    known = re.search(r"known are (.*?)\.(?: Did|$)", response.json()["detail"])
    assert known
    named = {one["name"] for one in PATHS[path][method].get("parameters", []) if one["in"] == "query"}
    listed = set(known[1].split(", ")) - {"none"}
    assert listed == named or (" and " in known[1] and len(named) > len(listed))


async def test_the_document_is_served(served: Served) -> None:
    response = await served.client.get(PATH)
    assert response.status_code == 200
    assert response.json() == json.loads(json.dumps(the_document()))
    assert response.json()["openapi"] == "3.1.0"


async def test_an_answer_that_the_document_does_not_allow_is_found_out() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"application/json"), (b"location", b"/")]
        await send({"type": "http.response.start", "status": scope["status"], "headers": headers})
        await send({"type": "http.response.body", "body": b'{"holds": [], "more": 1}'})

    async def nothing(*_: Any) -> Any: ...

    truth = Truth(app)
    for status in (200, 418):
        scope = {"type": "http", "method": "GET", "path": "/v1/holds", "status": status}
        await truth(scope, nothing, nothing)
    assert len(truth.lies) == 3
    with pytest.raises(AssertionError, match="418"):
        truth.raise_if_any()


async def test_a_new_job_that_the_document_describes_is_taken(served: Served) -> None:
    fields = the_document()["components"]["schemas"]["NewJob"]["properties"]
    every_field = {name: None for name in fields if name not in ("prompt", "input")}
    response = await served.client.post("/v1/jobs", json={**every_field, **a_job()})
    assert response.status_code == 201
