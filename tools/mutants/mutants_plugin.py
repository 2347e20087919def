"""The pytest plugin of the runs: names the test to coverage, picks the tests, notes outcomes.

Loaded by name from this folder, so that a tree with another `tools` can use it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

WANTED, LOG = os.environ.get("MUTANTS_TESTS"), os.environ.get("MUTANTS_LOG")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Only the tests that are wanted, in their order."""
    if WANTED:
        order = {test: n for n, test in enumerate(json.loads(Path(WANTED).read_text("utf-8")))}
        items[:] = sorted((i for i in items if i.nodeid in order), key=lambda i: order[i.nodeid])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if os.environ.get("MUTANTS_COVERAGE"):
        import coverage

        if (running := coverage.Coverage.current()) is not None:
            running.switch_context(item.nodeid)
    return (yield)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if LOG:
        with Path(LOG).open("a", encoding="utf-8") as file:
            outcome = [report.nodeid, report.outcome, round(report.duration, 3)]
            file.write(json.dumps(outcome) + "\n")
