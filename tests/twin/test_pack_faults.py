"""Faults do to packed requests what they say, and nothing to others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.twin.fault_script import parse_faults
from claudeflow.twin.faults import PACKS, Fault, mishap
from claudeflow.twin.tokens import text_tokens
from tests.twin.builders import a_call, a_model, a_twin, json_of, read_all
from tests.twin.packed import (
    BANKING,
    PACK_SIZE,
    banking_labels,
    banking_texts,
    befallen,
    entries_of,
    pack_schema,
    packed,
    packs_of,
    reply_to,
    single,
    text_of,
    the_ids,
)

OF_ENTRIES = sorted(PACKS - {"pack_prose", "pack_truncate"})
ITEM_SHARE = 0.05
Said = list[dict[str, Any]]


def differing(good: Said, bad: Said) -> set[str]:
    """The ids whose entries are not what they were."""
    told = {entry["id"]: entry for entry in bad}
    return {entry["id"] for entry in good if told.get(entry["id"]) != entry}


def check_drop(good: Said, bad: Said) -> set[str]:
    assert all(entry in good for entry in bad)
    assert len(bad) == len(good) - len(differing(good, bad))
    return differing(good, bad)


def check_duplicate(good: Said, bad: Said) -> set[str]:
    counted = Counter(entry["id"] for entry in bad)
    assert set(counted.values()) <= {1, 2}
    assert set(counted) == {entry["id"] for entry in good}
    assert all(entry in bad for entry in good)
    for entry in bad:
        jsonschema_rs.validate(BANKING, entry["answer"])
    return {one for one, times in counted.items() if times == 2}


def check_crosslabel(good: Said, bad: Said) -> set[str]:
    assert sorted(entry["id"] for entry in bad) == sorted(entry["id"] for entry in good)
    pairs = [sorted((entry["seal"], orjson.dumps(entry["answer"])) for entry in said) for said in (good, bad)]
    assert pairs[0] == pairs[1]
    return differing(good, bad)


def check_unknown(good: Said, bad: Said) -> set[str]:
    used = {entry["id"] for entry in good}
    changed = set()
    for before, after in zip(good, bad, strict=True):
        assert {**before, "id": ""} == {**after, "id": ""}
        if after["id"] != before["id"]:
            assert after["id"] not in used
            changed.add(before["id"])
    return changed


def check_invalid(good: Said, bad: Said) -> set[str]:
    for entry in bad:
        is_valid = jsonschema_rs.is_valid(BANKING, entry["answer"])
        assert is_valid is (entry in good)
    return differing(good, bad)


def check_seal(good: Said, bad: Said) -> set[str]:
    assert [{**entry, "seal": ""} for entry in good] == [{**entry, "seal": ""} for entry in bad]
    assert all(len(entry["seal"]) == 6 and int(entry["seal"], 16) >= 0 for entry in bad)
    return differing(good, bad)


def check_reorder(good: Said, bad: Said) -> set[str]:
    assert sorted(bad, key=lambda entry: str(entry["id"])) == good
    return {before["id"] for before, after in zip(good, bad, strict=True) if before != after}


def check_wrong(good: Said, bad: Said) -> set[str]:
    for before, after in zip(good, bad, strict=True):
        assert {**before, "answer": 0} == {**after, "answer": 0}
        jsonschema_rs.validate(BANKING, after["answer"])
        if before != after:
            assert before["answer"]["label"] != after["answer"]["label"]
            assert before["answer"]["sure"] is not after["answer"]["sure"]
    return differing(good, bad)


CHECKS: dict[str, Callable[[Said, Said], set[str]]] = {
    "pack_drop": check_drop,
    "pack_duplicate": check_duplicate,
    "pack_crosslabel": check_crosslabel,
    "pack_unknown": check_unknown,
    "pack_invalid": check_invalid,
    "pack_seal": check_seal,
    "pack_reorder": check_reorder,
    "wrong_answer": check_wrong,
}
# One item alone cannot change places: it takes another one along.
IN_PAIRS = ("pack_crosslabel", "pack_reorder")


@pytest.mark.parametrize("kind", OF_ENTRIES)
@pytest.mark.parametrize("item_share", [ITEM_SHARE, 1.0])
def test_a_fault_of_entries_does_what_it_says_to_its_share_of_the_items(kind: str, item_share: float) -> None:
    hit = 0
    for call, texts in enumerate(packs_of(banking_texts()), start=1):
        (fault,) = befallen({"kind": kind, "item_share": item_share}, call=call)
        good, bad = (entries_of(reply_to(packed(texts), packs=packs)) for packs in ((), (fault,)))
        wanted = {one for one in the_ids(len(texts)) if fault.hits(one)}
        changed = CHECKS[kind](good, bad)
        if kind in IN_PAIRS and len(wanted) == 1:
            assert len(changed) == 2
            assert wanted < changed
        else:
            assert changed == wanted
        hit += len(wanted)
    if item_share == 1.0:
        assert hit == len(banking_texts())
    else:
        assert 20 <= hit <= 60


def all_befallen(kind: str, packs: int = 20, **keys: Any) -> Iterator[tuple[Said, Said]]:
    """Good and bad answers to packs of real texts in which every item is hit."""
    for call, texts in enumerate(packs_of(banking_texts()[: packs * PACK_SIZE]), start=1):
        faults = befallen({"kind": kind, **keys}, call=call)
        yield entries_of(reply_to(packed(texts))), entries_of(reply_to(packed(texts), packs=faults))


def test_half_of_the_duplicates_have_another_answer() -> None:
    told_apart = 0
    for good, bad in all_befallen("pack_duplicate"):
        told_apart += sum(entry not in good for entry in bad)
    assert 160 <= told_apart <= 240


def test_an_unknown_id_is_a_spare_one_of_the_schema_or_none_of_it() -> None:
    spare = set(the_ids(PACK_SIZE + 10)[PACK_SIZE:])
    ids = [entry["id"] for _, bad in all_befallen("pack_unknown") for entry in bad]
    of_the_schema = sum(one in spare for one in ids)
    assert 160 <= of_the_schema <= 240


def test_an_invalid_answer_is_broken_in_many_ways() -> None:
    answers = [entry["answer"] for _, bad in all_befallen("pack_invalid") for entry in bad]
    objects = [one for one in answers if isinstance(one, dict)]

    assert any(set(one) < set(BANKING["properties"]) for one in objects)
    assert any(set(one) > set(BANKING["properties"]) for one in objects)
    assert any(isinstance(one.get("label"), str) and one["label"] not in banking_labels() for one in objects)
    assert any("sure" in one and not isinstance(one["sure"], bool) for one in objects)
    assert len(objects) < len(answers)


LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": ["string", "null"]},
        {"type": "integer", "minimum": 1, "maximum": 5},
        {"type": "number"},
        {"type": "boolean"},
        {"enum": ["a", "none_of_these", 3]},
        {"const": "none_of_these"},
        {"$ref": "#/$defs/tag"},
        {"allOf": [{"type": "string"}, {"$ref": "#/$defs/tag"}]},
        {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
        {},
    ]
)


def an_object(fields: dict[str, Any]) -> dict[str, Any]:
    required = sorted(fields)
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda one: {"type": "array", "items": one}),
        st.dictionaries(st.sampled_from(["a", "b", "none_of_these"]), inner, max_size=3).map(an_object),
    ),
    max_leaves=6,
)
TAGS = {"tag": {"type": "string", "enum": ["network", "identity"]}}


@given(SCHEMAS, st.integers(1, 50))
def test_whatever_the_schema_an_invalid_answer_breaks_it_and_a_wrong_one_does_not(
    schema: dict[str, Any], call: int
) -> None:
    body = packed(["one", "two words"], {**schema, "$defs": TAGS})
    broken, wrong = (
        entries_of(reply_to(body, packs=befallen({"kind": kind}, call=call)))
        for kind in ("pack_invalid", "wrong_answer")
    )
    entry = pack_schema({**schema, "$defs": TAGS}, the_ids(2))
    entry = {**entry["properties"]["items"]["items"], "$defs": TAGS}
    assert not any(jsonschema_rs.is_valid(entry, one) for one in broken)
    assert all(jsonschema_rs.is_valid(entry, one) for one in wrong)


@pytest.mark.parametrize(
    "schema", [{"type": "boolean"}, {"enum": ["yes", "no"]}, an_object({"sure": {"enum": [1, 2]}})]
)
def test_a_wrong_answer_differs_even_where_there_is_but_one_other(schema: dict[str, Any]) -> None:
    body = packed(banking_texts()[:PACK_SIZE], schema)
    good = entries_of(reply_to(body))
    wrong = entries_of(reply_to(body, packs=befallen({"kind": "wrong_answer"})))
    assert differing(good, wrong) == set(the_ids(PACK_SIZE))


def test_where_a_schema_leaves_no_choice_there_is_no_wrong_answer() -> None:
    body = packed(["one"], {"const": 5})
    assert reply_to(body, packs=befallen({"kind": "wrong_answer"})) == reply_to(body)


@pytest.mark.parametrize("after_share", [0.0, 0.3, 1.0])
def test_a_truncated_pack_ends_at_its_share_and_says_so(after_share: float) -> None:
    body = packed(banking_texts()[:20])
    whole = text_of(reply_to(body))
    reply = reply_to(body, packs=befallen({"kind": "pack_truncate", "after_share": after_share}))
    text = text_of(reply) if reply.blocks else ""

    assert reply.stop_reason == "max_tokens"
    assert text == whole[: int(after_share * len(whole))]
    assert reply.tokens == text_tokens(len(text), a_model())


def test_prose_is_around_the_document_or_instead_of_it() -> None:
    body = packed(banking_texts()[:3])
    whole = text_of(reply_to(body))
    replies = [reply_to(body, packs=befallen({"kind": "pack_prose"}, call=call)) for call in range(1, 101)]

    around = sum(whole in text_of(reply) for reply in replies)
    instead = sum("{" not in text_of(reply) for reply in replies)
    assert around + instead == 100
    assert 30 < around < 70
    assert all(not text_of(reply).startswith("{") and reply.stop_reason == "end_turn" for reply in replies)


def test_several_faults_befall_one_call() -> None:
    texts = banking_texts()[:PACK_SIZE]
    shares = {"pack_drop": 0.2, "pack_seal": 0.2, "pack_invalid": 0.2, "pack_reorder": 1.0}
    faults = befallen(*({"kind": kind, "item_share": share} for kind, share in shares.items()))
    drop, seal, invalid, _ = faults
    good, bad = entries_of(reply_to(packed(texts))), entries_of(reply_to(packed(texts), packs=faults))
    left = {entry["id"]: entry for entry in bad}
    hit = [{one for one in the_ids(PACK_SIZE) if fault.hits(one)} for fault in (drop, seal, invalid)]

    assert len({frozenset(ids) for ids in hit}) == 3
    assert hit[0] == set(the_ids(PACK_SIZE)) - set(left)
    for before in good:
        after = left.get(before["id"])
        if after is not None:
            assert (after["seal"] != before["seal"]) is (before["id"] in hit[1])
            assert (after["answer"] != before["answer"]) is (before["id"] in hit[2])
    assert list(left) != sorted(left)
    cut = reply_to(
        packed(texts), packs=(*faults, *befallen({"kind": "pack_prose"}, {"kind": "pack_truncate"}))
    )
    assert cut.stop_reason == "max_tokens"
    assert not text_of(cut).startswith("{")


def test_without_seals_a_wrong_seal_is_no_fault_and_ids_are_exchanged_all_the_same() -> None:
    body = packed(banking_texts()[:4], sealed=False)
    good = entries_of(reply_to(body))

    assert entries_of(reply_to(body, packs=befallen({"kind": "pack_seal"}))) == good
    crossed = entries_of(reply_to(body, packs=befallen({"kind": "pack_crosslabel"})))
    assert differing(good, crossed) == set(the_ids(4))


@pytest.mark.parametrize("kind", IN_PAIRS)
def test_one_item_has_nothing_to_change_places_with(kind: str) -> None:
    body = packed(["alone"])
    assert reply_to(body, packs=befallen({"kind": kind})) == reply_to(body)


@pytest.mark.parametrize("kind", sorted(PACKS))
def test_the_same_seed_and_call_have_the_same_fault_and_others_another(kind: str) -> None:
    body = packed(banking_texts()[:PACK_SIZE])
    entry = {"kind": kind, "item_share": 0.3} if kind in OF_ENTRIES else {"kind": kind}

    def said(call: int, seed: int) -> str:
        return text_of(reply_to(body, packs=befallen(entry, call=call, seed=seed)))

    assert said(1, 0) == said(1, 0)
    if kind != "pack_truncate":
        assert len({said(call, 0) for call in range(1, 9)}) > 1
        assert len({said(1, seed) for seed in range(8)}) > 1


@pytest.mark.parametrize("kind", sorted(PACKS))
def test_no_fault_of_packs_touches_a_single_request(kind: str) -> None:
    faults = befallen({"kind": kind})
    for body in ({}, single("Where is my card?"), {"thinking": {"type": "adaptive"}}):
        assert reply_to(body, packs=faults) == reply_to(body)


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"kind": "pack_drop", "item_share": 1.5}, "item_share = 1.5 is not allowed; give a number from 0"),
        ({"kind": "pack_truncate", "item_share": 0.5}, "unknown key 'item_share'; allowed: after_share"),
        ({"kind": "pack_prose", "item_share": 0.5}, "unknown key 'item_share'; allowed: calls"),
        ({"kind": "truncate", "item_share": 0.5}, "unknown key 'item_share'; allowed: after_share"),
        ({"kind": "pack_seal", "after_share": 0.5}, "unknown key 'after_share'; allowed: calls"),
    ],
)
def test_only_faults_of_entries_have_a_share_of_the_items(fault: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match="fault 1 ") as caught:
        parse_faults([fault])
    assert complaint in str(caught.value)


def test_the_common_bounds_pick_the_packs() -> None:
    faults = (
        Fault("pack_drop", from_s=10, calls=(2, 3), model="claude-opus-5"),
        Fault("pack_seal", share=0.5),
    )

    def kinds(call: int, elapsed_s: float = 10.0, model: str = "claude-opus-5") -> list[str]:
        return [fault.fault.kind for fault in mishap(faults, 0, call, elapsed_s, [model]).packs]

    assert [call for call in range(1, 6) if "pack_drop" in kinds(call)] == [2, 3]
    assert "pack_drop" not in kinds(2, elapsed_s=9.0)
    assert "pack_drop" not in kinds(2, model="claude-sonnet-5")
    assert 400 < sum("pack_seal" in kinds(call) for call in range(1_000)) < 600


def streamed_text(data: bytes) -> tuple[str, str]:
    """The text of a stream and its stop reason."""
    events = [orjson.loads(line[6:]) for line in data.splitlines() if line.startswith(b"data: ")]
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    (reason,) = (event["delta"]["stop_reason"] for event in events if event["type"] == "message_delta")
    return "".join(delta["text"] for delta in deltas), reason


@pytest.mark.parametrize("kind", [None, *sorted(PACKS)])
async def test_the_twin_answers_packs_well_or_badly_streamed_or_not(kind: str | None) -> None:
    entries = [{"kind": kind}] if kind is not None else []
    body = packed(banking_texts()[:PACK_SIZE])
    expected = reply_to(body, seed=3, packs=befallen(*entries, seed=3))

    for stream in (False, True):
        twin = a_twin(seed=3, faults=parse_faults(entries))
        response = await twin.handle(a_call(**body, stream=stream))
        if stream:
            told = streamed_text(await read_all(response))
        else:
            message = json_of(response)
            told = (message["content"][0]["text"], message["stop_reason"])
        assert told == (text_of(expected), expected.stop_reason)
        (line,) = twin.invoice().lines
        assert line.tokens.output == expected.tokens


async def test_the_calls_of_a_twin_are_befallen_one_by_one() -> None:
    twin = a_twin(faults=parse_faults([{"kind": "pack_drop", "item_share": 0.3}]))
    body = packed(banking_texts()[:PACK_SIZE])
    told = [json_of(await twin.handle(a_call(**body)))["content"][0]["text"] for _ in range(4)]

    assert told == [
        text_of(reply_to(body, packs=befallen({"kind": "pack_drop", "item_share": 0.3}, call=call)))
        for call in range(1, 5)
    ]
    assert all(one != other for one, other in pairwise(told))
