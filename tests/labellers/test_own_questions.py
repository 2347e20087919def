"""An Example's own questions, with weights, can be asked of every labeller."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from trueline.agreement.agree import Options as AgreeOptions
from trueline.agreement.agree import agree
from trueline.files.errors import InputError
from trueline.labellers.label import Options, Outcome, label
from trueline.policy.load import load
from trueline.policy.values import WeightedRubric, value_of
from trueline.records.store import dataset, jsonl
from trueline.records.store.labels import join_labels
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Question,
    Reference,
    Response,
    Unscored,
    Value,
    with_labels,
)

POLICY = load()
KIND = Question("kind", "response", "yes-no", "Is the answer kind?", weight=2.0)
CLEAR = Question("clear", "response", "scale", "How clear is it?", levels=(1, 2, 3, 4, 5))
RUDE = Question("rude", "response", "yes-no", "Does the answer insult?", weight=-1.0)
ANSWERS = ("Please take the left door.", "The left door, you fool.")
BEST, WORST = (2 + 1) / 3, (0 + 0.5 - 1) / 3
"""What the rubric makes of ANSWERS: kind and as clear as can be; rude and half as clear."""

CODE = """
def grade(prompt, response, question):
    if question["kind"] == "scale":
        return max(question["levels"]) if "Please" in response else 3
    return ("Please" if question["id"] == "kind" else "fool") in response
"""


def scenario(number: int, own: Sequence[Question] = (KIND, CLEAR, RUDE)) -> Example:
    answers = [Response((Message("assistant", text),)) for text in ANSWERS]
    return Example.new([Message("user", f"Which door is it, {number}?")], answers, questions=own)


def written(path: Path, examples: Sequence[Example]) -> Path:
    jsonl.write(path, examples)
    return path


def ask(tmp_path: Path, data: Path, by: str, questions: str = "own", out: str = "o") -> Outcome:
    asked = Options(
        data=data,
        labeller=by,
        question=tuple(questions.split(",")),
        out=tmp_path / out,
        ledger=tmp_path / "ledger.sqlite",
        quiet=True,
    )
    outcome = label(asked)
    assert outcome is not None
    return outcome


def scripted(tmp_path: Path) -> str:
    """A judge that finds the polite answer kind, and the other rude."""
    polite = {"reason": "r", "kind": "yes", "clear": 5, "rude": "no"}
    rude = {"reason": "r", "kind": "no", "clear": 3, "rude": "yes"}
    rules = [
        {"match": "Please", "answers": [json.dumps(polite)]},
        {"answers": [json.dumps(rude)]},
    ]
    path = tmp_path / "judge.json"
    path.write_text(json.dumps(rules))
    return f"scripted:{path}"


def values(data: Path, *labels: Path) -> list[list[Value | Unscored]]:
    examples = join_labels(jsonl.read(data), labels)
    return [[value_of(WeightedRubric(), e, (at,), POLICY) for at in (0, 1)] for e in examples]


def imported(data: Path, out: Path) -> Path:
    """A label set that somebody else made: levels and yes or no by question, for each answer."""
    panel = LabellerId("imported", "panel")
    said = {"kind": (True, False), "clear": (5, 3), "rude": (False, True)}
    writer = dataset.Writer(out, labels_only=True)
    for example in jsonl.read(data):
        labels = [
            Label.new(example, question, (at,), panel, value=said[question.id][at])
            for question in example.questions
            for at in (0, 1)
        ]
        writer.add(with_labels(example, *labels))
    writer.close(complete=True)
    return out


def test_a_judge_code_and_an_imported_label_set_are_scored_by_one_rule(tmp_path: Path) -> None:
    data = written(tmp_path / "data.jsonl", [scenario(n) for n in range(3)])
    code = tmp_path / "code.py"
    code.write_text(CODE)
    judged = ask(tmp_path, data, scripted(tmp_path), out="judged")
    graded = ask(tmp_path, data, f"grader:{code}", out="graded")
    assert judged.sound and graded.sound
    [counts] = judged.answers
    assert (counts.question, counts.answered) == ("own", 3 * 2 * 3)
    expected = [[pytest.approx(BEST), pytest.approx(WORST)]] * 3
    sets = [tmp_path / "judged", tmp_path / "graded", imported(data, tmp_path / "panel")]
    for folder in sets:
        assert values(data, folder) == expected
    assert values(data, *sets) == expected, "and all three together"
    assert all(isinstance(v, Unscored) for pair in values(data) for v in pair)


def test_the_bundled_model_judges_the_examples_own_questions(tmp_path: Path) -> None:
    polite = Question("polite", "response", "yes-no", "Is the response polite?")
    data = written(tmp_path / "data.jsonl", [scenario(n, (polite,)) for n in range(2)])
    outcome = ask(tmp_path, data, "nano")
    assert outcome.run.complete and not outcome.run.rejects
    [counts] = outcome.answers
    assert counts.asked == 4 and counts.answered == 4
    for example in join_labels(jsonl.read(data), [tmp_path / "o"]):
        assert [x.question for x in example.labels] == ["polite", "polite"]
        assert value_of(WeightedRubric(), example, (0,), POLICY) in (0.0, 1.0)


def test_a_labeller_answers_what_it_can_and_others_the_rest(tmp_path: Path) -> None:
    """A check knows whether an answer is right, and nothing of kindness."""
    right = msgspec.structs.replace(POLICY["correct"], weight=3.0)
    one = scenario(0, (right, KIND, CLEAR, RUDE))
    one = msgspec.structs.replace(one, task=Reference(("left",)))
    data = written(tmp_path / "data.jsonl", [one])
    by_code = ask(tmp_path, data, "contains", out="code")
    assert by_code.sound and [x.answered for x in by_code.answers] == [2]
    [[missing, _]] = values(data, tmp_path / "code")
    assert missing == Unscored("kind: no label on 'kind'")
    ask(tmp_path, data, scripted(tmp_path), questions="own", out="judge")
    [[first, second]] = values(data, tmp_path / "code", tmp_path / "judge")
    assert first == pytest.approx((3 + 2 + 1) / 6) and second == pytest.approx((3 + 0.5 - 1) / 6)


def test_questions_of_the_policy_and_of_the_example_are_asked_together(tmp_path: Path) -> None:
    data = written(tmp_path / "data.jsonl", [scenario(0), scenario(1, ())])
    answer = {"reason": "r", "safe": "yes", "kind": "yes", "clear": 5, "rude": "no"}
    path = tmp_path / "judge.json"
    path.write_text(json.dumps([{"answers": [json.dumps(answer)]}]))
    outcome = ask(tmp_path, data, f"scripted:{path}", "safe,own")
    assert {x.question: x.answered for x in outcome.answers} == {"safe": 4, "own": 6}
    first, second = join_labels(jsonl.read(data), [tmp_path / "o"])
    assert {x.question for x in first.labels} == {"safe", "kind", "clear", "rude"}
    assert {x.question for x in second.labels} == {"safe"}


def test_a_question_that_cannot_be_asked_is_rejected_with_its_fault(tmp_path: Path) -> None:
    empty = Question("which", "response", "one-of", "Which one?")
    taken = msgspec.structs.replace(KIND, id="safe")
    examples = [scenario(0, (empty,)), scenario(1, (taken,)), scenario(2, (KIND, KIND))]
    data = written(tmp_path / "data.jsonl", examples)
    outcome = ask(tmp_path, data, scripted(tmp_path), "safe,own")
    assert outcome.run.rejects == 3 and not outcome.sound
    reasons = [reject.message for reject in dataset.rejects(tmp_path / "o")]
    assert "'which', options: a one-of question needs options" in reasons[0]
    assert "'safe' has the id of another one" in reasons[1]
    assert "'kind' has the id of another one" in reasons[2]


def test_a_grader_answers_one_question_or_the_examples_own(tmp_path: Path) -> None:
    data = written(tmp_path / "data.jsonl", [scenario(0)])
    code = tmp_path / "code.py"
    code.write_text(CODE)
    with pytest.raises(InputError, match="or the Examples' own: name it alone"):
        ask(tmp_path, data, f"grader:{code}", "correct,own")


def test_the_bounds_count_the_examples_own_questions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = written(tmp_path / "data.jsonl", [scenario(0), scenario(1, ())])
    asked = Options(data=data, labeller="scripted:none.json", question=("own",), out=tmp_path / "o",
                    dry_run=True, quiet=True)  # fmt: skip
    assert label(asked) is None
    assert "for 2 Examples" in capsys.readouterr().out


def test_agreement_and_its_consensus_know_the_examples_own_questions(tmp_path: Path) -> None:
    data = written(tmp_path / "data.jsonl", [scenario(n) for n in range(20)])
    code = tmp_path / "code.py"
    code.write_text(CODE)
    ask(tmp_path, data, scripted(tmp_path), out="judged")
    ask(tmp_path, data, f"grader:{code}", out="graded")
    sets = (tmp_path / "judged", tmp_path / "graded", imported(data, tmp_path / "panel"))
    outcome = agree(AgreeOptions(data=data, labels=sets, consensus=tmp_path / "all"))
    by_id = {one.question: one for one in outcome.questions}
    assert by_id.keys() == {"kind", "clear", "rude"} and by_id["clear"].metric == "ordinal"
    assert all(one.raw_agreement == 1.0 for one in by_id["kind"].agreements)
    assert outcome.consensus is not None
    assert outcome.consensus.counts == {name: {"agreed": 40} for name in ("kind", "clear", "rude")}
    expected = [[pytest.approx(BEST), pytest.approx(WORST)]] * 20
    assert values(data, tmp_path / "all") == expected, "derived labels answer the rubric too"
