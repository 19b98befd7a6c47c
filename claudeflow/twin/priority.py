"""Priority Tier: a commitment of input and output tokens a minute that an organisation has bought."""

from __future__ import annotations

from claudeflow.twin.billing import Tokens
from claudeflow.twin.limits import INPUT_TOKENS, OUTPUT_TOKENS, Allowance, Gauge

_WRITE_5M_WEIGHT = 1.25
_WRITE_1H_WEIGHT = 2.0
_READ_WEIGHT = 0.1
_US_WEIGHT = 1.1


class Commitment:
    """What is left of a commitment. A call that it cannot serve is a standard one."""

    def __init__(self, itpm: int, otpm: int, now: float) -> None:
        self._input = Allowance(INPUT_TOKENS, itpm, None, now)
        self._output = Allowance(OUTPUT_TOKENS, otpm, None, now)

    def serves(self, now: float) -> bool:
        """Whether one more call may have priority."""
        return self._input.refuse(now) is None and self._output.refuse(now) is None

    def take_input(self, tokens: Tokens, now: float, *, geo_us: bool) -> None:
        """Charge a prompt: writing to the cache counts for more, reading from it for less."""
        weighted = (
            tokens.input
            + tokens.write_5m * _WRITE_5M_WEIGHT
            + tokens.write_1h * _WRITE_1H_WEIGHT
            + tokens.read * _READ_WEIGHT
        )
        self._input.take(weighted * (_US_WEIGHT if geo_us else 1.0), now)

    def take_output(self, tokens: int, now: float, *, geo_us: bool) -> None:
        """Charge an answer."""
        self._output.take(tokens * (_US_WEIGHT if geo_us else 1.0), now)

    def gauges(self, now: float) -> tuple[Gauge, Gauge]:
        """Input and output."""
        return self._input.gauge(now), self._output.gauge(now)
