"""Every benchmark runs. What it measures is not looked at: machines differ and are busy."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.processes import fake_api
from benchmarks.size import QUICK, TINY, Size, percentile, ratio, spread

DOCUMENT = (Path(__file__).parents[1] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
LONGEST_S = 240


LONG = {"peers"}
"""Waits for real seconds, so it runs with the long runs."""


@pytest.mark.timeout(LONGEST_S)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.chaos) if name in LONG else name for name in BENCHMARKS]
)
def test_a_benchmark_runs_and_prints_a_table(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--tiny"]) == 0
    assert "| --- |" in capsys.readouterr().out


def test_without_a_name_all_benchmarks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(BENCHMARKS)


def test_an_unknown_name_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speed"]) == 2
    assert "'speed'" in capsys.readouterr().err


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_says_what_it_asks_and_is_documented(name: str) -> None:
    assert importlib.import_module(f"benchmarks.{name}").__doc__
    assert f"`{name}`" in DOCUMENT


def test_the_fake_api_counts_and_stamps_calls() -> None:
    with fake_api() as api:
        assert (api.calls(), api.stamps()) == (0, [])


def test_sizes_choose_their_own_value() -> None:
    assert [size.of(tiny=1, quick=2, full=3) for size in (TINY, QUICK, Size())] == [1, 2, 3]


def test_figures_are_medians_with_their_extremes() -> None:
    assert spread([3.0, 1.0, 2.0]) == "2.00 [1.00 - 3.00]"
    assert spread([1234.5], 0) == "1,234"
    assert ratio([2.0, 3.0, 8.0], [1.0, 3.0, 2.0]) == "2.00"
    assert percentile([float(n) for n in range(100)], 0.99) == 99.0
