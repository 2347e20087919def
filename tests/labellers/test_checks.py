"""The checks as Labellers: what each says, who failed, and how long a hostile answer takes."""

from __future__ import annotations

import asyncio
import inspect
import time
from types import ModuleType

import msgspec
import pytest

from trueline.files.errors import InputError
from trueline.files.plugins import modules
from trueline.labellers import checks
from trueline.labellers.answer import Answer
from trueline.labellers.checks import CHECKS, Check
from trueline.labellers.guarded import Guarded
from trueline.policy.load import load
from trueline.records.types import (
    Choice,
    Code,
    Constraint,
    Constraints,
    Example,
    Label,
    Message,
    Reference,
    Response,
    Task,
)

POLICY, CHECKED = load(), modules(CHECKS)
CAPITALS = Choice(("Lisbon", "Porto", "Faro", "Braga"), 0)
FITTING: dict[str, Task] = {
    "choice": CAPITALS,
    "number": Reference(("18",)),
    "number-strict": Reference(("18",)),
    "letter": CAPITALS,
    "exact": Reference(("Lisbon",)),
    "contains": Reference(("Lisbon",)),
    "ifeval": Constraints((Constraint("detectable_format:title"),)),
    "ifeval-loose": Constraints((Constraint("detectable_format:title"),)),
}
"""For each check, a task that it can judge by."""


def said(name: str, task: Task, text: str) -> Answer:
    answer: Answer = CHECKED[name].check(task, text)
    return answer


def values(name: str, task: Task, texts: dict[str, bool]) -> dict[str, object]:
    return {text: said(name, task, text).value for text in texts}


def example(task: Task | None, *texts: str) -> Example:
    responses = [Response((Message("assistant", text),)) for text in texts]
    return Example.new([Message("user", "Which?")], responses, task=task)


async def labels(name: str, task: Task | None, *texts: str) -> list[Label]:
    check = Guarded(Check(name))
    question = POLICY[CHECKED[name].QUESTION]
    return await check.label(example(task, *texts), [question])


@pytest.mark.parametrize("name, module", CHECKED.items())
def test_every_check_keeps_the_contract(name: str, module: ModuleType) -> None:
    assert module.__doc__ and len(module.__doc__.splitlines()[0]) > 20
    assert isinstance(module.VERSION, int)
    question = POLICY[module.QUESTION]
    assert (question.about, question.kind) == ("response", "yes-no")
    assert list(inspect.signature(module.check).parameters) == ["task", "text"]
    assert Check(name).by.kind == "grader" and Check(name).by.name == name


@pytest.mark.parametrize("name", CHECKED)
def test_an_empty_answer_is_no_and_a_foreign_task_is_unscored(name: str) -> None:
    for text in ("", " \n"):
        empty = said(name, FITTING[name], text)
        assert empty.value is False and empty.note == "the response is empty", text
    foreign = said(name, Code("assert True"), "18")
    assert foreign.value is None and "Code" in str(foreign.unscored)


@pytest.mark.parametrize("name", CHECKED)
async def test_labels_and_no_task(name: str) -> None:
    found = await labels(name, FITTING[name], "", "<think>18 Lisbon</think>", "<think>Lisbon 18")
    assert [label.about for label in found] == [(0,), (1,), (2,)]
    assert [label.value for label in found] == [False] * 3
    assert msgspec.json.decode(msgspec.json.encode(found), type=list[Label]) == found
    [label] = await labels(name, None, "Lisbon 18")
    assert label.value is None and "no task" in str(label.unscored)


async def test_reasoning_is_cut_before_the_check() -> None:
    found = await labels("number", Reference(("18",)), "<think>It is 17.</think>18", "18")
    assert [label.value for label in found] == [True, True]


async def test_wrong_use() -> None:
    with pytest.raises(InputError, match=r"unknown check 'letters': did you mean letter"):
        Check("letters")
    with pytest.raises(InputError, match="does not answer 'severity'"):
        await Guarded(Check("choice")).label(example(CAPITALS, "Faro"), [POLICY["severity"]])
    scale = msgspec.structs.replace(POLICY["correct"], kind="scale", levels=(0, 1))
    with pytest.raises(InputError, match="is scale about the response"):
        await Guarded(Check("choice")).label(example(CAPITALS, "Faro"), [scale])


def test_the_instrument_hash_is_the_checks_own_version_and_the_rooms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = list(CHECKED)
    before = {name: Check(name).by.instrument for name in names}
    assert len(set(before.values())) == len(names)
    module = CHECKED["choice"]
    with monkeypatch.context() as changed:
        changed.setattr(module, "VERSION", module.VERSION + 1)
        after = {name: Check(name).by.instrument for name in names}
        assert {n for n in names if before[n] != after[n]} == {"choice"}
    monkeypatch.setattr(checks, "VERSION", checks.VERSION + 1)
    assert all(Check(name).by.instrument != before[name] for name in names)


NUMBERS = ("number", "number-strict")
LETTER, TEXTS = ("letter",), ("exact", "contains")
HOSTILE = {
    "digits": ("1" * 1_000_000, NUMBERS),
    "commas": ("1,000" * 200_000, NUMBERS),
    "almost groups": ("1" + ",000" * 250_000 + "0", NUMBERS),
    "marks": ("#### " * 200_000, NUMBERS),
    "signs": ("-$" * 500_000, NUMBERS),
    "answers": ("the answer is " * 70_000, LETTER),
    "letters": ("A or " * 200_000, LETTER),
    "many letters": ("the answer is A, B, C, D, " * 38_000, LETTER),
    "small words": ("a " * 500_000, LETTER),
    "brackets": ("([*" * 330_000, LETTER),
    "lines": ("\n" * 1_000_000 + "x", (*LETTER, *TEXTS)),
    "spaces": (" " * 1_000_000 + "x", (*NUMBERS, *LETTER, *TEXTS)),
    "words": ("lisbo " * 160_000, TEXTS),
    "one word": ("a" * 1_000_000, (*LETTER, *TEXTS)),
    "dots": ("." * 1_000_000, (*NUMBERS, *LETTER, *TEXTS)),
}


@pytest.mark.parametrize(
    "name, kind", [(name, kind) for kind, (_, names) in HOSTILE.items() for name in names]
)
def test_a_hostile_megabyte_takes_no_long_time(name: str, kind: str) -> None:
    """A pattern that backtracks takes minutes here, or for ever."""
    start = time.process_time()
    answer = said(name, FITTING[name], HOSTILE[kind][0])
    assert isinstance(answer.value, bool)
    assert time.process_time() - start < 5
    assert len(answer.note or "") < 400


# ---- choice ----------------------------------------------------------------------------------


def test_choice() -> None:
    texts = {"Lisbon": True, " Lisbon\n": True, "Porto": False, "lisbon": False, "Lisbon.": False}
    assert values("choice", CAPITALS, texts) == texts
    assert said("choice", CAPITALS, "Porto").note == "it is 'Porto'"
    assert said("choice", CAPITALS, "Rome").note == "it is none of the options"
    for gold in (-1, 4):
        assert "gold" in str(said("choice", Choice(CAPITALS.options, gold), "Lisbon").unscored)
    spaced = Choice((" yes", " no"), 1)
    assert said("choice", spaced, " no").value is True


# ---- numbers ---------------------------------------------------------------------------------


def test_the_last_number_by_its_value() -> None:
    texts = {
        "18": True, "18.0": True, "018": True, "$18": True, "18%": True, "$ 18.00.": True,
        "3 + 15 = 18": True, "#### 18": True, "**18**": True, "It makes 18 eggs.": True,
        "18 eggs in 3 nests": False, "-18": False, "−18": False, "-$18": False, "$-18": False,
        "20-18": True, "20 - 18": True, "page-18": True, "x=-18": False, "(-18)": False,
        "1,8": False, "1.8": False, ".18": False, "...18": True, "18.5": False, "180": False,
        "eighteen": False, "£18": True, "#### 17\nso 18": True,
    }  # fmt: skip
    assert values("number", Reference(("18",)), texts) == texts
    assert said("number", Reference(("18",)), "eighteen").note == "the response has no number"
    assert "17" in str(said("number", Reference(("18",)), "18, no, 17").note)


def test_large_and_several_accepted_numbers() -> None:
    texts = {"1,250,000": True, "1250000": True, "$1,250,000.00": True, "1,250": False}
    texts |= {"1,2500": False, "1,25,0000": False, "0.5": True, ".50": True, "-3": True}
    assert values("number", Reference(("1,250,000", "0.5", "-3")), texts) == texts


def test_the_strict_form() -> None:
    texts = {
        "#### 18": True, "3 + 15\n#### 18": True, "####18": True, "#### $18.00": True,
        "#### 18\n\nQuestion: 2?\n#### 2": True, "#### 17\n#### 18": False, "18": False,
        "The answer is 18.": False, "#### eighteen": False, "#### x = 18": False,
        "####\n18": False, "### 18": False, "#### x\n#### 18": True, "#### -18": False,
    }  # fmt: skip
    assert values("number-strict", Reference(("18",)), texts) == texts
    assert said("number-strict", Reference(("18",)), "18").note == "no number behind ####"


@pytest.mark.parametrize("name", ["number", "number-strict"])
def test_a_whole_solution_is_an_accepted_answer_and_no_number_is_the_task_s_fault(
    name: str,
) -> None:
    solution = "3 nests of 6 are 3 * 6 = 18 eggs.\n#### 18"
    assert said(name, Reference((solution,)), "#### 18").value is True
    for answers in ((), ("eighteen",), ("3 or 4",), ("18", "")):
        assert said(name, Reference(answers), "#### 18").unscored, answers


async def test_many_labels_at_once() -> None:
    found = await asyncio.gather(
        *(labels("number", Reference((str(i),)), f"{i}", "x") for i in range(20))
    )
    assert [[label.value for label in each] for each in found] == [[True, False]] * 20


# ---- letters -----------------------------------------------------------------------------------

LETTERS = {
    "B": "B", "b": "B", "B.": "B", "(b)": "B", "**B**": "B", "[B]": "B", "B)": "B", "B: Porto": "B",
    "B. Porto\n\nIt is by the sea.": "B", "**(B) Porto**": "B", "B\nbecause of the sea": "B",
    "Porto": "B", "porto.": "B", "**Porto**": "B", "The answer is Porto, by the sea.": "B",
    "The answer is B.": "B", "the correct answer is (b).": "B", "Answer: B": "B", "Answer:\nB": "B",
    "**Answer:** B": "B", "The answer to this question is: **B. Porto**": "B",
    "Final answer: B": "B",
    "I choose B because A is bad": "B", "I'd go with B": "B", "\\boxed{B}": "B", "Option B": "B",
    "$\\boxed{\\text{B}}$": "B", "I think it is B.": "B", "B is correct": "B", "(B) is right": "B",
    "The best option is B!": "B", "A dog would say B": "B", "I would say B; I know it.": "B",
    "The answer is A. No, wait: the answer is B.": "B", "The answer is B, and A is wrong.": "B",
    "Is it A or C? The answer is B.": "B", "The answer is (A) or rather: the answer is (B)": "B",
    "A": "A", "The answer is A": "A", "The answer is A because I say so": "A", "It is A.": "A",
    "A or B": "AB", "The answer is A or B.": "AB", "the answer is A/B": "AB", "(A), so (B)": "AB",
    "The answer is A, B and C.": "AC", "Answer: B and C": "BC", "A. Lisbon\nB. Porto": "AB",
    "Option A is wrong; option B is right": "AB", "(A) is wrong, so (B)": "AB", "A, B": "AB",
    "E": "", "I": "", "A dog is nice": "", "The answer is a dog": "", "None of them.": "", "?": "",
    "Port": "", "Bed": "", "I am not sure.": "", "It's a matter of taste": "", "plan-B": "",
}  # fmt: skip
"""Responses by the letters that they settle on."""


def test_the_letter_that_a_response_settles_on() -> None:
    module = CHECKED["letter"]
    found = {text: "".join(sorted(module.find_letters(text, CAPITALS.options))) for text in LETTERS}
    assert found == LETTERS
    second = msgspec.structs.replace(CAPITALS, gold=1)
    for text, letters in LETTERS.items():
        answer = said("letter", second, text)
        assert answer.value is (letters == "B")
        why = {0: "no letter", 1: "settles on A"}.get(len(letters), "ambiguous: ")
        assert letters == "B" or why in str(answer.note), text


def test_options_that_look_like_letters_or_like_each_other() -> None:
    swapped = Choice(("B", "A"), 0)
    assert said("letter", swapped, "A").value is True  # the letter, not the text
    numbers = Choice(("3", "-3", "3.5"), 1)
    values_of = {"3": False, "-3": True, "3.5": False, "B": True, "The answer is -3.": True}
    assert values("letter", numbers, values_of) == values_of
    longer = Choice(("a red rose", "a red rose and a tulip"), 1)
    assert said("letter", longer, "The answer is a red rose and a tulip.").value is True
    assert "ambiguous" in str(said("letter", Choice(("x", "x", "y"), 0), "x").note)
    many = Choice(tuple(map(str, range(27))), 0)
    assert "more than letters" in str(said("letter", many, "A").unscored)
    assert "gold" in str(said("letter", Choice(("x", "y"), 2), "A").unscored)


# ---- texts -------------------------------------------------------------------------------------


def test_exact_and_contains() -> None:
    task = Reference(("The Lisbon Tram", "Línea 28"))
    texts = {
        "lisbon tram": (True, True), " The  Lisbon\ntram.": (True, True), 
        "“Lisbon” tram!": (True, True),
        "línea 28": (True, True), "linea 28": (False, False), "A Lisbon tram": (True, True),
        "It is the Lisbon tram, I think.": (False, True), "Lisbon trams": (False, False),
        "tram of Lisbon": (False, False), "Lisbon, the tram": (True, True), "28": (False, False),
        "Li\u0301nea 28": (True, True), "ALisbon tram": (False, False), 
        "not línea 28": (False, True),
    }  # fmt: skip
    for text, wanted in texts.items():
        found = said("exact", task, text).value, said("contains", task, text).value
        assert found == wanted, text


def test_articles_signs_and_scripts() -> None:
    assert said("exact", Reference(("A",)), "a.").value is True
    assert said("exact", Reference(("A",)), "the").value is False
    assert said("exact", Reference(("हिन्दी",)), "हिन्दी।").value is True
    assert said("exact", Reference(("हिन्दी",)), "हनद").value is False
    assert said("exact", Reference(("½",)), "12").value is False
    assert said("contains", Reference(("an",)), "Ananas and an ant").value is False
    for name in ("exact", "contains"):
        for answers in ((), ("+",), ("x", " ")):
            assert said(name, Reference(answers), "x").unscored, answers
