"""Which label counts does not depend on the order in which label sets are named."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

from tests.agreement.rated import POLICY, A, C, label, made

from trueline.agreement.agree import Options, Outcome, agree
from trueline.records.store import dataset, jsonl
from trueline.records.store.labels import LabelAppender, join_labels
from trueline.records.types import Example, Label, with_labels

COUNT = 40


def said(folder: Path, examples: list[Example], sequence: int, answer: Any) -> Path:
    """One more labelling by the judge; `answer(n)` is None if it failed on that Example."""
    writer = dataset.Writer(folder, folder.name, sequence=sequence, labels_only=True)
    for n, example in enumerate(examples):
        writer.add(with_labels(example, label(example, "safe", C, answer(n))))
    writer.close(complete=True)
    return folder


def figures(outcome: Outcome) -> list[tuple[object, ...]]:
    return [
        (one.first, one.second, one.asked, one.scored, one.raw_agreement, one.alpha)
        for question in outcome.questions
        for one in question.agreements
    ]


def test_a_time_out_an_answer_and_a_correction_are_one_result_in_any_order(
    tmp_path: Path,
) -> None:
    examples = [made(n) for n in range(COUNT)]
    source = tmp_path / "data.jsonl"
    people = [with_labels(e, label(e, "safe", A, n % 2 == 0)) for n, e in enumerate(examples)]
    jsonl.write(source, people)
    failed = said(tmp_path / "failed", examples, 0, lambda n: None)
    wrong = said(tmp_path / "wrong", examples, 1000, lambda n: n % 2 == 1)
    right = said(tmp_path / "right", examples, 2000, lambda n: n % 2 == 0)
    again = said(tmp_path / "again", examples, 3000, lambda n: None)

    found = [
        figures(agree(Options(data=source, labels=tuple(sets))))
        for sets in permutations([failed, wrong, right, again])
    ]
    assert all(one == found[0] for one in found)
    [(_, _, asked, scored, same, _)] = found[0]
    assert (asked, scored, same) == (COUNT, COUNT, 1.0), "a later failure takes no answer back"

    for n, sets in enumerate(permutations([failed, wrong, right])):
        out = tmp_path / f"majority-{n}"
        outcome = agree(Options(data=source, labels=tuple(sets), consensus=out))
        assert outcome.consensus is not None
        assert outcome.consensus.counts == {"safe": {"agreed": COUNT}}


def test_what_is_retracted_is_no_answer_of_anybody(tmp_path: Path) -> None:
    examples = [made(n) for n in range(COUNT)]
    source = tmp_path / "data.jsonl"
    jsonl.write(source, [with_labels(e, label(e, "safe", A, True)) for e in examples])
    judge = said(tmp_path / "judge", examples, 0, lambda n: n > 0)
    with LabelAppender(judge, "another process") as appender:
        appender.add(Label.new(examples[0], POLICY["safe"], (0,), C, retracted=True))
    outcome = agree(Options(data=source, labels=(judge,)))
    [one] = outcome.questions[0].agreements
    assert (one.items, one.asked, one.raw_agreement) == (COUNT - 1, COUNT - 1, 1.0)
    first, *_ = join_labels(jsonl.read(source), [judge])
    assert [x.by for x in first.labels] == [A]
