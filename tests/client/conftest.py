"""A real daemon over a twin, as processes, shared by the tests that do not end it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from claudeflow import Claudeflow
from claudeflow.twin.child import twin_process
from claudeflow.twin.settings import TwinSettings
from tests.support.daemons import PLENTY
from tests.support.processes import Site, daemon_at, short_folder

QUICK = TwinSettings(reply_tokens=20, ttft_s=0.01, latency_sigma=0.0, **PLENTY)
LANES = {"lanes": {"standard": {"weight": 1.0}, "interactive": {"weight": 4.0}, "tiny": {"max_queued": 3}}}

NOBODY_THERE = pytest.mark.filterwarnings(
    r"ignore:Exception ignored in. <socket.socket fd=\d+, family=1, type=1, proto=0>"
)
"""httpcore leaves a socket that nobody answered to the garbage collector."""


@pytest.fixture(autouse=True)
def swept(request: pytest.FixtureRequest) -> Iterator[None]:
    """Such sockets are collected while their test still says that they are known."""
    yield
    if request.node.get_closest_marker("filterwarnings"):
        gc.collect()


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as path:
        yield path


@pytest.fixture(scope="session")
def running() -> Iterator[Site]:
    """A site whose daemon works for the whole session."""
    with short_folder() as folder, twin_process(QUICK) as twin:
        site = Site(folder, twin.address, LANES)
        with daemon_at(site):
            yield site


@pytest.fixture
def flow(running: Site) -> Iterator[Claudeflow]:
    with Claudeflow(running.socket, workflow="triage") as client:
        yield client
