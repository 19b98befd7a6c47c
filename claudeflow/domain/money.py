"""Money: whole nano-dollars inside, dollars only where people read them."""

from __future__ import annotations

NANO = 1_000_000_000


def usd(nanousd: int, places: int = 4) -> str:
    """Nano-dollars as dollars for people, `$0.0123`."""
    sign = "-" if nanousd < 0 else ""
    return f"{sign}${abs(nanousd) / NANO:,.{places}f}"


def dollars(nanousd: int) -> str:
    """Nano-dollars for people in dollars and cents; finer where there is next to nothing."""
    size = abs(nanousd)
    return usd(nanousd, 2 if size >= NANO // 10 or not size else 6 if size >= 1_000 else 9)


def exact_usd(nanousd: int) -> str:
    """Nano-dollars as dollars for other programs, to the last of them: `0.012300000`."""
    whole, rest = divmod(abs(nanousd), NANO)
    return f"{'-' if nanousd < 0 else ''}{whole}.{rest:09d}"
