"""Tokens: secrets by which callers are known that the kernel cannot name. Their text is `cf_NAME_SECRET`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

BEGINS = "cf_"
SECRET_BYTES = 32
NAME_FORM = "1 to 32 of a-z, 0-9 and hyphen, beginning with a letter or digit"

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH = 43  # 256 bits in base 62
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_TEXT = re.compile(rf"{BEGINS}([a-z0-9][a-z0-9-]{{0,31}})_([0-9A-Za-z]{{{_SECRET_LENGTH}}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is kept: a hash in place of the secret. Times are epoch ms."""

    id: int
    name: str
    hash: bytes
    allows: str
    created_ms: int
    created_by: str
    expires_ms: int | None = None
    revoked_ms: int | None = None
    revoked_by: str | None = None
    last_used_ms: int | None = None

    def has_expired(self, now_ms: int) -> bool:
        """Whether its time is over."""
        return self.expires_ms is not None and self.expires_ms <= now_ms


def is_token_name(name: str) -> bool:
    """Whether a token may have this name."""
    return _NAME.fullmatch(name) is not None


def token_text(name: str, secret: bytes) -> str:
    """The token as it is shown, once. `secret` is 32 random bytes."""
    number, digits = int.from_bytes(secret, "big"), []
    for _ in range(_SECRET_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return f"{BEGINS}{name}_{''.join(reversed(digits))}"


def name_in(text: str) -> str | None:
    """The name in a token's text; None when it has not the form of one."""
    found = _TEXT.fullmatch(text)
    return None if found is None else found[1]


def hash_of(text: str) -> bytes:
    """What is kept of a token. One SHA-256 is enough: nobody guesses 256 random bits, however fast."""
    return hashlib.sha256(text.encode()).digest()
