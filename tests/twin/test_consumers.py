"""Other users of the same organisation."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.twin.bucket import Bucket, Rivals
from claudeflow.twin.consumers import Consumer, parse_consumers
from claudeflow.twin.engine import Twin
from claudeflow.twin.meters import PoolMeters
from claudeflow.twin.settings import TwinSettings, settings_from_json, settings_to_json
from tests.twin.builders import WoundClock, a_call, a_twin, headers_of

POOL = "opus-5"


def a_shared_twin(clock: WoundClock, *consumers: Consumer, seed: int = 0) -> Twin:
    twin = a_twin(clock, rpm=60, itpm=60_000, otpm=6_000, consumers=consumers, seed=seed)
    twin.start()
    return twin


def meters_after(clock: WoundClock, twin: Twin, seconds: float, pool: str = POOL) -> PoolMeters:
    clock.advance(seconds)
    return twin.meters().pools[pool]


def test_a_steady_consumer_draws_its_share_of_every_limit() -> None:
    clock = WoundClock()
    twin = a_shared_twin(clock, Consumer(pool=POOL, share=0.5))

    meters = meters_after(clock, twin, 600)

    for meter in meters.axes.values():
        assert meter.granted == pytest.approx(meter.limit * 10)
        assert meter.others == pytest.approx(meter.limit * 5)
        assert meter.used == 0
        assert meter.level == meter.limit


def test_absolute_numbers_and_shares_of_single_axes_can_be_given() -> None:
    clock = WoundClock()
    twin = a_shared_twin(clock, Consumer(pool=POOL, rpm=6, share=0.5, rpm_share=0.1, otpm_share=0.0))

    meters = meters_after(clock, twin, 60)

    drawn = [meters.requests.others, meters.input_tokens.others, meters.output_tokens.others]
    assert drawn == pytest.approx([6 + 6, 30_000, 0])


def test_a_consumer_comes_and_goes() -> None:
    clock = WoundClock()
    twin = a_shared_twin(clock, Consumer(model="claude-opus-5", itpm=6_000, from_s=60, until_s=90))
    drawn = [meters_after(clock, twin, 30).input_tokens.others for _ in range(5)]
    assert drawn == pytest.approx([0, 0, 3_000, 3_000, 3_000])


def test_a_consumer_without_a_pool_draws_on_each_of_them_but_not_on_fast_mode() -> None:
    clock = WoundClock()
    twin = a_shared_twin(clock, Consumer(rpm=30))
    clock.advance(60)
    drawn = {name: pool.requests.others for name, pool in twin.meters().pools.items()}
    assert {drawn[name] for name in drawn if "/fast" not in name} == {30.0}
    assert {drawn[name] for name in drawn if "/fast" in name} == {0.0}


def test_one_that_wants_more_than_there_is_never_pushes_a_bucket_below_zero() -> None:
    clock = WoundClock()
    twin = a_shared_twin(clock, Consumer(pool=POOL, share=1.0, itpm=60_000))
    levels = [meters_after(clock, twin, 0.37).input_tokens.level for _ in range(1_000)]
    meter = twin.meters().pools[POOL].input_tokens

    assert min(levels) >= 0
    assert max(levels[500:]) <= 1_000  # a second's refill, for which it stays away
    assert meter.others == pytest.approx(meter.granted + meter.limit - meter.level)


async def test_a_greedy_consumer_leaves_room_for_some_of_our_calls_and_the_headers_show_it() -> None:
    clock = WoundClock()
    twin = a_shared_twin(clock, Consumer(pool=POOL, itpm=120_000, rpm=30))
    clock.advance(600)
    answers = []
    for _ in range(200):
        clock.advance(0.77)
        answers.append(await twin.handle(a_call(max_tokens=1)))
    passed = [answer for answer in answers if answer.status == 200]

    assert 50 < len(passed) < 200
    assert int(headers_of(passed[-1])["anthropic-ratelimit-input-tokens-remaining"]) <= 1_000


async def test_while_we_leave_a_bucket_in_debt_the_others_are_refused_as_well() -> None:
    clock = WoundClock()
    twin = a_shared_twin(clock, Consumer(pool=POOL, itpm=30_000))
    long = [{"role": "user", "content": "word " * 70_000}]
    await twin.handle(a_call(messages=long, max_tokens=1))
    debt = twin.meters().pools[POOL].input_tokens

    later = meters_after(clock, twin, 60).input_tokens

    assert debt.level < -60_000
    assert later.others == debt.others
    assert later.level == pytest.approx(debt.level + 60_000)


def test_bursts_come_to_the_same_average_at_moments_that_follow_from_the_seed() -> None:
    def drawn(seed: int) -> list[float]:
        clock = WoundClock()
        twin = a_shared_twin(clock, Consumer(pool=POOL, itpm=30_000, period_s=20, duty=0.25), seed=seed)
        return [meters_after(clock, twin, 1).input_tokens.others for _ in range(200)]

    one, same, other = drawn(1), drawn(1), drawn(2)
    steps = {round(later - earlier) for earlier, later in pairwise(one)}

    assert one == same != other
    assert one[19::20] == pytest.approx([10_000 * number for number in range(1, 11)])
    assert max(steps) == 2_000
    assert 0 in steps


@given(st.lists(st.floats(0.01, 40), min_size=1, max_size=20), st.integers(0, 3))
def test_how_often_somebody_looks_does_not_change_what_is_drawn(pauses: list[float], seed: int) -> None:
    consumers = (
        Consumer(pool=POOL, itpm=90_000, period_s=7, duty=0.5),
        Consumer(pool=POOL, share=0.3, from_s=5),
    )
    often, once = WoundClock(), WoundClock()
    watched = a_shared_twin(often, *consumers, seed=seed)
    for pause in pauses:
        meters = meters_after(often, watched, pause)
    once.now = often.now - sum(pauses)
    unwatched = a_shared_twin(once, *consumers, seed=seed)
    once.now = often.now

    for one, other in zip(meters.axes.values(), unwatched.meters().pools[POOL].axes.values(), strict=True):
        assert one.others == pytest.approx(other.others, abs=1e-2)
        assert one.level == pytest.approx(other.level, abs=1e-2)


@given(st.floats(0, 400), st.lists(st.tuples(st.floats(0, 20), st.integers(0, 3_000)), max_size=20))
def test_what_goes_in_comes_out_or_is_in_the_bucket(
    wanted_per_s: float, steps: list[tuple[float, int]]
) -> None:
    bucket = Bucket(100.0, 6_000, 0.0)
    rivals, now = Rivals((bucket,), 0.0), 0.0
    bucket.take(6_000, 0.0)
    rivals.want(wanted_per_s, 0.0)
    for pause, amount in steps:
        now += pause
        rivals.catch_up(now)
        bucket.take(amount, now)

    spilt = 6_000 + bucket.granted - bucket.used - bucket.others - bucket.level(now)
    assert spilt >= -1e-6
    assert bucket.others <= wanted_per_s * now + 1e-6


def test_a_short_window_binds_the_others_too() -> None:
    clock = WoundClock()
    consumer = Consumer(pool=POOL, itpm=600_000, period_s=60, duty=0.1)
    twin = a_twin(clock, itpm=600_000, burst_s=1, consumers=(consumer,))
    twin.start()
    meter = meters_after(clock, twin, 600).input_tokens
    assert meter.others < 0.2 * meter.granted


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"pool": "gpt"}, "consumer 1: pool = 'gpt' is not allowed; give one of fable-5"),
        ({"model": "claude-2", "rpm": 1}, "give the id of a model that the twin serves"),
        ({"pool": POOL}, "draws nothing; give at least one of rpm, itpm"),
        ({"share": 2}, "share = 2 is not allowed; give a number from 0 to 1"),
        ({"share": 0.5, "duty": 0.5}, "duty needs period_s"),
        ({"share": 0.5, "duty": 0, "period_s": 5}, "duty = 0 is not allowed; give a number above 0"),
        ({"share": 0.5, "period_s": 0}, "period_s = 0 is not allowed; give seconds above 0"),
        ({"share": 0.5, "from_s": 9, "until_s": 9}, "until_s must be later than from_s (9)"),
        ({"share": 0.5, "pool": POOL, "model": "claude-opus-5"}, "give model or pool, not both"),
        ({"tpm": 5}, "unknown key 'tpm'; allowed: duty, from_s"),
    ],
)
def test_a_wrong_entry_is_refused_with_what_is_allowed(entry: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match="consumer 1: ") as caught:
        parse_consumers([entry])
    assert complaint in str(caught.value)


def test_settings_with_consumers_survive_the_way_through_json() -> None:
    consumers = parse_consumers([{"share": 0.5, "from_s": 9, "period_s": 4, "duty": 0.1}, {"rpm": 2}])
    settings = TwinSettings(consumers=consumers)
    assert settings_from_json(settings_to_json(settings)) == settings
