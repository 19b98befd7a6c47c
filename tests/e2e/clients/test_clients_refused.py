"""What each client makes of a 429 with `retry-after` from claudeflow's own door."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.clients.catalogue import Client
from tests.e2e.clients.door import Door, open_door
from tests.e2e.clients.test_clients import PROMPT, every_client, place_of, said_in
from tests.support.processes import eventually

HELD = {"scope": "lane:standard", "reason": "until the client was told to come back", "until": "+5s"}
SHORT_PATIENCE = {"standard": {"patience_s": 3.0}}

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(scope="module")
def hasty() -> Iterator[Door]:
    """A door that does not let callers wait where it knows that it will take longer than three seconds."""
    with open_door(lanes=SHORT_PATIENCE) as door:
        yield door


@every_client
def test_a_client_that_is_told_to_come_back_does_so_and_not_earlier(
    client: Client, hasty: Door, tmp_path: Path
) -> None:
    place, before = place_of(client), hasty.newest()
    hasty.ask("POST", "/v1/holds", HELD)
    process = client.start(place, client.modes[0], PROMPT, hasty.environ(tmp_path))

    def is_refused() -> bool:
        if process.poll() is None:
            hasty.ask("POST", "/v1/holds", HELD)
        return any(job["state"] == "cancelled" for job in hasty.jobs(after=before))

    eventually(is_refused, patience_s=100.0)
    heard = client.heard(process)
    states = [job["state"] for job in hasty.jobs(after=before)]
    if client.comes_again:
        assert (heard.error, states) == (None, ["succeeded", "cancelled"])
        assert heard.text is not None
        assert heard.text.strip() == said_in(hasty.result(hasty.newest()))
    else:
        assert (heard.status, states) == (429, ["cancelled"])
        assert "could not send this within" in str(heard.error)
