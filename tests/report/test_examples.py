"""Which items are shown: by scores and ids alone, and only of the results that were compared."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.report.made import SUITE, evaluated, world
from tests.report.parsed import Page

from trueline.evaluate.compare.compare import read_side
from trueline.records.store import dataset
from trueline.report import page
from trueline.report.pairs import make_pairs
from trueline.report.sections.examples import ItemChange, select_examples, select_items


def changes(*gains: float) -> list[ItemChange]:
    return [
        ItemChange(None, f"{number:02}", 0.5, 0.5 + gain, gain)  # type: ignore[arg-type]
        for number, gain in enumerate(gains)
    ]


def test_what_changed_most_comes_first_and_ties_go_by_id() -> None:
    found = select_items(changes(0, 0.1, -0.2, 0.5, 0, -0.5, 0.5, -0.1))
    assert [one.id for one in found] == ["05", "03", "00", "02", "06"]
    assert select_items(list(reversed(changes(0, 0.1, -0.2, 0.5, 0, -0.5, 0.5, -0.1)))) == found
    assert [one.id for one in select_items(changes(0, 0, 0))] == ["00"]


def test_scores_and_answers_are_those_of_the_folders(tmp_path: Path) -> None:
    [one] = world(tmp_path, treated=1, kinds=SUITE[:2], count=30)
    found = select_examples(make_pairs([one]))
    assert found.unreadable == [] and list(found.benchmarks) == [kind.name for kind in SUITE[:2]]
    sides = [
        {e.id: e for e in dataset.read(Path(p))} for p in (one.base_folder, one.treated_folder)
    ]
    for shown in (s for some in found.benchmarks.values() for s in some):
        for side, score, response in zip(
            sides,
            (shown.change.base, shown.change.treated),
            (shown.base, shown.treated),
            strict=True,
        ):
            item = side[shown.change.id]
            assert response == item.responses[0]
            [label] = [lab for lab in item.labels if lab.by.name == shown.change.metric.name]
            assert score == float(label.value is False)
        assert shown.change.gain == shown.change.base - shown.change.treated  # less is better


def test_a_folder_that_changed_is_not_shown_as_if_it_had_not(tmp_path: Path) -> None:
    [one] = world(tmp_path, treated=1, kinds=SUITE[:2], count=12)
    treated = Path(one.treated_folder)
    shutil.rmtree(treated)
    text = Page(page.render([one])).text
    assert "No items of A against Base:" in text and "holds no results" in text
    evaluated(treated, SUITE[:2], "another model", 0.2, count=12)
    assert "holds other results than those compared" in Page(page.render([one])).text


def test_sides_that_were_read_to_compare_are_not_read_again(tmp_path: Path) -> None:
    [one] = world(tmp_path, treated=1, kinds=SUITE[:2], count=12)
    sides = [read_side(Path(p), keep_texts=True) for p in (one.base_folder, one.treated_folder)]
    expected = page.render([one])
    for side in sides:
        shutil.rmtree(side.folder)
    assert page.render([one], sides=sides) == expected
    assert "holds no results" in page.render([one], sides=sides[:0])


@pytest.mark.parametrize("most", [1, 7])
def test_every_benchmark_gets_its_first_before_any_its_second(
    tmp_path: Path, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = world(tmp_path, treated=2, kinds=SUITE[:3], count=20)
    monkeypatch.setattr("trueline.report.sections.examples.MOST", most)
    some = select_examples(make_pairs(found))
    counts = [len(shown) for shown in some.benchmarks.values()]
    assert sum(counts) == most and some.n_left_out > 0
    if most == 7:  # six pairs of benchmark and model
        assert sorted(counts) == [2, 2, 3]
