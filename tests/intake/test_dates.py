"""Every answer says when it was made: RFC 9110, 6.6.1."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from claudeflow.intake.http.door.dates import Dates
from claudeflow.intake.http.door.rules import Door
from claudeflow.intake.http.door.settings import HttpSettings
from tests.intake.builders import a_catalog
from tests.intake.raw_clients import HEALTHY, connected
from tests.intake.serving import Served, serving
from tests.support.fake_desk import FakeDesk


@asynccontextmanager
async def small_door(folder: Path) -> AsyncIterator[Served]:
    """A door that takes no head of more than 1 KiB."""
    door = Door(replace(HttpSettings(), max_header_bytes=1024), lambda event: None)
    async with serving(FakeDesk(a_catalog()), folder, door=door) as served:
        yield served


def test_a_date_is_written_as_http_has_it_and_goes_with_the_time() -> None:
    now_s = 784_111_777.9
    dates = Dates(lambda: now_s)
    assert dates.text() == b"Sun, 06 Nov 1994 08:49:37 GMT"
    now_s += 0.2
    assert dates.text() == b"Sun, 06 Nov 1994 08:49:38 GMT"


@pytest.mark.parametrize("path", ["/-/healthy", "/v1/status", "/nowhere"])
async def test_an_answer_has_one_date_which_is_now(tmp_path: Path, path: str) -> None:
    async with small_door(tmp_path) as served:
        before_s = int(time.time())
        answer = await served.client.get(path)
        [date] = answer.headers.get_list("date")
        assert before_s <= parsedate_to_datetime(date).timestamp() <= time.time()


@pytest.mark.parametrize("said", [b"nonsense\r\n\r\n", HEALTHY.replace(b"host: x", b"x-a: " + b"a" * 2000)])
async def test_so_has_an_answer_of_the_door_itself(tmp_path: Path, said: bytes) -> None:
    async with small_door(tmp_path) as served, connected(served.path) as client:
        await client.say(said)
        head = (await client.until(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 4")
        assert head.count(b"\r\ndate: ") == 1
