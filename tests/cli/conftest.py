"""A command line, and a daemon behind its socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from tests.cli.running_desk import RunningDesk
from tests.cli.scripted_daemon import CommandLine, ScriptedDaemon
from tests.intake.builders import NOW_MS, a_catalog
from tests.intake.serving import serving
from tests.support.fake_desk import FakeDesk


@pytest.fixture
def claudeflow(tmp_path: Path) -> CommandLine:
    line = CommandLine(tmp_path)
    line.config.write_text(f'[store]\npath = "{tmp_path / "store.db"}"\n')
    return line


@pytest.fixture
def daemon(claudeflow: CommandLine) -> Iterator[ScriptedDaemon]:
    with ScriptedDaemon(claudeflow.socket).serving() as serving:
        yield serving


@pytest.fixture
def desk(claudeflow: CommandLine) -> Iterator[RunningDesk]:
    """The real server over a desk in memory, on a loop of its own."""
    running = FakeDesk(a_catalog(), now_ms=NOW_MS)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(serving(running, claudeflow.folder)),
    ):
        yield RunningDesk(running, portal)
