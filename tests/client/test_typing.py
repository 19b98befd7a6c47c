"""The public types are of use: what mypy, strict, says of a program that uses the client."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = Path(__file__).with_name("usage_sample.py.txt")


@pytest.mark.timeout(300)  # mypy reads the whole SDK
def test_a_program_sees_precise_types_and_its_mistakes(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(SAMPLE.read_text())
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(tmp_path)]
    done = subprocess.run(
        [*command, "--follow-imports", "silent", str(program)],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    revealed = re.findall(r'note: Revealed type is "(.*)"', done.stdout)
    revealed = [re.sub(r"TypedDict\(([\w.]+), .*", r"\1", text) for text in revealed]
    state = "Literal['queued'] | Literal['running'] | Literal['succeeded'] | Literal['failed'] | "
    assert [text.replace("builtins.", "") for text in revealed] == [
        "claudeflow.client.blocking.Claudeflow",
        state + "Literal['cancelled'] | Literal['expired'] | Literal['held']",
        "claudeflow.client.values.JobError | None",
        "str",
        "claudeflow.client.values.Message | None",
        "claudeflow.client.values.JobFields",
        "typing.Mapping[str, Any]",
        "list[int]",
        "anthropic._client.Anthropic",
        "claudeflow.client.values.Message",
        "str",
    ], done.stdout + done.stderr
    errors = re.findall(r"error: .*\[([a-z-]+)\]", done.stdout)
    assert errors == ["arg-type", "arg-type", "typeddict-unknown-key"], done.stdout


@pytest.mark.parametrize(
    "program", ["import claudeflow", "from claudeflow import Claudeflow, AsyncClaudeflow"]
)
def test_importing_it_imports_nothing_heavy(program: str) -> None:
    heavy = ("anthropic", "anyio", "asyncio", "httpx2", "orjson", "pydantic", "ssl", "starlette", "click")
    check = f"{program}; import sys; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_is_not_there_is_said() -> None:
    import claudeflow

    with pytest.raises(AttributeError, match="'Claudflow'"):
        claudeflow.Claudflow  # type: ignore[attr-defined]  # noqa: B018
    assert {"Claudeflow", "AsyncClaudeflow", "anthropic_client", "__version__"} <= set(dir(claudeflow))
