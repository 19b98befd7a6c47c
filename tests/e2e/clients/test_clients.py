"""Each client gets from claudeflow what it would get from the API: answers, streams, tool calls, errors.

Those that are not installed are skipped; see CONTRIBUTING.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients.catalogue import CLIENTS, NO_SUCH_MODEL, PLACE, Client
from tests.e2e.clients.door import NAME, Door, open_door

PROMPT = "Which team should get this ticket? The VPN drops. [[answer 30 tokens]]"
WORDS_IT_ITSELF = {"claude"}

pytestmark = pytest.mark.timeout(200)

every_client = pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS.keys())
in_every_mode = pytest.mark.parametrize(
    ("client", "mode"),
    [
        pytest.param(client, mode, id=f"{name}-{mode}")
        for name, client in CLIENTS.items()
        for mode in client.modes
    ],
)
streaming = pytest.mark.parametrize(
    "client", [pytest.param(client, id=name) for name, client in CLIENTS.items() if "stream" in client.modes]
)
over_sockets = pytest.mark.parametrize(
    "client", [pytest.param(client, id=name) for name, client in CLIENTS.items() if client.over_socket]
)


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with open_door() as opened:
        yield opened


@pytest.fixture
def untroubled(door: Door) -> Iterator[Door]:
    """A door whose API is well again afterwards."""
    yield door
    door.let_the_api_fail()


def place_of(client: Client) -> Path:
    """Where a client is installed; else the test is skipped."""
    place = client.find()
    if place is None:
        pytest.skip(f"no {client.name} here: scripts/install-clients DIR {client.name}, then {PLACE}=DIR")
    return place


def said_in(message: dict[str, Any]) -> str:
    """The text of a message."""
    return "".join(block["text"] for block in message["content"] if block["type"] == "text").strip()


def called_in(message: dict[str, Any]) -> dict[str, Any]:
    """The tool call of a message."""
    [call] = [block for block in message["content"] if block["type"] == "tool_use"]
    return {"name": call["name"], "input": call["input"]}


def only_job(door: Door, after: int) -> dict[str, Any]:
    """The one job since then."""
    [job] = door.jobs(after=after)
    return job


@in_every_mode
def test_a_client_gets_the_answer_of_its_job(client: Client, mode: str, door: Door, tmp_path: Path) -> None:
    place, before = place_of(client), door.newest()
    heard = client.heard(client.start(place, mode, PROMPT, door.environ(tmp_path)))
    job = only_job(door, before)
    assert (heard.error, job["state"]) == (None, "succeeded")
    if mode == "tool":
        assert heard.tool == called_in(door.result(job["id"]))
    else:
        assert heard.text is not None
        assert heard.text.strip() == said_in(door.result(job["id"])) != ""
    assert door.book_mistakes() == []


@over_sockets
def test_a_client_that_can_use_a_socket_gets_its_answer_over_it(
    client: Client, door: Door, tmp_path: Path
) -> None:
    place, before = place_of(client), door.newest()
    environ = door.environ(tmp_path, ANTHROPIC_BASE_URL=NAME, ANTHROPIC_UNIX_SOCKET=str(door.site.socket))
    heard = client.heard(client.start(place, "stream", PROMPT, environ))
    assert heard.error is None
    assert heard.text is not None
    assert heard.text.strip() == said_in(door.result(only_job(door, before)["id"]))


@every_client
def test_a_client_tells_its_user_of_a_model_that_is_not_there(
    client: Client, door: Door, tmp_path: Path
) -> None:
    place, before = place_of(client), door.newest()
    heard = client.heard(
        client.start(place, client.modes[0], PROMPT, door.environ(tmp_path), model=NO_SUCH_MODEL)
    )
    assert heard.status == 404
    assert heard.error is not None
    if client.name not in WORDS_IT_ITSELF:
        assert "has no price here" in heard.error
    assert door.jobs(after=before) == []


@every_client
def test_a_client_sees_nothing_of_the_apis_own_429(client: Client, untroubled: Door, tmp_path: Path) -> None:
    place, before = place_of(client), untroubled.newest()
    untroubled.let_the_api_fail({"kind": "rate_429", "calls": [1, 1], "retry_after_s": 1})
    heard = client.heard(client.start(place, client.modes[0], PROMPT, untroubled.environ(tmp_path)))
    job = only_job(untroubled, before)
    assert (heard.error, job["state"], job["tries"]) == (None, "succeeded", 2)
    assert heard.text is not None
    assert heard.text.strip() == said_in(untroubled.result(job["id"]))


@streaming
def test_half_a_stream_is_no_answer_to_a_client(client: Client, untroubled: Door, tmp_path: Path) -> None:
    place, before = place_of(client), untroubled.newest()
    untroubled.let_the_api_fail({"kind": "truncate", "calls": [1, 1], "after_share": 0.5})
    heard = client.heard(client.start(place, "stream", PROMPT, untroubled.environ(tmp_path)))
    states = [job["state"] for job in untroubled.jobs(after=before)]
    assert (heard.text, states) == (None, ["failed"])
    assert "the stream ended before its message did" in str(heard.error)
