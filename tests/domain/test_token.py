"""The text of a token."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.caller import Caller
from claudeflow.domain.token import Token, hash_of, is_token_name, name_in, token_text

NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)


@given(name=NAMES, secret=st.binary(min_size=32, max_size=32))
def test_a_token_has_its_name_and_all_of_its_secret(name: str, secret: bytes) -> None:
    text = token_text(name, secret)
    assert name_in(text) == name
    assert text.startswith(f"cf_{name}_")
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number = 0
    for digit in text.rpartition("_")[2]:
        number = number * 62 + alphabet.index(digit)
    assert number.to_bytes(32, "big") == secret


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cf_ci_",
        "cf_ci",
        "cf__" + "a" * 43,
        "cf_ci_" + "a" * 42,
        "cf_ci_" + "a" * 44,
        "cf_Ci_" + "a" * 43,
        "sk-ant-api03-x",
        "xcf_ci_" + "a" * 43,
        "cf_ci_" + "a" * 42 + "\n",
        "cf_ci_" + "ä" * 43,
    ],
)
def test_what_is_no_token_has_no_name(text: str) -> None:
    assert name_in(text) is None


def test_the_largest_secret_fits() -> None:
    assert name_in(token_text("ci", b"\xff" * 32)) == "ci"


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("ci", True),
        ("a-1", True),
        ("a" * 32, True),
        ("a" * 33, False),
        ("", False),
        ("-a", False),
        ("a_b", False),
        ("A", False),
    ],
)
def test_which_names_tokens_may_have(name: str, good: bool) -> None:
    assert is_token_name(name) is good


def test_what_is_kept_is_a_hash() -> None:
    assert hash_of("cf_ci_x") == hashlib.sha256(b"cf_ci_x").digest()


def test_a_holder_of_a_token_is_no_user() -> None:
    caller = Caller.of_token("ci")
    assert (caller.name, caller.token, caller.uid, str(caller)) == ("token:ci", "ci", None, "token:ci")
    user = Caller("maria", 7)
    assert (user.token, str(user)) == (None, "maria (uid 7)")


@pytest.mark.parametrize(("expires_ms", "over"), [(None, False), (99, True), (100, True), (101, False)])
def test_when_the_time_of_a_token_is_over(expires_ms: int | None, over: bool) -> None:
    assert Token(1, "ci", b"", "{}", 0, "root", expires_ms).has_expired(100) is over
