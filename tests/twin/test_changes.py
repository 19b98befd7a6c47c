"""Limits that change while the twin runs, and the meters that see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from claudeflow.twin.changes import Change, parse_changes
from claudeflow.twin.consumers import Consumer
from claudeflow.twin.engine import Twin
from claudeflow.twin.faults import Fault
from claudeflow.twin.script import load_script, read_script
from claudeflow.twin.settings import TwinSettings, settings_from_json, settings_to_json
from tests.twin.builders import JumpingLoop, WoundClock, a_call, a_twin, headers_of, in_virtual_time, json_of

POOL = "opus-5"
SCRIPT = """
[[fault]]
kind = "overloaded_529"
share = 0.25

[[consumer]]
pool = "opus-5"
share = 0.5
from_s = 600
until_s = 1200

[[change]]
at_s = 1800
factor = 0.5

[[change]]
at_s = 3600
tier = "build"
model = "claude-opus-5"
"""


def limits_at(moments: list[float], *changes: Change, pool: str = POOL) -> list[tuple[int, int, int]]:
    """Requests, input and output a minute of a twin in the tier start."""
    clock = WoundClock()
    twin = a_twin(clock, changes=changes)
    twin.start()
    began, seen = clock.now, []
    for moment in moments:
        clock.now = began + moment
        meters = twin.meters().pools[pool]
        seen.append((meters.requests.limit, meters.input_tokens.limit, meters.output_tokens.limit))
    return seen


START = (1_000, 2_000_000, 400_000)
BUILD = (5_000, 5_000_000, 1_000_000)


def test_a_script_has_faults_consumers_and_changes(tmp_path: Path) -> None:
    path = tmp_path / "script.toml"
    path.write_text(SCRIPT)
    script = load_script(path)

    assert script.faults == (Fault("overloaded_529", share=0.25),)
    assert script.consumers == (Consumer(pool=POOL, share=0.5, from_s=600, until_s=1200),)
    assert script.changes == (
        Change(at_s=1800, factor=0.5),
        Change(at_s=3600, tier="build", model="claude-opus-5"),
    )
    settings = TwinSettings(changes=script.changes, consumers=script.consumers)
    assert settings_from_json(settings_to_json(settings)) == settings


def test_a_tier_holds_from_its_moment_on() -> None:
    assert limits_at([0, 59, 60, 600], Change(60, tier="build")) == [START, START, BUILD, BUILD]


def test_factors_multiply_what_is_in_force() -> None:
    changes = Change(60, factor=0.5), Change(120, factor=2.0), Change(180, factor=0.1)
    assert [row[0] for row in limits_at([60, 120, 180], *changes)] == [500, 1_000, 100]


def test_numbers_change_the_axes_that_they_name() -> None:
    assert limits_at([60], Change(60, itpm=70, otpm=7)) == [(1_000, 70, 7)]


def test_a_change_can_be_of_one_pool_which_takes_its_fast_mode_along() -> None:
    change = Change(60, model="claude-opus-5", rpm=7)
    assert limits_at([60], change)[0][0] == 7
    assert limits_at([60], change, pool="opus-5/fast")[0][0] == 7
    assert limits_at([60], change, pool="sonnet-5") == [START]


async def test_the_headers_follow_and_the_filled_share_stays() -> None:
    clock = WoundClock()
    twin = a_twin(clock, rpm=100, changes=(Change(60, factor=2.0),))
    twin.consume("claude-opus-5", requests=50)
    clock.advance(15)
    before = headers_of(await twin.handle(a_call(max_tokens=1)))
    clock.advance(45)
    after = headers_of(await twin.handle(a_call(max_tokens=1)))

    names = ("anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining")
    assert [before[name] for name in names] == ["100", "74"]
    assert [after[name] for name in names] == ["200", "199"]


async def test_a_tier_for_all_changes_the_limit_on_token_counts() -> None:
    clock = WoundClock()
    twin = a_twin(clock, tier="evaluation", changes=(Change(60, tier="start"),))
    twin.start()
    clock.advance(60)
    answers = [await twin.handle(a_call("/v1/messages/count_tokens")) for _ in range(150)]
    assert {answer.status for answer in answers} == {200}


def test_what_was_granted_is_the_integral_of_the_limits_in_force_also_while_full() -> None:
    clock = WoundClock()
    twin = a_twin(clock, rpm=60, changes=(Change(60, factor=0.5), Change(180, factor=4.0)))
    twin.start()
    for _ in range(24):
        clock.advance(10)
        meters = twin.meters()
    assert meters.at_s == 240
    assert meters.pools[POOL].requests.granted == pytest.approx(60 + 2 * 30 + 120)


def test_a_consumer_with_a_share_follows_the_limit() -> None:
    clock = WoundClock()
    twin = a_twin(
        clock, rpm=60, consumers=(Consumer(pool=POOL, share=0.5),), changes=(Change(60, factor=0.5),)
    )
    twin.start()
    clock.advance(120)
    assert twin.meters().pools[POOL].requests.others == pytest.approx(30 + 15)


def test_limits_can_be_changed_by_hand() -> None:
    twin = a_twin()
    twin.change_limits(Change(pool=POOL, tier="scale"))
    pools = twin.meters().pools
    assert (pools[POOL].requests.limit, pools["sonnet-5"].requests.limit) == (10_000, 1_000)


def test_a_change_amid_an_answer_loses_none_of_its_tokens() -> None:
    async def work(loop: JumpingLoop) -> tuple[int, float]:
        settings = TwinSettings(tokens_per_s=10.0, changes=(Change(3, otpm=12_000),))
        twin = Twin(settings)
        answer = json_of(await twin.handle(a_call()))
        return answer["usage"]["output_tokens"], twin.meters().pools[POOL].output_tokens.used

    told, used = in_virtual_time(work)
    assert told > 30
    assert used == pytest.approx(told)


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({}, "give one of tier, factor, or numbers (rpm, itpm, otpm, tpm)"),
        ({"tier": "build", "rpm": 5}, "give one of tier, factor, or numbers"),
        ({"tier": "gold"}, "tier = 'gold' is not allowed; give evaluation, start, build, scale"),
        ({"rpm": 0}, "rpm = 0 is not allowed; give a whole number above 0"),
        ({"factor": 0}, "factor = 0 is not allowed; give a number above 0"),
        ({"at_s": -1, "rpm": 5}, "at_s = -1 is not allowed; give seconds from 0 up"),
        ({"tpm": 5}, 'give scope = "workspace"'),
        ({"scope": "workspace", "tier": "build"}, "a workspace has no tier"),
        ({"scope": "team", "rpm": 5}, "give organization or workspace"),
        ({"pool": POOL, "model": "claude-opus-5", "rpm": 5}, "give model or pool, not both"),
        ({"limit": 5}, "unknown key 'limit'; allowed: at_s, factor"),
    ],
)
def test_a_wrong_entry_is_refused_with_what_is_allowed(entry: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match="change 1: ") as caught:
        parse_changes([entry])
    assert complaint in str(caught.value)


def test_an_unknown_section_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"allowed: \[\[change\]\], \[\[consumer\]\], \[\[fault\]\]"):
        read_script("[[rival]]")
