"""Published limits for each usage tier. They are ceilings per minute and pool."""

from __future__ import annotations

from dataclasses import dataclass

EVALUATION = "evaluation"
START = "start"
BUILD = "build"
SCALE = "scale"


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests, uncached input tokens and output tokens a minute."""

    rpm: int
    itpm: int
    otpm: int


@dataclass(frozen=True, slots=True)
class WorkspaceLimits:
    """What a workspace may use a minute of each pool; None is no limit. `tpm` is input plus output."""

    rpm: int | None = None
    itpm: int | None = None
    otpm: int | None = None
    tpm: int | None = None

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return any((self.rpm, self.itpm, self.otpm, self.tpm))


# The evaluation tier's numbers are not published; these are the smallest ever seen on an account.
_EVALUATION_LIMITS = Limits(50, 30_000, 8_000)
_STANDARD: dict[str, Limits] = {
    EVALUATION: _EVALUATION_LIMITS,
    START: Limits(1_000, 2_000_000, 400_000),
    BUILD: Limits(5_000, 5_000_000, 1_000_000),
    SCALE: Limits(10_000, 10_000_000, 2_000_000),
}
_LARGEST_MODELS: dict[str, Limits] = {
    EVALUATION: _EVALUATION_LIMITS,
    START: Limits(1_000, 500_000, 100_000),
    BUILD: Limits(2_000, 1_500_000, 300_000),
    SCALE: Limits(4_000, 4_000_000, 800_000),
}
COUNT_TOKENS_RPM: dict[str, int] = {EVALUATION: 100, START: 2_000, BUILD: 4_000, SCALE: 8_000}
TIERS: tuple[str, ...] = (EVALUATION, START, BUILD, SCALE)


def limits_of(tier: str, pool: str) -> Limits:
    """The limits of a pool in a tier."""
    table = _LARGEST_MODELS if pool.startswith(("fable", "mythos")) else _STANDARD
    return table[tier]
