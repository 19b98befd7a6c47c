"""What can be set about prompt caching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Prompt caching. Markers that a caller sets himself always stay as they are.

    Without `enabled` no marker is set. `ttl` is how long prefixes are kept: `auto` chooses by what
    is expected to cost least. With `cold_prefix` the first job of a cold prefix goes alone, so that
    one call writes it. `prewarm` writes prefixes shortly before a lane's hours begin when at least
    `prewarm_from_jobs` jobs wait for them. `diagnose` is the share of unexpected misses about which
    the API is asked; above 0, each call that writes a prefix asks for a record to compare with.
    """

    enabled: bool = True
    ttl: Literal["auto", "5m", "1h"] = "auto"
    cold_prefix: bool = True
    prewarm: bool = True
    prewarm_from_jobs: Annotated[int, Ge(1)] = 10
    diagnose: Annotated[float, Ge(0), Le(1)] = 0.1
