"""What teams use in their own tests: the assertions and the pytest plugin."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from claudeflow.domain.errors import PromptError
from claudeflow.prompts import load_prompts
from claudeflow.testing import assert_cacheable, assert_stable
from tests.prompts.folders import a_prompt

pytest_plugins = ["pytester"]

LONG = "Sort the letters by the town that they go to. " * 60


def a_body(system: str = LONG, **more: Any) -> dict[str, Any]:
    return {"model": "claude-haiku-5-5", "system": system, "messages": [], **more}


def a_asking(document: str, *, citations: bool = False, role: str = "user") -> dict[str, Any]:
    """A body with a marked document and a question that is another one each time."""
    cited: dict[str, Any] = {"citations": {"enabled": True}} if citations else {}
    content = [
        {"type": "text", "text": document, "cache_control": {"type": "ephemeral"}},
        {"type": "document", "source": {}, **cited},
        {"type": "text", "text": f"question {object()}"},
    ]
    return a_body(messages=[{"role": role, "content": content}])


def test_a_stable_part_that_is_large_enough_passes(tmp_path: Path) -> None:
    folder = a_prompt(tmp_path, {"system.md": LONG})
    for what in (a_body(), LONG, folder, load_prompts(tmp_path)["sorter"]):
        assert_cacheable(what)
    assert_cacheable(LONG, model="claude-haiku-5-5")


def test_a_leak_fails_with_place_reason_and_way_out() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_cacheable(a_body(LONG + "\nYou work on INC0012345."))
    told = str(caught.value)
    assert "body: system:2:13: ticket: a ticket id 'INC0012345'" in told
    assert "why: it differs from job to job" in told
    assert "fix: move it into the message" in told


def test_rules_and_texts_can_be_passed_over() -> None:
    leaky = a_body(LONG + "INC0012345")
    assert_cacheable(leaky, ignore=["ticket"])
    assert_cacheable(leaky, allow=["INC0012345"])
    with pytest.raises(ValueError, match="no rule is named tickets"):
        assert_cacheable(leaky, ignore=["tickets"])


def test_a_stable_part_that_is_too_small_fails_with_the_numbers() -> None:
    with pytest.raises(AssertionError, match="about 2 tokens, minimum 512: too little to be cached"):
        assert_cacheable(a_body("Sort!!"))
    with pytest.raises(AssertionError, match="minimum 4,096"):
        assert_cacheable(LONG, model="claude-haiku-4-5")
    with pytest.raises(AssertionError, match="minimum 9,000"):
        assert_cacheable(LONG, min_tokens=9_000)
    assert_cacheable(a_body("Sort!!"), min_tokens=False)


def test_a_model_that_nobody_knows_is_named() -> None:
    with pytest.raises(ValueError, match=r"claude-haiku-55 is not known; did you mean claude-haiku-5-5\?"):
        assert_cacheable(LONG, model="claude-haiku-55")


def test_decisions_beside_a_prompt_hold(tmp_path: Path) -> None:
    folder = a_prompt(tmp_path, {"system.md": LONG + "INC0012345"})
    with pytest.raises(AssertionError, match="INC0012345"):
        assert_cacheable(folder)
    (tmp_path / "lint.toml").write_text('allow = ["INC0012345"]')
    assert_cacheable(folder)


def test_a_broken_prompt_fails_itself_and_not_its_neighbour(tmp_path: Path) -> None:
    good = a_prompt(tmp_path, {"system.md": LONG}, "good")
    broken = a_prompt(tmp_path, {"prompt.toml": "model = 7\n"}, "broken")
    assert_cacheable(good)
    with pytest.raises(PromptError, match=r"broken/prompt\.toml: model: found 7"):
        assert_cacheable(broken)
    with pytest.raises(PromptError, match="no prompt is there"):
        assert_cacheable(tmp_path / "gone")


def test_a_part_that_differs_between_inputs_is_shown_where_it_begins_to_differ() -> None:
    assert_stable(lambda text: a_body(messages=[{"role": "user", "content": text}]), ["one", "two"])
    with pytest.raises(AssertionError) as caught:
        assert_stable(lambda user: a_body(f"Sort letters.\nYou help {user}."), ["Ann", "Bob"])
    assert "input 2 differs from that of input 1" in str(caught.value)
    assert "system, line 2, column 10" in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other", "where"),
    [
        (
            a_body(tools=[{"name": "a", "x": 1}]),
            a_body(tools=[{"x": 1, "name": "a"}]),
            "tools, line 1, column 4",
        ),
        (a_body(), a_body(tools=[{"name": "a"}]), "only one of them has tools"),
        (a_body(), a_body(speed="fast"), "speed, line 1"),
        (a_body(), a_body(output_config={"effort": "low"}), "only one of them has output_config"),
        (a_asking("a"), a_asking("a", citations=True), "citations, line 1"),
        (a_asking("a"), a_asking("b"), r"messages\[0\].content\[0\], line 1"),
        (a_asking("a"), a_asking("a", role="assistant"), r"the role of messages\[0\]"),
        (a_body(), {**a_body(), "model": "other"}, "model, line 1"),
        ({"system": [{"text": "a"}]}, {"system": [{"text": "a"}, {"text": "b"}]}, "system\\[1\\]"),
    ],
)
def test_every_kind_of_difference_is_named(one: dict[str, Any], other: dict[str, Any], where: str) -> None:
    with pytest.raises(AssertionError, match=where):
        assert_stable(lambda body: body, [one, other])


def test_what_comes_after_the_last_marker_may_differ() -> None:
    assert_stable(a_asking, ["the same", "the same"])


def test_of_a_conversation_that_grows_only_what_comes_before_its_first_answer_is_stable() -> None:
    def talk(text: str) -> dict[str, Any]:
        block = {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}
        answer = {"role": "assistant", "content": text}
        return a_body(
            messages=[{"role": "user", "content": text}, answer, {"role": "user", "content": [block]}]
        )

    assert_stable(talk, ["one", "two"])


def test_a_leak_in_a_marked_message_is_found() -> None:
    with pytest.raises(AssertionError, match=r"body: messages\[0\].content\[0\]:1:4: ticket"):
        assert_cacheable(a_asking("On INC0012345."), min_tokens=False)


def test_a_failure_is_shown_in_the_teams_own_line(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(
        """
        from claudeflow.testing import assert_cacheable, assert_stable

        def test_leak():
            assert_cacheable("Today is Tuesday.")

        def test_change():
            assert_stable(lambda system: {"system": system}, ["a", "b"])
        """
    )
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    done.assert_outcomes(failed=2)
    done.stdout.no_fnmatch_line("*claudeflow/testing.py*")
    done.stdout.fnmatch_lines(["*test_a_failure_is_shown_in_the_teams_own_line.py:*AssertionError*"])


def test_one_input_shows_nothing() -> None:
    with pytest.raises(ValueError, match="at least two"):
        assert_stable(lambda body: body, [a_body()])


def test_the_plugin_is_announced() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    module = import_module(project["entry-points"]["pytest11"]["claudeflow"])
    assert module.claudeflow_prompts


def test_the_fixture_fails_a_teams_test_when_a_prompt_leaks(pytester: pytest.Pytester) -> None:
    a_prompt(pytester.path / "texts", {"system.md": LONG}, "good")
    a_prompt(pytester.path / "texts", {"system.md": LONG + "Today is Tuesday."}, "leaky")
    pytester.makeini("[pytest]\nclaudeflow_prompts = texts\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(
        """
        def test_good(claudeflow_prompts):
            claudeflow_prompts.assert_cacheable("good")
            claudeflow_prompts.assert_stable("good", [{"letters": "a"}, {"letters": "b"}])
            assert claudeflow_prompts.render("good", letters="a")["messages"]

        def test_leaky(claudeflow_prompts):
            claudeflow_prompts.assert_cacheable("leaky")

        def test_all(claudeflow_prompts):
            claudeflow_prompts.assert_cacheable()

        def test_missing(claudeflow_prompts):
            claudeflow_prompts["god"]
        """
    )
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    done.assert_outcomes(passed=1, failed=3)
    done.stdout.fnmatch_lines(["*now: a statement about now 'Today is Tuesday'*", "*there are: good, leaky*"])


def test_the_plugin_costs_others_nothing() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import claudeflow.testing_plugin;"
        "print(*sorted({m.split('.')[0] for m in sys.modules.keys() - before}))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["claudeflow"]
