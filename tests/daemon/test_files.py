"""Open files: the door never takes those that calls need."""

from __future__ import annotations

import pytest

from claudeflow.daemon.files import connections_that_fit


@pytest.mark.parametrize(
    ("open_files", "wanted", "calls", "connections"),
    [
        (65_536, 4096, 4000, 4096),
        (8_224, 4096, 4000, 4096),
        (8_000, 4096, 4000, 3936),
        (1_024, 4096, 4000, 448),
        (1_024, 4096, 100, 796),
        (256, 4096, 4000, 64),
        (64, 4096, 4000, 8),
    ],
)
def test_connections_leave_room_for_calls(open_files: int, wanted: int, calls: int, connections: int) -> None:
    assert connections_that_fit(open_files, wanted, calls) == connections
