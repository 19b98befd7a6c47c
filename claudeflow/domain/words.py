"""Words: numbers as people read them."""

from __future__ import annotations

_UNITS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s"))


def span(seconds: float) -> str:
    """A length of time in its two largest units: `0.4s`, `12s`, `3m 20s`, `2d 5h`."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f}s"
    whole = round(seconds)
    for size, unit, smaller_size, smaller in _UNITS:
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size}{unit} {rest}{smaller}" if rest else f"{whole // size}{unit}"
    return f"{whole}s"


def count(number: float) -> str:
    """A number of tokens in three figures: `912`, `45.2k`, `1.20M`."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            scaled = number / size
            places = 2 if abs(scaled) < 10 else 1 if abs(scaled) < 100 else 0
            return f"{scaled:.{places}f}{unit}"
    return f"{number:.0f}"


def plural(number: int, noun: str, several: str = "") -> str:
    """A number with its noun: `1 call`, `1,200 calls`; `several` where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"
