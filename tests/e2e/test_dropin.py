"""Clients of the drop-in endpoint and real processes: the SDK, the daemon, a twin over TCP."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from claudeflow.twin.child import twin_process
from claudeflow.twin.settings import TwinSettings
from tests.support.books import calls_of, disagreements, states_of
from tests.support.daemons import PLENTY
from tests.support.dropin import QUESTION
from tests.support.processes import (
    PATIENCE_S,
    Site,
    daemon_at,
    eventually,
    invoice_of,
    short_folder,
    twin_json,
)

QUICK = TwinSettings(reply_tokens=20, **PLENTY)
PACED = TwinSettings(reply_tokens=200, ttft_s=0.1, tokens_per_s=400.0, latency_sigma=0.0, **PLENTY)
ENDLESS = TwinSettings(reply_tokens=20, ttft_s=3600.0, latency_sigma=0.0, **PLENTY)


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as path:
        yield path


def a_client(site: Site) -> httpx2.Client:
    transport = httpx2.HTTPTransport(uds=str(site.socket), verify=False)
    return httpx2.Client(transport=transport, base_url="http://claudeflow", timeout=PATIENCE_S)


def an_sdk(site: Site, retries: int = 0) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        api_key="unused", base_url="http://claudeflow", http_client=a_client(site), max_retries=retries
    )


class Asking(threading.Thread):
    """Somebody who asks and waits; `error` is what the wait ended with, if not with an answer."""

    def __init__(self, site: Site, body: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self._client = a_client(site)
        self._body = body
        self.error: Exception | None = None
        self.answer = b""
        self.start()

    def run(self) -> None:
        try:
            self.answer = self._client.post("/v1/messages", json=self._body).content
        except httpx2.HTTPError as error:
            self.error = error
        finally:
            self._client.close()


def test_an_unmodified_sdk_talks_to_the_daemon_as_to_the_api(folder: Path) -> None:
    with twin_process(PACED) as twin:
        site = Site(folder, twin.address)
        with daemon_at(site) as daemon, an_sdk(site) as sdk:
            with sdk.messages.stream(**QUESTION) as stream:
                text = "".join(stream.text_stream)
            assert text
            assert sdk.messages.create(**QUESTION).stop_reason == "end_turn"
            assert sdk.messages.count_tokens(
                model=QUESTION["model"], messages=QUESTION["messages"]
            ).input_tokens
            assert any(model.id == QUESTION["model"] for model in sdk.models.list())
            daemon.signal(signal.SIGTERM)
            assert daemon.ended() == 0
        assert states_of(site.store) == {"succeeded": 2}
        assert disagreements(site.store, invoice_of(twin.address)) == []


def test_the_command_line_client_finds_what_it_asks_for(folder: Path) -> None:
    with twin_process(QUICK) as twin:
        site = Site(folder, twin.address)
        with daemon_at(site), a_client(site) as http:
            assert http.head("/").status_code == 200
            body = {
                **QUESTION,
                "stream": True,
                "system": [
                    {"type": "text", "text": "Answer in short.", "cache_control": {"type": "ephemeral"}}
                ],
                "metadata": {"user_id": "user_1_session_2"},
                "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            }
            betas = "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27"
            headers = {"anthropic-version": "2023-06-01", "anthropic-beta": betas, "x-app": "cli"}
            answer = http.post("/v1/messages?beta=true", json=body, headers=headers)
            assert answer.status_code == 200
            assert b"event: message_stop" in answer.content
        eventually(lambda: states_of(site.store) == {"succeeded": 1})


def test_jobs_whose_callers_were_cut_off_by_a_kill_are_not_run_again(folder: Path) -> None:
    with twin_process(ENDLESS) as twin:
        site = Site(folder, twin.address, {"lanes": {"standard": {"max_in_flight": 1}}})
        with daemon_at(site) as daemon:
            asking = [Asking(site, {**QUESTION, "stream": streamed}) for streamed in (False, True)]
            eventually(lambda: twin_json(twin.address, "/twin/stats")["in_flight"] == 1)
            eventually(lambda: sum(states_of(site.store).values()) == 2)
            daemon.kill()
        for one in asking:
            one.join(PATIENCE_S)
        assert all(one.error is not None for one in asking)
        with daemon_at(site):
            assert states_of(site.store) == {"cancelled": 2}
        assert [call.state for call in calls_of(site.store)] == ["unknown"]
        assert disagreements(site.store, {}) == []


def test_in_a_lane_that_finishes_they_are_run_again_after_a_kill(folder: Path) -> None:
    with twin_process(PACED) as twin:
        site = Site(folder, twin.address, {"lanes": {"standard": {"on_disconnect": "finish"}}})
        with daemon_at(site) as daemon:
            asking = Asking(site, {**QUESTION, "stream": True})
            eventually(lambda: twin_json(twin.address, "/twin/stats")["in_flight"] == 1)
            daemon.kill()
        asking.join(PATIENCE_S)
        with daemon_at(site):
            eventually(lambda: states_of(site.store) == {"succeeded": 1})
        assert disagreements(site.store, invoice_of(twin.address)) == []
