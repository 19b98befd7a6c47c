"""What goes over the wire."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from claudeflow.claude.request import goes_streamed, wire_body
from claudeflow.domain.prompt import Request


@pytest.mark.parametrize(
    ("asked", "max_tokens", "streamed"),
    [(False, 100, False), (True, 100, True), (False, 1_001, True), (True, 0, False), (False, None, False)],
)
def test_what_is_read_as_a_stream(asked: bool, max_tokens: int | None, streamed: bool) -> None:
    assert goes_streamed(Request({"max_tokens": max_tokens}, stream=asked), 1_000) is streamed


@pytest.mark.parametrize("given", [{}, {"stream": True}, {"stream": False}])
def test_the_stream_flag_on_the_wire_says_how_we_read(given: dict[str, Any]) -> None:
    request = Request({"model": "m", **given})
    assert json.loads(wire_body(request, streamed=True)) == {"model": "m", "stream": True}
    assert json.loads(wire_body(request, streamed=False)) == {"model": "m"}


def test_the_callers_body_is_not_touched() -> None:
    body = {"model": "m", "stream": True}
    wire_body(Request(body), streamed=False)
    assert body == {"model": "m", "stream": True}


@pytest.mark.parametrize("odd", [object(), {1: 2}, 1 << 70, "\ud800"])
def test_what_is_no_json_is_refused(odd: object) -> None:
    with pytest.raises(TypeError):
        wire_body(Request({"odd": odd}), streamed=False)


def test_settings_and_wire_load_without_the_sdk() -> None:
    program = (
        "import sys, claudeflow.claude.settings, claudeflow.claude.request\n"
        "sys.exit('anthropic' in sys.modules or 'httpx2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
