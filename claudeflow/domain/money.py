"""Money: whole nano-dollars inside, dollars only where people read them."""

from __future__ import annotations

NANO = 1_000_000_000


def usd(nanousd: int, places: int = 4) -> str:
    """Nano-dollars as dollars for people, `$0.0123`."""
    sign = "-" if nanousd < 0 else ""
    return f"{sign}${abs(nanousd) / NANO:,.{places}f}"


def exact_usd(nanousd: int) -> str:
    """Nano-dollars as dollars for other programs, to the last of them: `0.012300000`."""
    whole, rest = divmod(abs(nanousd), NANO)
    return f"{'-' if nanousd < 0 else ''}{whole}.{rest:09d}"
