"""Exit codes: the contract between claudeflow and the scripts that call it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class Exit(IntEnum):
    """What the process answers. `docs/cli.md` lists every one of them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_PERMITTED = 4
    NOT_FOUND = 5
    CONFLICT = 6
    JOB_NOT_SUCCEEDED = 7
    WAIT_TIMED_OUT = 8
    BAD_CONFIG = 78
    INTERRUPTED = 130


MEANING: Mapping[Exit, str] = {
    Exit.OK: "done",
    Exit.FAILED: "failed",
    Exit.USAGE: "the command line or the job is wrong",
    Exit.UNREACHABLE: "daemon not reachable",
    Exit.NOT_PERMITTED: "not permitted",
    Exit.NOT_FOUND: "no such job or hold",
    Exit.CONFLICT: "the job's state does not allow this",
    Exit.JOB_NOT_SUCCEEDED: "the job did not succeed",
    Exit.WAIT_TIMED_OUT: "the wait timed out",
    Exit.BAD_CONFIG: "bad configuration",
    Exit.INTERRUPTED: "interrupted (Ctrl-C)",
}
