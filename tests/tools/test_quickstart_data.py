"""The texts that the quickstart starts from."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from tools.nano import quickstart
from tools.nano.small_english import parse_request
from tools.nano.small_english.tables import CATEGORIES

FOLDER = Path(__file__).parents[2] / "src/trueline/cli/quickstart_data"


BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def rows(name: str, folder: Path = FOLDER) -> list[dict]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text("utf-8").splitlines()]


def test_seeds_are_distinct_and_cover_all_categories():
    harmful, harmless = rows("seeds_harmful"), rows("seeds_harmless")
    texts = [row["text"] for row in harmful + harmless]
    assert len(texts) == len(set(texts)) == 400
    for part in (harmful, harmless):
        assert set(Counter(row["category"] for row in part)) == set(CATEGORIES)


def test_held_out_requests_are_in_the_grammar_and_no_seed_answers_them():
    texts = [row["text"].lower() for row in rows("seeds_harmful") + rows("seeds_harmless")]
    for row in rows("heldout"):
        request = parse_request(row["request"])
        assert request is not None
        assert request.intent.kind == row["kind"]
        assert request.intent.category == row["category"]
        topic = request.intent.topic
        for slot, word in request.bindings:
            topic = topic.replace("{" + slot + "}", word)
        if len(request.bindings) > 1 and "{" in request.intent.topic:
            same = [
                t
                for t in texts
                if topic.lower() in t and all(w.lower() in t for _, w in request.bindings)
            ]
            assert not same


def test_files_are_what_the_tool_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(quickstart, "FOLDER", tmp_path)
    quickstart.main()
    for name in ("seeds_harmful", "seeds_harmless", "heldout"):
        assert (tmp_path / f"{name}.jsonl").read_text("utf-8") == (
            FOLDER / f"{name}.jsonl"
        ).read_text("utf-8")


@pytest.mark.parametrize("good", [True, False])
def test_the_filter_check_has_fifty_of_each(good):
    part = [row for row in rows("filter_check", BENCHMARKS) if row["good"] is good]
    assert len(part) == len({row["instruction"] for row in part}) == 50
    assert good or all(row["why"] for row in part)
