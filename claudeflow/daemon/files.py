"""Open files: each connection is one, and so is each call, which must not go without."""

from __future__ import annotations

import resource

SPARE_FILES = 128
"""Files that are open anyway: the store, the log, the socket, libraries."""

LEAST_CONNECTIONS = 8


def make_room(wanted: int) -> int:
    """Raise the limit of open files as far as `wanted` needs it and the host allows; the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return wanted if soft == resource.RLIM_INFINITY else soft
    raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    return raised


def connections_that_fit(open_files: int, wanted: int, calls: int) -> int:
    """How many connections may be open: what `calls` at once leave over, at least half of all."""
    left = open_files - SPARE_FILES
    return min(wanted, max(LEAST_CONNECTIONS, left // 2, left - calls))
