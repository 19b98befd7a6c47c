"""Prompt folders that change while the daemon works."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from claudeflow.config import PromptSettings
from claudeflow.daemon.catalog import read_prompts
from claudeflow.daemon.prompt_keeper import PromptKeeper, fingerprint
from claudeflow.domain.errors import ConfigError
from claudeflow.domain.events import PromptLeaks, PromptsRefused, PromptsReloaded
from claudeflow.twin.transport import TwinTransport
from tests.daemon.test_prompts import Tap, a_ticket, write_prompt
from tests.support.daemons import Bench, a_config, opened


def keeper_of(bench: Bench) -> PromptKeeper:
    return PromptKeeper(bench.parts.shared, bench.parts.shelf)


def prompts_in(folder: Path, *, strict: bool = False) -> PromptSettings:
    return PromptSettings(str(folder / "prompts"), strict)


async def look_twice(keeper: PromptKeeper) -> None:
    await keeper.look()
    await keeper.look()


def system_in_force(bench: Bench) -> str:
    return bench.parts.shelf.catalog.prompts["triage"].system


async def test_a_changed_prompt_is_taken_up_and_told_with_both_versions(tmp_path: Path) -> None:
    write_prompt(tmp_path, "The old text.")
    async with opened(tmp_path, config=a_config(tmp_path, prompts=prompts_in(tmp_path))) as bench:
        keeper = keeper_of(bench)
        await look_twice(keeper)
        assert bench.recorder.of(PromptsReloaded) == []
        old = bench.parts.shelf.catalog.prompts["triage"].version
        write_prompt(tmp_path, "The new text.")
        await look_twice(keeper)
        [reloaded] = bench.recorder.of(PromptsReloaded)
        new = bench.parts.shelf.catalog.prompts["triage"].version
        assert reloaded.changes == (f"triage {old} -> {new}",)
        assert system_in_force(bench) == "The new text."


async def test_a_change_is_taken_up_only_when_the_writing_is_over(tmp_path: Path) -> None:
    write_prompt(tmp_path, "The old text.")
    async with opened(tmp_path, config=a_config(tmp_path, prompts=prompts_in(tmp_path))) as bench:
        keeper = keeper_of(bench)
        await look_twice(keeper)
        for half in ("The", "The new", "The new text."):
            write_prompt(tmp_path, half)
            await keeper.look()
            assert system_in_force(bench) == "The old text."
        await keeper.look()
        assert system_in_force(bench) == "The new text."
        assert len(bench.recorder.of(PromptsReloaded)) == 1


async def test_a_broken_edit_keeps_the_old_prompts_and_is_told_once(tmp_path: Path) -> None:
    write_prompt(tmp_path, "The old text.")
    async with opened(tmp_path, config=a_config(tmp_path, prompts=prompts_in(tmp_path))) as bench:
        keeper = keeper_of(bench)
        await look_twice(keeper)
        write_prompt(tmp_path, "The new text.", user="{{ ticket")
        for _ in range(5):
            await keeper.look()
        [refused] = bench.recorder.of(PromptsRefused)
        assert "triage/user.md: line 1" in refused.problem
        assert system_in_force(bench) == "The old text."
        write_prompt(tmp_path, "The new text.")
        await look_twice(keeper)
        assert system_in_force(bench) == "The new text."


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("prompt.toml", "a = " + "[" * 100_000),
        ("user.md", "{{ " + "(" * 50_000 + "text" + ")" * 50_000 + " }}"),
        ("user.md", "{% if text %}" * 3_000 + "{% endif %}" * 3_000),
        ("tools.json", '[{"name": "a", "b": ' + "[" * 400 + "]" * 400 + "}]"),
    ],
)
async def test_an_edit_nested_too_deeply_is_refused_at_run_time_and_at_start(
    tmp_path: Path, file: str, text: str
) -> None:
    write_prompt(tmp_path, "The old text.")
    config = a_config(tmp_path, prompts=prompts_in(tmp_path))
    async with opened(tmp_path, config=config) as bench:
        keeper = keeper_of(bench)
        await look_twice(keeper)
        (tmp_path / "prompts" / "triage" / file).write_text(text)
        await look_twice(keeper)
        await keeper.tell_leaks(["triage"])
        [refused] = bench.recorder.of(PromptsRefused)
        assert f"triage/{file}: " in refused.problem
        assert system_in_force(bench) == "The old text."
    with pytest.raises(ConfigError, match=f"triage/{file}"):
        read_prompts(config)


async def test_an_error_nobody_foresaw_is_told_by_its_kind_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError("a secret")

    write_prompt(tmp_path, "The old text.")
    async with opened(tmp_path, config=a_config(tmp_path, prompts=prompts_in(tmp_path))) as bench:
        keeper = keeper_of(bench)
        await look_twice(keeper)
        monkeypatch.setattr("claudeflow.daemon.prompt_keeper.read_prompts", fail)
        monkeypatch.setattr("claudeflow.daemon.prompt_keeper.lint_prompts", fail)
        write_prompt(tmp_path, "The new text.")
        await look_twice(keeper)
        await keeper.tell_leaks(["triage"])
        told = [refused.problem for refused in bench.recorder.of(PromptsRefused)]
        assert told == ["ZeroDivisionError while reading; run `claudeflow prompts check`"] * 2


async def test_a_pipe_in_place_of_a_prompt_stops_nothing(tmp_path: Path) -> None:
    write_prompt(tmp_path, "The old text.")
    async with opened(tmp_path, config=a_config(tmp_path, prompts=prompts_in(tmp_path))) as bench:
        keeper = keeper_of(bench)
        await look_twice(keeper)
        system = tmp_path / "prompts" / "triage" / "system.md"
        system.unlink()
        os.mkfifo(system)
        async with asyncio.timeout(5.0):
            await look_twice(keeper)
            await keeper.tell_leaks(["triage"])
        [refused] = bench.recorder.of(PromptsRefused)
        assert "system.md: is no regular file" in refused.problem
        system.unlink()
        write_prompt(tmp_path, "The new text.")
        await look_twice(keeper)
        assert system_in_force(bench) == "The new text."


@pytest.mark.parametrize("name", [".cur", "cur~", "../loose", "../dangling/prompt.toml"])
async def test_a_link_to_nothing_hides_no_change(tmp_path: Path, name: str) -> None:
    write_prompt(tmp_path, "The old text.")
    config = a_config(tmp_path, prompts=prompts_in(tmp_path))
    async with opened(tmp_path, config=config) as bench:
        keeper = keeper_of(bench)
        await look_twice(keeper)
        link = tmp_path / "prompts" / "triage" / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to("/nonexistent")
        write_prompt(tmp_path, "The new text.")
        await look_twice(keeper)
        told = bench.recorder.of(PromptsRefused)
        assert [event.problem.count("is a link to nothing") for event in told] == [1] * len(told)
        assert bool(told) is ("dangling" in name)
        assert told or system_in_force(bench) == "The new text."


def test_only_what_loading_looks_at_is_watched(tmp_path: Path) -> None:
    write_prompt(tmp_path, "The text.")
    prompts = tmp_path / "prompts"
    (prompts / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    before = fingerprint(prompts)
    (prompts / "README.md").write_text("Our prompts.")
    (prompts / ".git").mkdir()
    (prompts / "triage" / ".swp").symlink_to("/nonexistent")
    (tmp_path / "elsewhere" / "deep" / "file").write_text("deeper than prompts are")
    (tmp_path / "elsewhere" / "deep" / "loop").symlink_to("..")
    assert {name for name, *_ in fingerprint(prompts)} == {name for name, *_ in before}
    (prompts / "lint.toml").write_text("ignore = []")
    assert fingerprint(prompts) != before


async def test_a_folder_that_vanishes_keeps_the_old_prompts(tmp_path: Path) -> None:
    write_prompt(tmp_path, "The old text.")
    async with opened(tmp_path, config=a_config(tmp_path, prompts=prompts_in(tmp_path))) as bench:
        keeper = keeper_of(bench)
        await look_twice(keeper)
        shutil.rmtree(tmp_path / "prompts")
        await look_twice(keeper)
        [refused] = bench.recorder.of(PromptsRefused)
        assert "cannot be read" in refused.problem
        assert system_in_force(bench) == "The old text."


async def test_new_and_deleted_prompts_are_told(tmp_path: Path) -> None:
    write_prompt(tmp_path, "A text.")
    async with opened(tmp_path, config=a_config(tmp_path, prompts=prompts_in(tmp_path))) as bench:
        keeper = keeper_of(bench)
        await look_twice(keeper)
        (tmp_path / "prompts" / "triage").rename(tmp_path / "prompts" / "sorting")
        await look_twice(keeper)
        [reloaded] = bench.recorder.of(PromptsReloaded)
        version = bench.parts.shelf.catalog.prompts["sorting"].version
        assert reloaded.changes == (f"sorting (none) -> {version}", f"triage {version} -> (gone)")


async def test_jobs_in_the_queue_keep_the_version_that_they_were_submitted_with(tmp_path: Path) -> None:
    write_prompt(tmp_path, "The old text.")
    async with opened(tmp_path, config=a_config(tmp_path, prompts=prompts_in(tmp_path))) as bench:
        keeper = keeper_of(bench)
        await look_twice(keeper)
        old = await bench.submit(a_ticket("one"))
        write_prompt(tmp_path, "The new text.", "New: {{ ticket }}")
        await look_twice(keeper)
        new = await bench.submit(a_ticket("two"))
        tap = Tap(TwinTransport(bench.twin))
        bench.start(tap)
        await bench.finished([*old, *new])
        sent = {json.dumps(body["system"])[:60]: json.dumps(body["messages"]) for body in tap.bodies}
        assert {("The old text." in system, "Ticket: one" in user) for system, user in sent.items()} == {
            (True, True),
            (False, False),
        }


async def test_leaks_are_told_by_prompt_and_rule_and_never_quoted(tmp_path: Path) -> None:
    write_prompt(tmp_path, "INC0012345 and INC0012346\nfrom 10.20.30.40")
    async with opened(tmp_path, config=a_config(tmp_path, prompts=prompts_in(tmp_path))) as bench:
        await keeper_of(bench).tell_leaks(["triage"])
        assert bench.recorder.of(PromptLeaks) == [
            PromptLeaks("triage", "ticket", 2, "system.md:1:1"),
            PromptLeaks("triage", "ip", 1, "system.md:2:6"),
        ]


async def test_leaks_of_a_changed_prompt_are_told(tmp_path: Path) -> None:
    write_prompt(tmp_path, "The old text.")
    async with opened(tmp_path, config=a_config(tmp_path, prompts=prompts_in(tmp_path))) as bench:
        keeper = keeper_of(bench)
        await look_twice(keeper)
        write_prompt(tmp_path, "Today is Tuesday.")
        await look_twice(keeper)
        assert [leak.rule for leak in bench.recorder.of(PromptLeaks)] == ["now"]


async def test_a_strict_daemon_keeps_the_old_prompt_when_the_new_one_leaks(tmp_path: Path) -> None:
    write_prompt(tmp_path, "The old text.")
    config = a_config(tmp_path, prompts=prompts_in(tmp_path, strict=True))
    async with opened(tmp_path, config=config) as bench:
        keeper = keeper_of(bench)
        await look_twice(keeper)
        write_prompt(tmp_path, "Today is Tuesday.")
        await look_twice(keeper)
        [refused] = bench.recorder.of(PromptsRefused)
        assert "system.md:1:1: now: a statement about now" in refused.problem
        assert "Tuesday" not in refused.problem
        assert system_in_force(bench) == "The old text."


def test_without_strict_a_leak_is_no_mistake_and_a_wrong_lint_file_is(tmp_path: Path) -> None:
    write_prompt(tmp_path, "Today is Tuesday.")
    assert "triage" in read_prompts(a_config(tmp_path, prompts=prompts_in(tmp_path)))
    (tmp_path / "prompts" / "lint.toml").write_text('ignore = ["dates"]')
    with pytest.raises(ConfigError, match="did you mean date"):
        read_prompts(a_config(tmp_path, prompts=prompts_in(tmp_path)))
