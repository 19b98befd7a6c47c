"""The shape of the code: who may import whom, how long things may be, what a quick command may load."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "claudeflow"
LONGEST_FUNCTION = 50
LONGEST_MODULE = 300

LAYERS = "Imports go down only"
PURE = "Domain and policy know no I/O, clock, chance or log"
SDK = "Only claude, and what hands the SDK to producers, import it"
SQL = "Only store and mailboxes speak SQL"
TWIN_KNOWS = "The twin knows the domain at most"
TWIN_STARTS = "Only the command line and the simulation start the twin"

OFFENCES = [
    ("daemon", "import claudeflow.cli", {LAYERS}),
    ("simulation", "import claudeflow.cli", {LAYERS}),
    ("daemon", "import claudeflow.simulation", {LAYERS}),
    ("claude", "import claudeflow.daemon", {LAYERS}),
    ("store", "import claudeflow.observe", {LAYERS}),
    ("observe", "from claudeflow import config", {LAYERS}),
    ("policy", "import claudeflow.prompts", {LAYERS}),
    ("domain", "import claudeflow.policy", {LAYERS}),
    ("domain", "import logging", {PURE}),
    ("policy", "from time import monotonic", {PURE}),
    ("policy", "import asyncio", {PURE}),
    ("policy", "import random", {PURE}),
    ("daemon", "import anthropic", {SDK}),
    ("twin", "from anthropic.types import Message", {SDK}),
    ("domain", "import anthropic", {SDK, PURE}),
    ("client", "import anthropic", {SDK}),
    ("client", "import claudeflow.intake", {LAYERS}),
    ("daemon", "import sqlite3", {SQL}),
    ("cli", "import aiosqlite", {SQL}),
    ("intake", "import sqlite3", {SQL}),
    ("twin", "import claudeflow.policy", {TWIN_KNOWS}),
    ("twin", "from claudeflow.store import database", {TWIN_KNOWS}),
    ("twin", "import claudeflow.simulation", {TWIN_KNOWS}),
    ("daemon", "import claudeflow.twin", {TWIN_STARTS}),
]


def copy_of_the_package(folder: Path) -> Path:
    """The package and its contracts, to be spoilt."""
    shutil.copytree(PACKAGE, folder / "claudeflow", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder / "claudeflow"


def broken_contracts(folder: Path) -> set[str]:
    """The names of the contracts that the package in `folder` breaks, as import-linter reports them."""
    command = [sys.executable, "-c", "import importlinter.cli as c; c.lint_imports_command()"]
    environ = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(
        [*command, "--no-cache", "--no-logo"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Contracts" in done.stdout, done.stdout + done.stderr
    return {line.removesuffix(" BROKEN") for line in done.stdout.splitlines() if line.endswith(" BROKEN")}


def test_the_code_keeps_its_contracts(tmp_path: Path) -> None:
    copy_of_the_package(tmp_path)
    assert broken_contracts(tmp_path) == set()


@pytest.mark.parametrize(("package", "offence", "contracts"), OFFENCES)
def test_a_forbidden_import_breaks_its_contract(
    tmp_path: Path, package: str, offence: str, contracts: set[str]
) -> None:
    (copy_of_the_package(tmp_path) / package / "offence.py").write_text(offence + "\n")
    assert contracts <= broken_contracts(tmp_path)


def test_a_new_package_must_find_its_place_among_the_layers(tmp_path: Path) -> None:
    (copy_of_the_package(tmp_path) / "newcomer.py").write_text("")
    assert broken_contracts(tmp_path) == {LAYERS}


def test_every_contract_is_shown_to_break() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert {contract["name"] for contract in settings["contracts"]} == set().union(*(o[2] for o in OFFENCES))


def modules() -> Iterator[Path]:
    return PACKAGE.rglob("*.py")


def test_no_module_is_too_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules()}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a module as `path:line name`, with its length in lines."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            name = f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
            yield name, node.end_lineno - node.lineno + 1


def test_no_function_is_too_long() -> None:
    lengths = dict(found for path in modules() for found in functions(path))
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}


@pytest.mark.parametrize("heavy", ["anthropic", "pydantic", "aiohttp", "starlette"])
def test_the_command_line_starts_without(heavy: str) -> None:
    program = f"import sys, claudeflow.cli.main; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
