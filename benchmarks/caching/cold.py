"""Two hundred jobs of one cold prefix at once: how often is it written?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from benchmarks.caching.loads import PLENTY, at_once, played
from benchmarks.flow.witness import Witness
from benchmarks.size import Size, number, table
from claudeflow.config import Config
from claudeflow.policy.caching.settings import CacheSettings
from claudeflow.policy.limits.margin import MarginSettings
from claudeflow.policy.limits.settings import LimiterSettings
from claudeflow.twin.faults import Fault

JOBS = 200
PREFIX_TOKENS = 5_000
UNTIL_S = 120.0
WIDE_OPEN = LimiterSettings(margin=MarginSettings(cold_theta=1.0), cold_in_flight=JOBS)
"""So that all could leave at the same moment."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is different about a run."""

    name: str
    cold_prefix: bool = True
    faults: tuple[Fault, ...] = ()


CASES = (
    Case("one writer"),
    Case("its answer breaks off in the middle", faults=(Fault("truncate", calls=(1, 1)),)),
    Case("it is killed before its answer begins", faults=(Fault("conn_reset", calls=(1, 1)),)),
    Case("nobody waits", cold_prefix=False),
)


def crowd(case: Case, jobs: int = JOBS) -> Witness:
    """The jobs come together, and nothing is known."""
    config = Config(cache=CacheSettings(cold_prefix=case.cold_prefix), limiter=WIDE_OPEN)
    twin = replace(PLENTY, faults=case.faults)
    return played(at_once(jobs, PREFIX_TOKENS), UNTIL_S, config, twin)


def run(size: Size) -> Iterator[str]:
    """A row for each case."""
    rows = []
    for case in CASES:
        witness = crowd(case, size.of(tiny=20, quick=JOBS, full=JOBS))
        assert witness.stats is not None
        done = [at_s for at_s, depth in witness.depth() if not depth]
        rows.append(
            (
                case.name,
                number(witness.stats.cache_writes, 0),
                number(witness.stats.total_nanousd / 1e9, 4),
                number(done[-1], 1) if done else "not",
            )
        )
    yield table(("200 jobs of one cold prefix", "cache writes", "invoice, $", "all done after, s"), rows)
