"""Of each kind of packs a share of items is expected back: by a guess, and by what was seen of late."""

from __future__ import annotations

import json

import pytest

from claudeflow.policy.packing.returns import MEMORY_S, MOST_KINDS, PRIOR_SHARE, ReturnBook

KIND = ("triage@v1", "haiku", "support")
NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000


def after(*returned: int, at_ms: int = NOW_MS) -> ReturnBook:
    """A book of packs of ten, of which so many items came back."""
    book = ReturnBook()
    for number in returned:
        book.note(KIND, 10, number, at_ms)
    return book


def test_of_an_unknown_kind_hardly_anything_is_expected_to_come_back() -> None:
    assert ReturnBook().share(KIND, NOW_MS) == PRIOR_SHARE


def test_one_refused_pack_decides_nothing_and_some_do() -> None:
    shares = [after(*[10] * packs).share(KIND, NOW_MS) for packs in (1, 2, 4, 10, 50)]
    assert shares == sorted(shares)
    assert 0.2 < shares[0] < 0.25
    assert shares[2] > 0.5
    assert shares[4] > 0.99


def test_the_share_of_many_packs_is_found() -> None:
    assert after(*[3] * 50).share(KIND, NOW_MS) == pytest.approx(0.3, abs=0.01)


def test_a_pack_counts_once_whatever_its_size() -> None:
    book = ReturnBook()
    book.note(KIND, 50, 50, NOW_MS)
    assert book.share(KIND, NOW_MS) == after(10).share(KIND, NOW_MS)


def test_the_newer_packs_count_most() -> None:
    share = after(*[0] * 100, *[10] * 25).share(KIND, NOW_MS)
    assert share > 0.9
    assert after(*[10] * 100, *[0] * 25).share(KIND, NOW_MS) < 0.1


def test_what_was_seen_fades_so_that_no_kind_is_given_up_for_good() -> None:
    book = after(*[10] * 1_000)
    shares = [book.share(KIND, NOW_MS + hours * HOUR_MS) for hours in (0, 1, 3, 24)]
    assert shares == sorted(shares, reverse=True)
    assert shares[1] == pytest.approx(2.718 ** (-3_600 / MEMORY_S), abs=0.01)
    assert shares[3] == pytest.approx(PRIOR_SHARE, abs=0.001)


def test_after_a_day_a_pack_counts_as_much_as_the_first_ever_did() -> None:
    book = after(*[10] * 1_000)
    book.note(KIND, 10, 0, NOW_MS + 48 * HOUR_MS)
    assert book.share(KIND, NOW_MS + 48 * HOUR_MS) == pytest.approx(after(0).share(KIND, NOW_MS), abs=1e-6)


def test_a_clock_that_is_set_back_changes_nothing() -> None:
    book = after(10)
    assert book.share(KIND, NOW_MS - 24 * HOUR_MS) == book.share(KIND, NOW_MS)
    book.note(KIND, 10, 10, NOW_MS - 24 * HOUR_MS)
    assert book.share(KIND, NOW_MS) == after(10, 10).share(KIND, NOW_MS)


def test_kinds_are_told_apart() -> None:
    book = after(*[10] * 10)
    for other in (("triage@v2", *KIND[1:]), (KIND[0], "opus", KIND[2]), (*KIND[:2], "sales")):
        assert book.share(other, NOW_MS) == PRIOR_SHARE


def test_what_was_seen_outlives_a_restart() -> None:
    before, later = after(10, 10, 0), ReturnBook()
    later.recall(json.loads(json.dumps(before.memory())))
    assert later.memory() == before.memory()
    assert later.share(KIND, NOW_MS) == before.share(KIND, NOW_MS)


def test_the_kind_not_heard_of_for_longest_is_forgotten() -> None:
    book = ReturnBook()
    for name in [*map(str, range(MOST_KINDS)), "0", "new"]:
        book.note(("p@v", "m", name), 2, 2, NOW_MS)
    names = [row[0][2] for row in book.memory()]
    assert len(names) == MOST_KINDS
    assert names[-2:] == ["0", "new"]
    assert "1" not in names
