"""No wrong answer is delivered, and only the items that went wrong go out again."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.prompt import Verify
from claudeflow.policy.packing.check import Answered, Findings, Reason, Returned, Verdict, check
from claudeflow.policy.packing.frames import Seat, slot_ids

SLOTS = slot_ids("87b5e3795653aefd", 12)
A, B, C = (Seat(SLOTS[number], seal) for number, seal in enumerate(("7b2a91", "00ff31", "12e456")))
SEATS = (A, B, C)
UNUSED = SLOTS[-1]


def entry(seat: Seat, answer: Any = None, **changes: Any) -> dict[str, Any]:
    own = {"label": seat.slot} if answer is None else answer
    return {"id": seat.slot, "answer": own, "seal": seat.seal, **changes}


def without(key: str, found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != key}


def packed(*entries: Any) -> str:
    return json.dumps({"items": entries})


GOOD = packed(entry(A), entry(B), entry(C))


def labels_alone(answer: Any) -> str | None:
    return None if isinstance(answer, dict) and isinstance(answer.get("label"), str) else "no label"


def judged(text: str, verify: Verify = Verify.SEAL) -> Findings:
    return check(text, SEATS, verify, labels_alone)


def told(text: str, verify: Verify = Verify.SEAL) -> list[str | None]:
    """The reason for each item that was returned, None for one that has its own answer."""
    return [
        reason_of(verdict, seat) for verdict, seat in zip(judged(text, verify).verdicts, SEATS, strict=True)
    ]


def reason_of(verdict: Verdict, seat: Seat) -> str | None:
    if isinstance(verdict, Returned):
        return verdict.reason.value
    assert json.loads(verdict.answer)["label"] == seat.slot
    return None


def test_good_answers_are_delivered_in_the_order_of_the_seats() -> None:
    assert told(packed(entry(C), entry(A), entry(B))) == [None, None, None]


def test_an_answer_is_delivered_as_json_with_its_keys_in_their_order() -> None:
    answer = {"z": 1.50, "label": "é\n", "a": [None, True, 18446744073709551615, -9223372036854775808]}
    found = judged(packed(entry(A, answer))).verdicts[0]
    assert isinstance(found, Answered)
    written = '{"z":1.5,"label":"é\\n","a":[null,true,18446744073709551615,-9223372036854775808]}'
    assert found.answer == written.encode()


def test_sizes_are_what_the_model_wrote_for_each_item() -> None:
    raw = json.dumps(entry(B, {"label": "é"}), ensure_ascii=False)
    findings = judged('{"items":[' + raw + ", " + raw + "]}")
    assert [verdict.size_bytes for verdict in findings.verdicts] == [0, 2 * len(raw.encode()), 0]


def test_answered_items_are_counted() -> None:
    assert judged(GOOD).answered == 3
    assert judged(packed(entry(A))).answered == 1


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        pytest.param(packed(entry(A), entry(C)), [None, "missing", None], id="missing"),
        pytest.param(packed(), ["missing"] * 3, id="none at all"),
        pytest.param(
            packed(entry(A), entry(B), entry(A), entry(C)), ["repeated", None, None], id="the same twice"
        ),
        pytest.param(
            packed(entry(A), entry(A, {"label": "x"}), entry(B), entry(C)),
            ["repeated", None, None],
            id="two answers",
        ),
        pytest.param(
            packed(entry(A), entry(B, {"lable": "x"}), entry(C)), [None, "invalid", None], id="schema"
        ),
        pytest.param(
            packed(entry(A), entry(B, seal="ffffff"), entry(C)), [None, "wrong_seal", None], id="wrong seal"
        ),
        pytest.param(
            packed(entry(A), entry(B, seal=None), entry(C)), [None, "wrong_seal", None], id="null for a seal"
        ),
        pytest.param(
            packed(entry(A), without("seal", entry(B)), entry(C)), [None, "wrong_seal", None], id="no seal"
        ),
        pytest.param(
            packed(entry(A), without("answer", entry(B)), entry(C)), [None, "invalid", None], id="no answer"
        ),
        pytest.param(
            packed(entry(A), entry(B, note="x"), entry(C)), [None, "invalid", None], id="one field more"
        ),
        pytest.param(
            packed(entry(A, id=B.slot), entry(B, id=A.slot), entry(C)),
            ["mixed_up", "mixed_up", None],
            id="exchanged",
        ),
        pytest.param(
            packed(entry(A, seal=B.seal), entry(C)), ["mixed_up", "mixed_up", None], id="another's seal"
        ),
        pytest.param(
            packed(entry(A, seal=B.seal), entry(B), entry(C)),
            ["mixed_up", "mixed_up", None],
            id="another's seal and its own entry",
        ),
        pytest.param(
            packed(entry(A, id=UNUSED), entry(A), entry(B), entry(C)),
            ["mixed_up", None, None],
            id="a seal under an id that nobody has",
        ),
        pytest.param(
            packed(entry(A, id=5), entry(A), entry(B), entry(C)),
            ["mixed_up", None, None],
            id="a seal under no id",
        ),
        pytest.param(
            packed(entry(A), [entry(B)], "x", None, entry(C)), [None, "unreadable", None], id="an array"
        ),
    ],
)
def test_only_the_items_that_went_wrong_are_returned(text: str, reasons: list[str | None]) -> None:
    assert told(text) == reasons


def test_entries_under_ids_that_no_item_has_are_counted_and_not_delivered() -> None:
    stranger = {"id": UNUSED, "answer": {"label": "x"}, "seal": "999999"}
    findings = judged(packed(stranger, entry(A), {"id": [A.slot]}, {}, entry(B), entry(C)))
    assert findings.unknown == 3
    assert findings.answered == 3


def test_with_ids_alone_seals_are_neither_asked_for_nor_allowed() -> None:
    plain = [without("seal", entry(seat)) for seat in SEATS]
    assert told(packed(*plain), Verify.ID) == [None, None, None]
    assert told(GOOD, Verify.ID) == ["invalid"] * 3


def test_seats_without_seals_are_not_taken_for_mixed_up() -> None:
    seats = [Seat(seat.slot, "") for seat in SEATS]
    plain = [{"id": seat.slot, "answer": {"label": "x"}} for seat in SEATS]
    assert check(packed(*plain), seats, Verify.ID, labels_alone).answered == 3
    plain[0]["seal"] = ""
    assert check(packed(*plain), seats, Verify.ID, labels_alone).answered == 2
    assert check("none", seats, Verify.ID, labels_alone).verdicts == (Returned(Reason.UNREADABLE),) * 3


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"Here you are:\n```json\n{GOOD}\n```\nDone.", id="a fence"),
        pytest.param(GOOD.replace("[{", "[ \n{", 1).replace("}]", "} \t]", 1), id="blanks"),
        pytest.param(GOOD[:-2] + ",]}", id="a comma too many"),
        pytest.param(GOOD[:-1], id="the last bracket is missing"),
        pytest.param(GOOD[:-1] + ', "note": "done"}', id="a field after the list"),
    ],
)
def test_what_stands_around_the_list_does_no_harm(text: str) -> None:
    assert told(text) == [None, None, None]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(f" I take back {A.slot}.", id="prose with an id"),
        pytest.param(f" I take back {A.seal}.", id="prose with a seal"),
        pytest.param(packed(entry(A, {"label": "x"})), id="another list"),
    ],
)
def test_an_item_that_is_spoken_of_outside_its_entry_is_returned(more: str) -> None:
    assert told(GOOD + more) == ["unreadable", None, None]


def test_an_item_that_is_spoken_of_before_the_list_is_returned() -> None:
    assert told(f"I am not sure of {B.slot}. {GOOD}") == [None, "unreadable", None]


def test_a_second_list_in_the_same_object_is_not_trusted() -> None:
    text = GOOD[:-1] + ', "items": ' + json.dumps([entry(A)]) + "}"
    assert told(text) == ["unreadable", None, None]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(
            f'{{"id":"{A.slot}","id":"{B.slot}","answer":{{"label":"x"}},"seal":"{A.seal}"}}', id="id"
        ),
        pytest.param(
            f'{{"id":"{A.slot}","answer":{{"label":"x"}},"answer":{{"label":"{B.slot}"}},"seal":"{A.seal}"}}',
            id="answer",
        ),
        pytest.param(
            f'{{"id":"{A.slot}","answer":{{"label":"{B.slot}","label":"x"}},"seal":"{A.seal}"}}',
            id="within the answer",
        ),
    ],
)
def test_an_entry_with_a_key_twice_is_returned_with_all_that_it_names(raw: str) -> None:
    text = '{"items":[' + raw + "," + json.dumps(entry(B)) + "," + json.dumps(entry(C)) + "]}"
    assert told(text) == ["unreadable", "unreadable", None]


@pytest.mark.parametrize(
    "number", ["1e999", "NaN", "-Infinity", "9" * 30, "18446744073709551616", "9" * 5_000]
)
def test_a_number_that_cannot_be_delivered_as_it_is_returns_its_item_alone(number: str) -> None:
    text = packed(entry(A), entry(B, {"label": B.slot, "n": 4711}), entry(C)).replace("4711", number)
    assert told(text) == [None, "invalid", None]


def test_half_a_character_returns_its_item_alone() -> None:
    text = packed(entry(A), entry(B, {"label": "\ud800"}), entry(C))
    assert told(text) == [None, "invalid", None]
    assert told(text.replace("\\ud800", "\ud800")) == [None, "invalid", None]


def nested(depth: int) -> str:
    return '{"label":"x","deep":' + "[" * depth + "]" * depth + "}"


def test_an_answer_too_deep_to_be_written_is_returned_alone() -> None:
    text = packed(entry(A), entry(B, {"label": "@"}), entry(C)).replace('{"label": "@"}', nested(300))
    assert told(text) == [None, "invalid", None]


def test_an_answer_too_deep_to_be_read_ends_the_list() -> None:
    text = packed(entry(A), entry(B, {"label": "@"}), entry(C)).replace('{"label": "@"}', nested(100_000))
    assert told(text) == [None, "unreadable", "unreadable"]


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        pytest.param("", ["unreadable"] * 3, id="nothing"),
        pytest.param("I cannot do that.", ["unreadable"] * 3, id="no JSON"),
        pytest.param("null", ["unreadable"] * 3, id="null"),
        pytest.param("[]", ["unreadable"] * 3, id="an array"),
        pytest.param('{"items": {}}', ["unreadable"] * 3, id="no list"),
        pytest.param('{"answers": []}', ["unreadable"] * 3, id="another field"),
        pytest.param('{"items"', ["truncated"] * 3, id="cut before the list"),
        pytest.param('{"items": [', ["truncated"] * 3, id="cut at the list"),
        pytest.param('{"items": ["\\', ["truncated"] * 3, id="cut within an escape"),
        pytest.param(GOOD.replace(", {", " {", 1), [None, "unreadable", "unreadable"], id="no comma"),
        pytest.param(GOOD.replace(", {", ", oh {", 1), [None, "unreadable", "unreadable"], id="a word"),
        pytest.param(GOOD.replace(", {", ', {\n"', 1), [None, "truncated", "truncated"], id="a stray quote"),
    ],
)
def test_what_cannot_be_read_is_returned(text: str, reasons: list[str | None]) -> None:
    assert told(text) == reasons


def test_entries_behind_a_broken_one_are_not_looked_for() -> None:
    """The text of a broken answer could be made to look like an entry."""
    fake = json.dumps(entry(C))
    text = '{"items":[' + json.dumps(entry(A)) + ',{"id":oh,"answer":"' + fake + '"}]}'
    assert told(text) == [None, "unreadable", "unreadable"]


def test_an_answer_is_not_trusted_when_what_is_cut_off_has_its_id_too() -> None:
    text = packed(entry(A), entry(B), entry(A))
    assert told(text[:-30]) == ["truncated", None, "truncated"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{" * 300_000, id="brackets"),
        pytest.param('"' * 300_001, id="quotes"),
        pytest.param('{"items":[' + "[" * 300_000, id="arrays"),
        pytest.param('{"items":[{"id":"' + '\\"' * 300_000, id="escaped quotes"),
        pytest.param('{"items":[{"id":"' + "\\" * 300_001, id="backslashes"),
        pytest.param("{" + " " * 1_000_000, id="blanks"),
        pytest.param('{"items":[' + "{}," * 100_000, id="empty entries"),
        pytest.param('{"items":[' + "1" * 1_000_000, id="a long number"),
    ],
)
def test_a_huge_text_gets_its_verdicts_as_well(text: str) -> None:
    assert all(reason is not None for reason in told(text))


# What follows changes good answers at random and compares with what a slow and simple judge says.

OWNERS = tuple(f"item {number}" for number in range(8))
WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
ANSWERS = st.lists(st.builds(lambda text: {"text": text}, WORDS), min_size=2, max_size=8)


@dataclass(frozen=True)
class Pack:
    """Seats, and the right entry for each."""

    seats: tuple[Seat, ...]
    entries: list[dict[str, Any]] = field(default_factory=list)


def fits(answer: Any) -> str | None:
    return None if isinstance(answer, dict) and answer.get("owner") in OWNERS else "breaks the schema"


@st.composite
def packs(draw: st.DrawFn) -> Pack:
    answers = draw(ANSWERS)
    seals = draw(st.permutations([f"{number:x}{number:x}a0c{number:x}" for number in range(8)]))
    slots = draw(st.permutations(SLOTS[:8]))
    seats = tuple(Seat(slots[number], seals[number]) for number in range(len(answers)))
    entries = [
        {"id": seat.slot, "answer": {**answer, "owner": owner}, "seal": seat.seal}
        for seat, answer, owner in zip(seats, answers, OWNERS, strict=False)
    ]
    return Pack(seats, entries)


def mutate(draw: st.DrawFn, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One thing that a model may do wrong."""
    if not entries:
        return entries
    place = draw(st.integers(0, len(entries) - 1))
    other = draw(st.integers(0, len(entries) - 1))
    mine, theirs = entries[place], entries[other]
    changed = list(entries)
    match draw(
        st.sampled_from(["drop", "double", "cross", "order", "stranger", "seal", "no seal", "schema"])
    ):
        case "drop":
            del changed[place]
        case "double":
            changed.insert(other, dict(mine))
        case "cross":
            changed[place], changed[other] = {**mine, "id": theirs["id"]}, {**theirs, "id": mine["id"]}
        case "order":
            changed = list(draw(st.permutations(changed)))
        case "stranger":
            changed[place] = {**mine, "id": draw(st.sampled_from([UNUSED, "", None, 5]))}
        case "seal":
            changed[place] = {**mine, "seal": draw(st.sampled_from(["ffffff", theirs.get("seal"), None, []]))}
        case "no seal":
            changed[place] = without("seal", mine)
        case "schema":
            changed[place] = {**mine, "answer": draw(st.sampled_from([None, [], {"owner": 5}]))}
    return changed


def rightly_delivered(pack: Pack, entries: list[dict[str, Any]]) -> set[str]:
    """The ids whose answer may be delivered, by a count of ids and seals."""
    ids = Counter(json.dumps(one["id"]) for one in entries)
    seals = Counter(json.dumps(one.get("seal")) for one in entries)
    return {
        seat.slot
        for seat in pack.seats
        if ids[json.dumps(seat.slot)] == 1
        and seals[json.dumps(seat.seal)] == 1
        and any(
            one["id"] == seat.slot and one.get("seal") == seat.seal and fits(one["answer"]) is None
            for one in entries
        )
    }


def delivered(pack: Pack, text: str) -> set[str]:
    """The ids that were answered; each by its own answer, and every other one returned."""
    findings = check(text, pack.seats, Verify.SEAL, fits)
    assert len(findings.verdicts) == len(pack.seats)
    found = set()
    for seat, right, verdict in zip(pack.seats, pack.entries, findings.verdicts, strict=True):
        if isinstance(verdict, Answered):
            assert verdict.answer == orjson.dumps(right["answer"])
            found.add(seat.slot)
    return found


@given(st.data(), packs(), st.integers(0, 4), st.booleans())
def test_whatever_a_model_mixes_up_exactly_the_right_answers_are_delivered(
    data: st.DataObject, pack: Pack, mistakes: int, is_spaced: bool
) -> None:
    entries = pack.entries
    for _ in range(mistakes):
        entries = data.draw(st.composite(mutate)(entries))
    text = json.dumps({"items": entries}, indent=2 if is_spaced else None, ensure_ascii=is_spaced)
    assert delivered(pack, text) == rightly_delivered(pack, entries)


@given(st.data(), packs(), st.booleans())
def test_of_a_text_cut_at_any_byte_every_complete_entry_is_delivered(
    data: st.DataObject, pack: Pack, is_escaped: bool
) -> None:
    raw = [json.dumps(one, ensure_ascii=is_escaped) for one in pack.entries]
    ends, place = [], len(b'{"items": [')
    for one in raw:
        place += len(one.encode())
        ends.append(place)
        place += len(b", ")
    whole = ('{"items": [' + ", ".join(raw) + "]}").encode()
    cut = data.draw(st.integers(0, len(whole)) | st.sampled_from(ends))
    text = whole[:cut].decode(errors=data.draw(st.sampled_from(["ignore", "replace"])))
    complete = {seat.slot for seat, end in zip(pack.seats, ends, strict=True) if end <= cut}
    assert delivered(pack, text) == complete


@given(st.data(), packs())
def test_no_span_that_is_lost_or_doubled_brings_an_answer_to_another_item(
    data: st.DataObject, pack: Pack
) -> None:
    whole = json.dumps({"items": pack.entries})
    first, last = sorted((data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, len(whole)))))
    between = data.draw(st.sampled_from(["", whole[first:last] * 2, whole[first:last][::-1]]) | st.text())
    findings = check(whole[:first] + between + whole[last:], pack.seats, Verify.SEAL, fits)
    for owner, verdict in zip(OWNERS, findings.verdicts, strict=False):
        if isinstance(verdict, Answered):
            assert orjson.loads(verdict.answer)["owner"] == owner


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([*SLOTS[:3], A.seal, B.seal]),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["id", "answer", "seal", "items"]), inner)
    ),
    max_leaves=12,
)


@given(
    st.text() | JSON.map(json.dumps) | st.lists(JSON).map(lambda found: packed(*found)),
    st.sampled_from(Verify),
)
def test_garbage_is_never_an_exception_and_always_a_verdict_for_each(text: str, verify: Verify) -> None:
    assert len(check(text, SEATS, verify, fits).verdicts) == len(SEATS)
