"""From an instrument to a labeller: which questions are asked, and what a failed call leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from trueline.labellers.answer import Answer
from trueline.labellers.contract import Instrument
from trueline.labellers.guarded import Guarded
from trueline.labellers.targets import About
from trueline.models.contract import Fatal, ModelError, Transient
from trueline.records.types import Example, Label, LabellerId, Message, Question, Response, Value

HARM = Question("harm", "prompt", "yes-no", "Could it harm?")
HELPS = Question("helps", "response", "yes-no", "Does it help with that?", when={"harm": True})
HOW = Question("how", "response", "yes-no", "By steps?", when={"helps": True})
MUCH = Question("much", "response", "yes-no", "Much?", when={"how": True})
FIRST, SECOND = (
    Question(name, "pair", "preference", "Which?") for name in ("first_pair", "second_pair")
)
EXAMPLE = Example.new(
    [Message("user", "How?")],
    [Response((Message("assistant", text),)) for text in ("one", "two")],
)


class Written(Instrument):
    """Answers by `said`, a failure if that is an error; `asked` has what it was asked."""

    noun = "script"

    def __init__(self, said: Callable[[str, About], Value | Exception]) -> None:
        self.by = LabellerId("judge", "script", "0" * 32, 1)
        self.said = said
        self.asked: list[tuple[About, dict[str, dict[str, object]]]] = []

    async def answer(
        self, example: Example, about: About, questions: Sequence[Question]
    ) -> dict[str, Answer]:
        self.asked.append((about, {q.id: dict(q.when) for q in questions}))
        answers = {}
        for question in questions:
            said = self.said(question.id, about)
            if isinstance(said, Exception):
                raise said
            answers[question.id] = Answer(said)
        return answers


def outcomes(labels: Sequence[Label]) -> dict[tuple[str, About], object]:
    return {(one.question, one.about): one.unscored or one.value for one in labels}


async def test_a_question_is_asked_as_far_as_earlier_answers_let_it() -> None:
    yes = Written(lambda *_: True)
    labels = await Guarded(yes).label(EXAMPLE, [HARM, HELPS, HOW])
    assert len(labels) == 5
    assert yes.asked == [
        ((), {"harm": {}}),
        ((0,), {"helps": {}, "how": {"helps": True}}),
        ((1,), {"helps": {}, "how": {"helps": True}}),
    ], "a condition that is met already is not handed on"
    no = Written(lambda *_: False)
    labels = await Guarded(no).label(EXAMPLE, [HARM, HELPS, HOW, MUCH])
    assert outcomes(labels) == {("harm", ()): False}
    assert no.asked == [((), {"harm": {}})], "what depends on an unasked question is not asked"
    some = Written(lambda name, about: name == "harm" or about == (0,))
    labels = await Guarded(some).label(EXAMPLE, [HARM, HELPS, HOW])
    assert outcomes(labels) == {
        ("harm", ()): True,
        ("helps", (0,)): True,
        ("how", (0,)): True,
        ("helps", (1,)): False,
    }


async def test_questions_about_a_pair_go_one_by_one() -> None:
    tie = Written(lambda *_: "tie")
    await Guarded(tie).label(EXAMPLE, [FIRST, SECOND])
    assert tie.asked == [((0, 1), {"first_pair": {}}), ((0, 1), {"second_pair": {}})]


async def test_a_failed_call_leaves_its_own_thing_unscored_and_the_others_as_they_are() -> None:
    instrument = Written(lambda _, about: ModelError("lost") if about == (0,) else True)
    labels = await Guarded(instrument).label(EXAMPLE, [HARM, HELPS])
    assert outcomes(labels) == {
        ("harm", ()): True,
        ("helps", (0,)): "the script failed: lost",
        ("helps", (1,)): True,
    }


async def test_a_call_that_failed_for_now_is_raised_only_for_runs_that_ask_again() -> None:
    instrument = Written(lambda *_: Transient("later"))
    [label] = await Guarded(instrument).label(EXAMPLE, [HARM])
    assert label.unscored == "the script failed: later"
    with pytest.raises(Transient, match="later"):
        await Guarded(instrument, retry_later=True).label(EXAMPLE, [HARM])


async def test_failures_in_a_row_end_the_run_and_an_answer_begins_a_new_row() -> None:
    said: list[Value | Exception] = [True]
    labeller = Guarded(Written(lambda *_: said[-1]))

    async def fail(times: int) -> None:
        said.append(ModelError("refused"))
        for _ in range(times):
            await labeller.label(EXAMPLE, [HARM])

    await fail(49)
    said.append(True)
    await labeller.label(EXAMPLE, [HARM])
    await fail(49)
    with pytest.raises(Fatal, match="50 calls in a row failed, the last: refused"):
        await fail(1)


async def test_calls_under_way_end_before_a_failure_is_raised() -> None:
    finished = []

    class Slow(Written):
        async def answer(
            self, example: Example, about: About, questions: Sequence[Question]
        ) -> dict[str, Answer]:
            if about == (0,):
                raise Fatal("401")
            await asyncio.sleep(0.05)
            finished.append(about)
            return await super().answer(example, about, questions)

    with pytest.raises(Fatal, match="401"):
        await Guarded(Slow(lambda *_: True)).label(EXAMPLE, [HELPS])
    assert finished == [(1,)]
