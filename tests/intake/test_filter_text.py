"""The text of a filter: what it means, and what is said of one that is wrong."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.job_filter import Comparison, Field, Number, Term, Terms, Words
from claudeflow.intake.filter_text import LONGEST_FILTER, InvalidFilter, read_filter

HOUR_MS = 3_600_000


def words(field: Field, *exact: str, patterns: tuple[str, ...] = (), **more: object) -> Term:
    return Term(field, Words(exact, patterns), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", ()),
        ("   ", ()),
        ("state:failed", (words(Field.STATE, "failed"),)),
        ("state=failed,held", (words(Field.STATE, "failed", "held"),)),
        ("workflow:ticket-*", (words(Field.WORKFLOW, patterns=("ticket-*",)),)),
        ("lane:bulk,in*", (words(Field.LANE, "bulk", patterns=("in*",)),)),
        ('dedupe:"a b,c*"', (words(Field.DEDUPE, "a b,c*"),)),
        (r'dedupe:"say \"hi\" \\"', (words(Field.DEDUPE, 'say "hi" \\'),)),
        ("metadata.team:ops", (words(Field.METADATA, "ops", key="team"),)),
        ("metadata.a.b:ops", (words(Field.METADATA, "ops", key="a.b"),)),
        ("-model:claude-opus-5-5", (words(Field.MODEL, "claude-opus-5-5", is_not=True),)),
        ("not:error:rate_limit*", (words(Field.ERROR, patterns=("rate_limit*",), is_not=True),)),
        ("batch:true", (Term(Field.BATCH, wanted=True),)),
        ("-batch:no", (Term(Field.BATCH, wanted=False, is_not=True),)),
        ("age>2h", (Term(Field.AGE, Number(Comparison.MORE, 2 * HOUR_MS)),)),
        ("age<=7d", (Term(Field.AGE, Number(Comparison.AT_MOST, 7 * 24 * HOUR_MS)),)),
        ("attempts>=3", (Term(Field.ATTEMPTS, Number(Comparison.AT_LEAST, 3)),)),
        ("cost>0.05", (Term(Field.COST, Number(Comparison.MORE, 50_000_000)),)),
        ("priority:-5", (Term(Field.PRIORITY, Number(Comparison.EQUAL, -5)),)),
        (
            " state:failed   lane:bulk ",
            (words(Field.STATE, "failed"), words(Field.LANE, "bulk")),
        ),
    ],
)
def test_what_a_filter_means(text: str, terms: tuple[Term, ...]) -> None:
    assert read_filter(text) == Terms(terms)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("failed", 'at 1: "failed" is no term; write field:value'),
        ("state:faild", 'at 7: "faild" is no state; states are queued, running,'),
        ("state:faild", 'Did you mean "failed"?'),
        ("state:failed,failed", "named twice"),
        ("lane:bulk stat:failed", 'at 11: "stat" is no field'),
        ("lane:bulk stat:failed", 'Did you mean "state"?'),
        ("lane:", "at 6: a value is missing here"),
        ("lane:a,", "at 8: a value is missing here"),
        ('lane:"bulk', "at 6: the quotes are not closed"),
        ('lane:"a"b', 'at 9: "b" does not belong here'),
        ("lane>bulk", "lane is not compared; write lane:value"),
        ("lane.x:bulk", "lane has no keys; write lane:value"),
        ("metadata:ops", "metadata needs a key; write metadata.KEY:value"),
        ("age>2", "age is a time such as 90s, 30m, 2h, 7d or 4w"),
        ("age>1h,2h", "age takes one value"),
        ("cost>ten", "cost is US dollars such as 0.05"),
        ("cost>0.00000000001", "to the billionth"),
        ("attempts>1.5", "attempts is a whole number"),
        ("attempts>NaN", "attempts is a whole number"),
        ("attempts>9e99", "attempts is a whole number"),
        ("batch:maybe", "batch is true or false"),
        ("id:1 " * 21, "at most 20 terms"),
        ("lane:" + ",".join("x" * 51), "at most 50 values"),
        ("lane:" + "x" * LONGEST_FILTER, "at most 2,000 characters"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_the_way_out(text: str, told: str) -> None:
    with pytest.raises(InvalidFilter) as refused:
        read_filter(text)
    assert told in str(refused.value)


def test_every_wrong_term_is_told_at_once() -> None:
    with pytest.raises(InvalidFilter) as refused:
        read_filter("stat:failed lane:bulk age>x batch:7")
    assert [int(place) for place in re.findall(r"at (\d+): ", str(refused.value))] == [1, 27, 35]


@given(st.text(max_size=80))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidFilter):
        assert isinstance(read_filter(text), Terms)
