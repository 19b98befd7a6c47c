"""Orders: how long an answer is to be, where the text that it answers says so."""

from __future__ import annotations

import re

_BEGINS = "[[answer "
_ORDER = re.compile(r"\[\[answer ([1-9]\d{0,8}) tokens?\]\]")


def ordered_tokens(text: str) -> int:
    """The length that a text asks its answer to have, in tokens; 0 if it does not."""
    if _BEGINS not in text:
        return 0
    found = _ORDER.search(text)
    return int(found[1]) if found else 0
