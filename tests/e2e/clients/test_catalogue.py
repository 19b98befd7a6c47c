"""What is said about clients is complete: the script installs them, the documentation has them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.e2e.clients.catalogue import CLIENTS

ROOT = Path(__file__).parents[3]
HERE_ALREADY = {"python-sdk"}
FOR_BENCHMARKS = {"litellm-proxy"}


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The script that installs clients; none of these calls gets as far as installing."""
    command = [str(ROOT / "scripts" / "install-clients"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_script_installs_every_client_that_is_tried() -> None:
    told = script()
    assert told.returncode == 2
    offered = told.stderr.strip().partition("clients: ")[2].split()
    assert set(offered) == (set(CLIENTS) - HERE_ALREADY) | FOR_BENCHMARKS


def test_the_script_refuses_a_client_that_it_does_not_know_before_it_installs_any(tmp_path: Path) -> None:
    told = script(str(tmp_path / "place"), "llm", "lmm")
    assert (told.returncode, (tmp_path / "place").exists()) == (2, False)
    assert "no client lmm; there are: " in told.stderr


def test_every_client_is_documented() -> None:
    page = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    names = ["Python SDK", "TypeScript SDK", "`claude`", "pydantic-ai", "`llm`", "LiteLLM"]
    assert len(names) == len(CLIENTS) - len({"python-sdk-0"})
    assert [name for name in names if name not in page.split("\n## ", 1)[0]] == []
