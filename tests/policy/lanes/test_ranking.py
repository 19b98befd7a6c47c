"""Keys by rank, whatever changes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from claudeflow.policy.lanes.ranking import STALE_KEPT, Ranking


def a_ranking(**ranks: float) -> Ranking[str, float]:
    ranking: Ranking[str, float] = Ranking()
    for key, rank in ranks.items():
        ranking.place(key, rank)
    return ranking


def test_an_empty_ranking_has_no_first() -> None:
    ranking = a_ranking()
    assert (ranking.first(), len(ranking), list(ranking.in_order())) == (None, 0, [])


def test_the_smallest_rank_is_first_and_equals_keep_their_order() -> None:
    ranking = a_ranking(b=2, a=1, c=1)
    assert list(ranking.in_order()) == ["a", "c", "b"]
    assert list(ranking) == ["b", "a", "c"]


def test_a_new_rank_replaces_the_old_one() -> None:
    ranking = a_ranking(a=1, b=2)
    ranking.place("a", 3)
    assert (ranking.first(), ranking.rank_of("a"), len(ranking)) == ("b", 3, 2)


def test_what_is_dropped_is_gone_and_may_come_back_at_its_old_rank() -> None:
    ranking = a_ranking(a=1, b=2)
    ranking.drop("a")
    ranking.drop("stranger")
    assert ("a" in ranking, ranking.rank_of("a"), ranking.first()) == (False, None, "b")
    ranking.place("a", 1)
    assert list(ranking.in_order()) == ["a", "b"]


def test_changes_during_a_walk_harm_nobody() -> None:
    ranking = a_ranking(**{f"k{n}": n for n in range(10)})
    walk = ranking.in_order()
    assert [next(walk), next(walk)] == ["k0", "k1"]
    ranking.drop("k1")
    for number in range(4 * STALE_KEPT):
        ranking.place("k9", -number)
    walk.close()
    assert list(ranking.in_order()) == ["k9", "k0", *(f"k{n}" for n in range(2, 9))]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.one_of(st.none(), st.integers(0, 9))), max_size=300))
def test_the_first_is_always_the_smallest(steps: list[tuple[int, int | None]]) -> None:
    ranking: Ranking[int, int] = Ranking()
    known: dict[int, int] = {}
    for key, rank in steps:
        if rank is None:
            ranking.drop(key)
            known.pop(key, None)
        else:
            ranking.place(key, rank)
            known[key] = rank
        first = ranking.first()
        assert (None if first is None else known[first]) == min(known.values(), default=None)
        assert sorted(ranking.in_order()) == sorted(known)
