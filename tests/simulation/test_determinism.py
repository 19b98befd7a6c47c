"""The same seed gives the same day, to the byte, in any process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.support.simulated import event_log

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
SEEDS = 20


def _digests(hash_seed: str) -> subprocess.Popen[str]:
    environ = {**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": "UTC" if hash_seed == "1" else "Asia/Tokyo"}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.simulated", "0", str(SEEDS)],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_write_the_same_event_log_for_each_of_twenty_seeds() -> None:
    first, second = _digests("1"), _digests("4242")
    lines = first.communicate(timeout=300)[0].splitlines()
    assert lines == second.communicate(timeout=300)[0].splitlines()
    assert len(lines) == SEEDS
    assert len({line.split()[2] for line in lines}) == SEEDS, "each seed is a day of its own"


def test_a_simulated_morning_has_everything_in_it_that_could_break_the_order() -> None:
    kinds = {orjson.loads(line)["event"] for line in event_log(1).splitlines()}
    assert {
        "JobsSubmitted",
        "CallEnded",
        "JobFinished",
        "JobRequeued",
        "PoolGated",
        "PoolOpened",
    } <= kinds
