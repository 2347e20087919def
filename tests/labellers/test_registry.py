"""Labellers by name: the kinds of the package, of a user's file, and of an installed package."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.builders import name_model
from tests.evaluate.made import sums

from trueline.cli.label import format_outcome
from trueline.evaluate.options import Options as Evaluation
from trueline.evaluate.run import evaluate
from trueline.files import plugins
from trueline.files.errors import InputError
from trueline.labellers.contract import Bound, Labeller, bound_questions
from trueline.labellers.guard import Guard
from trueline.labellers.guarded import Guarded
from trueline.labellers.judge.judge import SAMPLING, Judge
from trueline.labellers.label import Options, label
from trueline.labellers.registry import (
    KINDS,
    LabellerContext,
    describe_kinds,
    open_labeller,
)
from trueline.models.contract import Unsupported
from trueline.models.scripted import Scripted
from trueline.policy.load import load
from trueline.records.store import jsonl
from trueline.records.store.labels import join_labels
from trueline.records.types import Example, Message, Question, Reference, Response, Sampling

POLICY = load()
LENGTH = '''"""Whether a response is long: `length:WORDS`."""

from contextlib import asynccontextmanager

from trueline.files.hashing import digest
from trueline.labellers.answer import Answer
from trueline.labellers.contract import Instrument
from trueline.records.types import LabellerId

FORM = "length:WORDS"
HELP = "whether a response has at least so many words"
VERSION = 1


class Length(Instrument):
    noun, measured = "word count", False

    def __init__(self, words):
        self.words = words
        instrument = digest(["length", VERSION, words])
        self.by = LabellerId("grader", f"length:{words}", instrument, VERSION)

    async def answer(self, example, about, questions):
        count = len(example.responses[about[0]].text.split())
        return {q.id: Answer(count >= self.words, note=f"{count} words") for q in questions}


@asynccontextmanager
async def open_labeller(rest, context):
    yield Length(int(rest))
'''
STARTS = '''"""Whether a response begins with an accepted answer."""

from trueline.labellers.answer import Answer
from trueline.labellers.checks import no, quote, wrong_task
from trueline.records.types import Reference

QUESTION = "correct"
VERSION = 1


def check(task, text):
    if not isinstance(task, Reference):
        return wrong_task(task, "Reference")
    return Answer(True) if text.startswith(task.answers) else no(f"it begins {quote(text)}")
'''


@pytest.fixture(autouse=True)
def _no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_files", {})


@pytest.fixture(params=["file", "installed package"])
def installed(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: Any) -> None:
    """A kind `length` and a check `starts-with` of somebody else's."""
    root = tmp_path / "plugins"
    root.mkdir()
    if request.param == "file":
        (root / "length.py").write_text(LENGTH)
        (root / "starts_with.py").write_text(STARTS)
        plugins.add_file(root / "length.py")
        plugins.add_file(root / "starts_with.py")
        return
    info = root / "tiny-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: tiny\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[trueline.labellers]\nlength = tiny_length\n\n"
        "[trueline.checks]\nstarts-with = tiny_starts_with\n"
    )
    (root / "tiny_length.py").write_text(LENGTH)
    (root / "tiny_starts_with.py").write_text(STARTS)
    monkeypatch.syspath_prepend(str(root))


def context(*names: str) -> LabellerContext:
    return LabellerContext([POLICY[name] for name in names], POLICY, name_model)


def answered(prompt: str, *texts: str, accepted: Sequence[str] = ()) -> Example:
    responses = [Response((Message("assistant", text),)) for text in texts]
    task = Reference(tuple(accepted)) if accepted else None
    return Example.new([Message("user", prompt)], responses, task=task)


@pytest.mark.parametrize("name, kind", plugins.modules(KINDS).items())
def test_every_kind_says_how_it_is_named(name: str, kind: ModuleType) -> None:
    assert kind.__doc__ and len(kind.__doc__.splitlines()[0]) > 20
    assert kind.FORM.lstrip("[").startswith(name) and len(kind.HELP) > 20
    assert kind.FORM in describe_kinds() and kind.HELP in describe_kinds()


@pytest.mark.parametrize(
    "name, question, by, measured",
    [
        ("refusal", "refusal", ("classifier", "refusal"), True),
        ("guard:wildguard:nano", "safe", ("classifier", "nano"), True),
        ("exact", "correct", ("grader", "exact"), False),
        ("check:number-strict", "correct", ("grader", "number-strict"), False),
        ("nano", "safe", ("judge", "nano"), True),
        ("judge:nano", "safe", ("judge", "nano"), True),
        ("http://user:secret@host/v1#m", "safe", ("judge", "http://host/v1#m"), True),
    ],
)
async def test_a_name_opens_its_kind(
    name: str, question: str, by: tuple[str, str], measured: bool
) -> None:
    async with open_labeller(name, context(question)) as labeller:
        assert (labeller.by.kind, labeller.by.name) == by
        assert labeller.measured is measured and labeller.by.version is not None


@pytest.mark.parametrize(
    "name, match",
    [
        ("exactt", r"no model is named 'exactt'[\s\S]*Did you mean exact"),
        ("refusel", r"no model is named[\s\S]*Did you mean refusal"),
        ("check:exat", "unknown check 'exat': did you mean exact"),
        ("refusal:me", "is named 'refusal' alone"),
        ("judge", "named by its model"),
    ],
)
async def test_a_misspelt_name_gets_near_ones(name: str, match: str, tmp_path: Path) -> None:
    from trueline.models.open import open_model

    opening = LabellerContext([POLICY["correct"]], POLICY, open_model)
    with pytest.raises(InputError, match=match):
        async with open_labeller(name, opening):
            pass


def run_label(tmp_path: Path, by: str, example: Example) -> list[object]:
    """What `trueline label` says of the example's responses to `correct`."""
    data = tmp_path / "data.jsonl"
    jsonl.write(data, [example])
    out = tmp_path / "labels"
    outcome = label(
        Options(
            data=data,
            labeller=by,
            question=("correct",),
            out=out,
            ledger=tmp_path / "l",
            quiet=True,
        )
    )
    assert outcome is not None and outcome.sound and not outcome.run.spend
    assert not any("card" in line for line in format_outcome(outcome, out)), "code needs none"
    [labelled] = join_labels(jsonl.read(data), [out])
    return [one.value for one in labelled.labels]


def test_a_check_labels_examples_with_tasks_by_its_name(tmp_path: Path) -> None:
    example = answered("Which city?", "lisbon!", "Porto", accepted=["Lisbon"])
    assert run_label(tmp_path, "exact", example) == [True, False]


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("by", ["length:2", "starts-with"])
def test_somebody_elses_kind_and_check_label_and_score(by: str, tmp_path: Path) -> None:
    example = answered("Which city?", "Lisbon it is", "Porto", accepted=["Lisbon"])
    assert run_label(tmp_path, by, example) == [True, False]
    rows = [{"ask": f"What is {n} and {n}?", "sum": str(2 * n)} for n in range(4)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / "sums.toml"
    path.write_text(
        sums("sums", 'prompt = "ask"\nanswers = "[sum]"', f'question = "correct"\nby = "{by}"')
    )
    model = tmp_path / "model.json"
    rules = [{"match": "What is 1 and", "answers": ["2 of them"]}, {"answers": ["none"]}]
    model.write_text(json.dumps(rules))
    outcome = evaluate(
        Evaluation(
            model=f"scripted:{model}",
            benchmark=(str(path),),
            data=tmp_path,
            out=tmp_path / "results",
            ledger=tmp_path / "l",
            quiet=True,
        )
    )
    assert outcome is not None
    [metric] = outcome.results.metrics
    assert metric.interval.estimate == 0.25 and not metric.metric.measured


# ---- bounds ------------------------------------------------------------------------------------

ASKABLE = ("elicits_harm", "safe", "harm_categories", "severity", "refusal", "helpfulness",
           "safer", "more_helpful")  # fmt: skip
NUMBER = Question("minutes", "response", "number", "How many minutes to read?")


class Counted:
    """A model that counts the calls in which it writes, always the same text."""

    def __init__(self, likelihoods: bool, text: str = "hm") -> None:
        self.calls, self.text = 0, text
        self.model = Scripted(self.write, self.score if likelihoods else None)

    def write(self, _messages: object, sampling: Sampling, _index: int) -> str:
        if sampling.schema is not None:
            raise Unsupported("no schema")
        self.calls += 1
        return self.text

    def score(self, _messages: object, text: str) -> float:
        return -1.0 if text in ("yes", "A", "1") else -2.0

    @property
    def sent(self) -> int:
        """The calls: written ones, and one for each list of continuations."""
        return self.calls + sum(request.n > 1 for request in self.model.requests)


async def sent_and_bound(labeller: Labeller, example: Example, questions: list[Question]) -> Bound:
    await labeller.label(example, questions)
    return bound_questions(labeller, questions, prompts=1, responses=len(example.responses))


@pytest.mark.parametrize("likelihoods", [True, False])
@pytest.mark.parametrize("write", [True, False])
async def test_a_judge_never_sends_more_than_its_bound(likelihoods: bool, write: bool) -> None:
    example = answered("How?", "one", "two", "three")
    reached = set()
    for names in itertools.chain.from_iterable(
        itertools.combinations(ASKABLE, size) for size in (1, 2, 3)
    ):
        for further in ([], [NUMBER]):
            counted = Counted(likelihoods)
            questions = [POLICY[name] for name in names] + further
            labeller = Guarded(Judge(counted.model, "j", write=write))
            bound = await sent_and_bound(labeller, example, questions)
            assert counted.sent <= bound.calls, names
            assert counted.calls * (SAMPLING.max_tokens or 0) <= bound.tokens, names
            reached.add(counted.sent == bound.calls)
    assert True in reached, "the bound is met, so it is no more than it must be"


async def test_a_guard_sends_its_bound() -> None:
    counted = Counted(True, text="Yes")
    guard = Guarded(Guard(counted.model, "g", "shieldgemma", POLICY))
    bound = await sent_and_bound(guard, answered("How?", "one", "two"), [POLICY["safe"]])
    assert counted.sent == bound.calls == 4
    assert bound.tokens == 200
