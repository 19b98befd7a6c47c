"""The page of a run: complete, readable on its own, and the numbers are those of the result."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest

from claudeflow.domain.quota import Axis
from claudeflow.simulation.drawing.clock import LocalClock
from claudeflow.simulation.drawing.scales import round_ticks, span_ticks
from claudeflow.simulation.report import curves
from claudeflow.simulation.report.compare import compare
from claudeflow.simulation.report.page import render_page
from claudeflow.simulation.result import Result
from tests.simulation.runs import POOL, START_MS, a_result

VOID = {"meta", "br", "link", "img", "hr", "input"}
HOUR_S = 3_600.0


class Page(HTMLParser):
    """What a page consists of; fails where elements do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(*results: Result) -> Page:
    return Page(render_page(results or (a_result(),)))


def test_a_page_needs_nothing_but_itself() -> None:
    html = render_page([a_result()])
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert not any({"src", "href"} & attributes.keys() for _, attributes in page.elements)
    assert "url(" not in html
    assert "@import" not in html
    assert "http://" not in html
    assert "https://" not in html


def test_a_page_says_what_was_simulated_and_when_in_local_time() -> None:
    text = page_of().text
    assert "A small storm." in text
    assert "Tuesday 17 November 2026, 10:17 to 10:19 (Europe/Berlin)" in text
    assert "configuration: own" in text
    assert "seed 7" in text


def test_the_figures_of_the_result_are_on_the_page() -> None:
    text = page_of().text
    assert "of 6 jobs answered" in text
    assert "2 failed, 2 unfinished at the end" in text
    assert "0 calls before retry-after" in text
    for name in ("interactive", "bulk", "bulk-work", "haiku-5.5 output tokens"):
        assert name in text


def test_every_plot_tells_in_words_what_it_shows() -> None:
    plots = [svg for svg in page_of().all("svg") if svg.get("class") == "plot"]
    assert len(plots) >= 8
    for plot in plots:
        assert plot["role"] == "img"
        assert len(plot["aria-label"] or "") > 20
    assert any("at most 40 at 10:18" in (plot["aria-label"] or "") for plot in plots)


def test_faults_and_closed_gates_are_shaded_and_listed() -> None:
    page = page_of()
    kinds = [(rect.get("class") or "") for rect in page.all("rect")]
    assert "band fault" in kinds
    assert "band gate" in kinds
    assert "rate_429" in page.text
    assert "haiku-5.5: 429, retry-after 38 s" in page.text


def test_429s_are_marked_above_the_calls() -> None:
    marks = [path for path in page_of().all("path") if "throttled" in (path.get("class") or "")]
    assert len(marks) == 1


def test_names_from_outside_are_only_text() -> None:
    hostile = "<script>alert('x')</script>\"&"
    page = page_of(a_result({hostile: 3}, title=hostile, config=hostile))
    assert page.all("script") == []
    assert hostile in page.text


def test_a_run_that_was_stopped_says_so() -> None:
    assert "interrupted after 2m of 1h" in page_of(a_result(duration_s=HOUR_S)).text


def test_an_empty_run_has_a_page() -> None:
    assert "No job" not in page_of(a_result({})).text


def test_a_comparison_has_a_column_and_a_line_for_each_run() -> None:
    page = page_of(a_result(config="today"), a_result({"interactive": 1, "bulk": 10}, config="night"))
    assert "2 runs side by side" in page.text
    queues = [svg["aria-label"] or "" for svg in page.all("svg") if "Queued" in (svg.get("aria-label") or "")]
    assert any("today: at most 40" in label and "night: at most 10" in label for label in queues)
    lines = [path.get("class") or "" for path in page.all("path")]
    assert {"line c0 d0", "line c1 d1"} <= set(lines)


def test_a_comparison_of_runs_of_different_length_keeps_each_in_its_time() -> None:
    short = replace(a_result(config="short"), at_s=(0.0, 60.0), simulated_s=60.0, series=())
    assert "short" in page_of(a_result(), short).text


def rows(first: Result, second: Result) -> dict[str, tuple[str, str, bool | None]]:
    """Name of a figure of all jobs → the second run's value, its change, and whether that is better."""
    section = compare([first, second])[0]
    return {
        row.name: (str(row.cells[1]), row.cells[1].change_text, row.cells[1].is_better)
        for row in section.rows
    }


def with_totals(**changes: float) -> Result:
    result = a_result()
    return replace(result, totals=replace(result.totals, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "name", "told"),
    [
        ({"succeeded": 4}, "answered", ("4", "+100%", True)),
        ({"failed": 3}, "failed", ("3", "+50%", False)),
        ({"failed": 2}, "failed", ("2", "", None)),
        ({"submitted": 9}, "submitted", ("9", "+50%", None)),
        ({"jobs_per_min": 35.0}, "answered a minute", ("35.0", "35x", True)),
        ({"expired": 5}, "expired", ("5", "", False)),
        ({"last_end_s": 40.1}, "last one ended after", ("40s", "±0%", None)),
        ({"last_end_s": None}, "last one ended after", ("-", "", None)),
    ],
)
def test_a_difference_says_how_much_and_whether_it_is_better(
    changes: dict[str, float], name: str, told: tuple[str, str, bool | None]
) -> None:
    assert rows(a_result(), with_totals(**changes))[name] == told


def test_what_only_one_run_has_is_empty_for_the_others() -> None:
    sections = compare([a_result({"bulk": 1}), a_result({"night": 1})])
    night = next(section for section in sections if section.name == "lane night")
    assert str(night.rows[0].cells[0]) == "-"
    assert str(night.rows[0].cells[1]) == "3"


def test_rates_are_over_the_minute_before() -> None:
    result = a_result()
    assert curves.per_minute(curves.summed("calls"))(result) == [None, 6.0, 0.0]
    assert curves.so_far(curves.summed("calls"))(result) == [0.0, 6.0, 6.0]


def test_what_was_drawn_is_a_share_of_what_was_granted() -> None:
    ours = curves.drawn(POOL, Axis.REQUESTS, by_all=False)(a_result())
    together = curves.drawn(POOL, Axis.REQUESTS, by_all=True)(a_result())
    assert ours == [None, 0.5, 0.5]
    assert together[1] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (0, [0, 1]),
        (1, [0, 0.25, 0.5, 0.75, 1.0]),
        (7, [0, 2, 4, 6, 8]),
        (1_742, [0, 500, 1_000, 1_500, 2_000]),
    ],
)
def test_axes_have_round_numbers(highest: float, ticks: list[float]) -> None:
    assert round_ticks(highest) == ticks


def test_lengths_of_time_have_the_marks_that_people_think_in() -> None:
    assert [label for _, label in span_ticks(0.5, 700)] == ["0.1 s", "1 s", "10 s", "1 min", "10 min", "1 h"]
    assert [label for _, label in span_ticks(0.0, 0.0)] == ["10 ms", "0.1 s"]


@pytest.mark.parametrize(
    ("start_ms", "until_s", "labels"),
    [
        (START_MS, 120.0, ["10:17:00", "10:17:30", "10:18:00"]),
        (START_MS, 4 * HOUR_S, ["10:30", "11:00", "11:30"]),
        (START_MS, 7 * 24 * HOUR_S, ["Wed 18", "Thu 19", "Fri 20"]),
    ],
)
def test_times_on_an_axis_are_round_local_times(start_ms: int, until_s: float, labels: list[str]) -> None:
    ticks = LocalClock(start_ms, ZoneInfo("Europe/Berlin")).ticks(until_s)
    assert [label for _, label in ticks][:3] == labels
    assert len(ticks) <= 11
    assert all(0 <= at_s <= until_s for at_s, _ in ticks)


def test_local_times_follow_the_clock_when_it_changes() -> None:
    """On 25 October 2026 at 3:00 the clocks of Berlin go back an hour."""
    clock = LocalClock(1_792_879_200_000, ZoneInfo("Europe/Berlin"))
    assert clock.moment(0, day=True) == "Sun 25 Oct 00:00"
    assert clock.moment(5 * HOUR_S) == "04:00"
    assert [label for _, label in clock.ticks(8 * HOUR_S)] == [f"{hour:02}:00" for hour in range(8)]


def test_a_page_is_the_same_every_time() -> None:
    assert render_page([a_result()]) == render_page([a_result()])
    assert not re.search(r"0x[0-9a-f]{6,}", render_page([a_result()]))
