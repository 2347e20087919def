"""The rules of IFEval, each on texts that follow it and texts that just miss it."""

from __future__ import annotations

import json
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from trueline.files.errors import InputError
from trueline.labellers.answer import Answer
from trueline.labellers.checks import Check, ifeval, ifeval_loose
from trueline.labellers.ifeval_rules import RULES, language, needs
from trueline.labellers.ifeval_rules.sentences import sentences
from trueline.records.types import Constraint, Constraints

Needs = dict[str, int | float | str | tuple[str, ...]]

SWAHILI = "Habari ya asubuhi, rafiki yangu. Leo tutaenda sokoni kununua matunda na mboga."
GERMAN = "Der Garten liegt hinter dem Haus, und im Sommer blühen dort viele Blumen."
ENGLISH = "the garden lies behind the house and in summer many flowers bloom there"

CASES: dict[str, list[tuple[Needs, dict[str, bool]]]] = {
    "keywords:existence": [
        ({"keywords": ("tulip", "rose")}, {
            "A Tulip and a rose.": True, "Tulips, roses.": True, "A tulip.": False,
            "tul ip rose": False,
        }),
        ({"keywords": ("c++",)}, {"I write C++.": True, "I write c.": False}),
    ],
    "keywords:frequency": [
        ({"keyword": "tulip", "relation": "at least", "frequency": 2}, {
            "Tulip, tulip.": True, "Tulips and a tulip.": True, "One tulip.": False,
        }),
        ({"keyword": "tulip", "relation": "less than", "frequency": 2}, {
            "One tulip.": True, "None.": True, "Tulip, tulip.": False,
        }),
    ],
    "keywords:forbidden_words": [
        ({"forbidden_words": ("rose", "c++")}, {
            "A tulip.": True, "A primrose, roses.": True, "A Rose.": False, "(rose)": False,
            "In C++.": False, "In c.": True,
        }),
    ],
    "keywords:letter_frequency": [
        ({"letter": "q", "let_relation": "at least", "let_frequency": 2}, {
            "Quite quick": True, "quite": False,
        }),
        ({"letter": "!", "let_relation": "less than", "let_frequency": 2}, {
            "Yes!": True, "Yes!!": False,
        }),
    ],
    "language:response_language": [
        ({"language": "de"}, {GERMAN: True, ENGLISH: False, "123": False}),
        ({"language": "sw"}, {SWAHILI: True, GERMAN: False}),
    ],
    "length_constraints:number_sentences": [
        ({"relation": "at least", "num_sentences": 3}, {
            "One. Two! Three?": True, "One. Two.": False, "One. Two. three": False,
        }),
        ({"relation": "less than", "num_sentences": 3}, {
            "One. Two.": True, "One. Two. Three.": False,
        }),
    ],
    "length_constraints:number_paragraphs": [
        ({"num_paragraphs": 2}, {
            "One.\n***\nTwo.": True, "One.\n\n* * *\n\nTwo.\n": True,
            "***\nOne.\n***\nTwo.\n***": True,
            "One.\n\nTwo.": False, "One.\n***\nTwo.\n***\nThree.": False,
            "One.\n***\n***\nTwo.": False, "One. ***bold*** Two.": False, "One.\n****\nTwo.": False,
        }),
    ],
    "length_constraints:number_words": [
        ({"relation": "at least", "num_words": 4}, {
            "one two three four": True, "one two three": False, "one, two - three.": False,
        }),
        ({"relation": "less than", "num_words": 4}, {
            "one two three": True, "one two three four": False,
        }),
    ],
    "length_constraints:nth_paragraph_first_word": [
        ({"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "garden"}, {
            "Here.\n\nGarden work.": True, "Here.\n\n\n\"Garden\" work.": True,
            "Here.\n \ngarden": True, "Here.\nGarden work.": False, "Garden.\n\nHere.": False,
            "Here.\n\nGardens.": False, "Here.\n\nGarden-work.": False,
            "A.\n\nGarden.\n\nB.": False, "Here.\n\nThe garden.": False,
        }),
    ],
    "detectable_content:number_placeholders": [
        ({"num_placeholders": 2}, {
            "[name] [address]": True, "[name]": False, "[name] [ ]": False, "[name] []": False,
            "[name [address]": False, "[a]\n[b]\n[c]": True,
        }),
    ],
    "detectable_content:postscript": [
        ({"postscript_marker": "P.S."}, {
            "Bye.\nP.S. Write!": True, "Bye.\n\n**p.s.** Write!": True,
            "Bye.\n\"P. S. Write!\"": True,
            "Bye.\nPS: Write!": False, "Bye.": False, "I will add a P.S. below.": False,
            "Bye.\nP.P.S. Write!": False,
        }),
        ({"postscript_marker": "P.P.S"}, {
            "Bye.\nP.P.S. Write!": True, "Bye.\nP.P.S Write!": True, "Bye.\nP.S. Write!": False,
        }),
    ],
    "detectable_format:number_bullet_lists": [
        ({"num_bullets": 2}, {
            "* one\n* two": True, "- one\n  - two": True, "Here:\n* one\n\n+ two\nBye.": True,
            "* one": False, "* one\n* two\n* three": False, "*one*\n*two*": False,
            "* one\n* * *\n* two": True, "* one\n---\n* two": True, "1. one\n2. two": False,
            "* **one**\n* two": True, "* one\n*\n* two": True,
        }),
    ],
    "detectable_format:constrained_response": [
        ({}, {
            "My answer is yes.": True, "So: My answer is maybe. Truly.": True,
            "My answer is yes": False, "Yes.": False, "my answer is yes.": False,
            "My answer is yes. My answer is no.": False,
        }),
    ],
    "detectable_format:number_highlighted_sections": [
        ({"num_highlights": 2}, {
            "*one* and *two*": True, "**one** and *two things*": True, "*one*": False,
            "* one\n* two\n* three": False, "**one**": False, "*one\ntwo* three*": False,
            "***one***, *two*": True, "** ** **": False, "* one *two* and *three*": True,
        }),
    ],
    "detectable_format:multiple_sections": [
        ({"section_spliter": "SECTION", "num_sections": 2}, {
            "SECTION 1\na\nSECTION 2\nb": True, "**SECTION I:** a **SECTION II:** b": True,
            "SECTION 1\na": False, "SECTION 1\nsee SECTION 1": False, "Section 1 Section 2": False,
            "SECTION one SECTION two": False, "SUBSECTION 1, SUBSECTION 2": False,
        }),
    ],
    "detectable_format:json_format": [
        ({}, {
            '{"a": 1}': True, '```json\n{"a": [1, 2]}\n```': True, '```\n[]\n```': True,
            'Here: {"a": 1}': False, "{'a': 1}": False, '{"a": NaN}': False, '{"a": 1} Bye': False,
            "[" * 100_000 + "]" * 100_000: False, '{"a": ' + "1" * 10_000 + "}": True,
        }),
    ],
    "detectable_format:title": [
        ({}, {
            "<<The Garden>>\nIt blooms.": True, "<The Garden>": False, "<<>>": False,
            "<< >>": False, "<<The\nGarden>>": False, "**<<The Garden>>**": True,
        }),
    ],
    "combination:two_responses": [
        ({}, {
            "One.\n******\nTwo.": True, "One. ****** Two.": True,
            "******\nOne.\n******\nTwo.": True,
            "One.\n***\nTwo.": False, "One.\n******\nOne.": False, "One.": False,
            "A\n******\nB\n******\nC": False, "One.\n********\nTwo.": False,
            "A\n******\n******\nB": False,
        }),
    ],
    "combination:repeat_prompt": [
        ({"prompt_to_repeat": "Name a flower.\nAny."}, {
            "Name a flower.\nAny.\n\nA tulip.": True, "name a flower. any. A tulip.": True,
            "Sure. Name a flower.\nAny.": False, "Name a flower. A tulip.": False,
        }),
    ],
    "startend:end_checker": [
        ({"end_phrase": "Is that all?"}, {
            "Yes. Is that all?": True, "Yes. is that all? \n": True, '"Yes. Is that all?"': True,
            "Is that all? Yes.": False, "Is that all": False,
        }),
    ],
    "startend:quotation": [
        ({}, {
            '"All of it."': True, "“All of it.”": True, ' "All."\n': True, "'All of it.'": False,
            '"All" of it.': False, '"': False, '""': False, "«All.»": True, "”All.”": True,
            "“All.\"": False,
        }),
    ],
    "change_case:capital_word_frequency": [
        ({"capital_relation": "at least", "capital_frequency": 2}, {
            "The U.S. and NASA.": True, "I am A man": True, "The **NASA** man": False,
        }),
        ({"capital_relation": "less than", "capital_frequency": 2}, {
            "One NASA.": True, "NASA NASA": False, "42 1": True, "WELL-KNOWN": True,
        }),
    ],
    "change_case:english_capital": [
        ({}, {
            ENGLISH.upper(): True, ENGLISH: False, GERMAN.upper(): False, "123": False,
            ENGLISH.upper() + " a": False,
        }),
    ],
    "change_case:english_lowercase": [
        ({}, {ENGLISH: True, ENGLISH.upper(): False, GERMAN.lower(): False, "I " + ENGLISH: False}),
    ],
    "punctuation:no_comma": [
        ({}, {"One and two.": True, "One, two.": False, "1,000": False, "一，二": False}),
    ],
}  # fmt: skip


def asked(rule: str, needs: Needs) -> Constraints:
    return Constraints((Constraint(rule, needs),))


def test_all_25_rules_are_tried() -> None:
    assert len(RULES) == 25 and set(CASES) == set(RULES)
    for rule, cases in CASES.items():
        said = [wanted for _, texts in cases for wanted in texts.values()]
        assert True in said and False in said, rule
    assert all(rule.__doc__ and len(rule.__doc__) > 20 for rule in RULES.values())


@pytest.mark.parametrize("prefix", ["", "en:"])
@pytest.mark.parametrize("rule", CASES)
def test_rule(rule: str, prefix: str) -> None:
    for given, texts in CASES[rule]:
        said = {text: ifeval.check(asked(prefix + rule, given), text) for text in texts}
        assert {text: answer.value for text, answer in said.items()} == texts
        for answer in said.values():
            assert answer.value is not False or f"{rule} (" in str(answer.note)


def test_the_note_names_what_is_not_followed() -> None:
    task = Constraints((
        Constraint("en:punctuation:no_comma"),
        Constraint("en:length_constraints:number_words", {"relation": "at least", "num_words": 9}),
        Constraint("en:detectable_format:title"),
    ))  # fmt: skip
    assert ifeval.check(task, "<<One>>, two").note == (
        "2 of 3 not followed: punctuation:no_comma (commas: 1); "
        "length_constraints:number_words (words: 2, not at least 9)"
    )


@pytest.mark.parametrize(
    "rule, given, why",
    [
        ("punctuation:no_dots", {}, "'punctuation:no_dots' is not known"),
        ("es:punctuation:no_comma", {}, "is not known"),
        ("keywords:existence", {}, "keywords is None, not a list of texts"),
        ("keywords:existence", {"keywords": ()}, "keywords is empty"),
        ("keywords:existence", {"keywords": "rose"}, "not a list"),
        ("keywords:forbidden_words", {"forbidden_words": ("",)}, "not a list of texts"),
        ("keywords:frequency", {"keyword": "a", "relation": "around", "frequency": 1}, "around"),
        ("keywords:letter_frequency", {"letter": "ab"}, "not one letter"),
        ("length_constraints:number_paragraphs", {"num_paragraphs": 1.5}, "not a whole number"),
        ("length_constraints:number_paragraphs", {"num_paragraphs": -1}, "less than none"),
        ("length_constraints:number_paragraphs", {"num_paragraphs": "2"}, "not a whole number"),
        (
            "length_constraints:nth_paragraph_first_word",
            {"num_paragraphs": 2, "nth_paragraph": 3, "first_word": "a"},
            "nth_paragraph is 3 of 2",
        ),
        ("language:response_language", {"language": "tlh"}, "'tlh', none of"),
        ("combination:repeat_prompt", {"prompt_to_repeat": " "}, "not a text"),
    ],
)
def test_a_task_that_cannot_be_judged_by(rule: str, given: Needs, why: str) -> None:
    """Whatever else the response breaks."""
    task = Constraints((Constraint("punctuation:no_comma"), Constraint(rule, given)))
    for check in (ifeval.check, ifeval_loose.check):
        for text in ("a, b", "a b"):
            found = check(task, text)
            assert found.value is None and why in str(found.unscored)


def test_no_rule_and_whole_floats() -> None:
    assert ifeval.check(Constraints(()), "x").unscored == "the task has no rule"
    task = asked("length_constraints:number_paragraphs", {"num_paragraphs": 1.0})
    assert ifeval.check(task, "x") == Answer(True)


def test_a_language_that_cannot_be_told_is_unscored_unless_another_rule_is_broken() -> None:
    german = Constraint("language:response_language", {"language": "de"})
    task = Constraints((german, Constraint("punctuation:no_comma")))
    found = ifeval.check(task, "Yes")
    assert found.value is None and "cannot be told" in str(found.unscored)
    assert ifeval.check(task, "Yes,").value is False
    assert ifeval_loose.check(task, "Yes\n" + GERMAN.replace(",", "")).value is True


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    for name in ("ifeval", "ifeval-loose"):
        with pytest.raises(InputError, match=r"py3langid: pip install 'trueline\[evaluate\]'"):
            Check(name)
    language._identifier.cache_clear()
    with pytest.raises(InputError, match="evaluate"):
        ifeval.check(asked("language:response_language", {"language": "de"}), GERMAN)
    assert ifeval.check(asked("punctuation:no_comma", {}), GERMAN).value is False
    assert Check("number").by.instrument


@pytest.mark.parametrize("name", ["ifeval", "ifeval-loose"])
def test_the_instrument_hash_covers_the_package(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Check(name).by.instrument
    monkeypatch.setattr(metadata, "version", lambda name: "0.0")
    assert Check(name).by.instrument != before


# ---- loose -----------------------------------------------------------------------------------


def test_the_loose_forms() -> None:
    assert ifeval_loose.forms("a\n*b*\nc") == [
        "a\n*b*\nc", "*b*\nc", "a\n*b*", "*b*", "a\nb\nc", "b\nc", "a\nb", "b",
    ]  # fmt: skip
    assert ifeval_loose.forms("a") == ["a", ""]


def test_loose_and_strict() -> None:
    end = asked("startend:end_checker", {"end_phrase": "Bye!"})
    quoted = asked("startend:quotation", {})
    cases = {
        "Sure:\n\"All.\"": (quoted, True), "\"All.\"\nHope it helps": (quoted, True),
        "Sure:\n\"All.\"\nHope it helps": (quoted, True), "Well. **Bye!**": (end, True),
        "Bye! Sure.": (end, False), "\"All.\"\nHope it\nhelps": (quoted, False),
    }  # fmt: skip
    for text, (task, wanted) in cases.items():
        assert ifeval.check(task, text).value is False, text
        assert ifeval_loose.check(task, text).value is wanted, text
    both = Constraints((*end.rules, *quoted.rules))
    assert ifeval_loose.check(both, '"All."\nBye!').value is True  # by different forms


# ---- sentences -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, count",
    [
        ("", 0), ("...", 0), ("One", 1), ("One.", 1), ("One. Two", 2), ("One... Two?! Three.", 3),
        ("Mr. Smith met Dr. Jones.", 1), ("J. Smith came. He sat.", 2), ("Here am I. You?", 2),
        ("The U.S. Navy came.", 1), ("We live in the U.S. They do not.", 1),
        ("It costs 3.50 euros. Dear!", 2), ("See e.g. Faro.", 1), ("So i.e. and so on.", 1),
        ('"Come!" she said. He came.', 2), ("\"Come.\" He came.", 2), ("(It was so.) It was.", 2),
        ("**Bold.** Plain.", 2), ("1. First\n2. Second", 1), ("1. First.\n2. Second.", 2),
        ("a. First.\nb. Second.", 2), ("Wait... what", 1), ("One.\ntwo.", 2), ("One.Two.", 1),
        ("Apples, pears, etc. Then more.", 2), ("Apples, etc. and more.", 1),
        ("It lay in the sun. It shone.", 2), ("Say no. Then go.", 2), ("See no. 5 there. Go.", 2),
        ("In Jan. 2020 it ended.", 1), ("He met Mr. and Mrs. Brook.", 1), ("a b c. 4 d.", 2),
        ("He was 12. She too.", 2),
        ("Ja. 我来了。你呢？", 3), ("नमस्ते। आप कैसे हैं?", 2), ("Is it 5 p.m. already?", 1),
        ("Visit example.com today.", 1), ("Yes!Yes! No", 2), ("¡Hola! ¿Qué tal?", 2),
    ],
)  # fmt: skip
def test_sentences(text: str, count: int) -> None:
    assert sentences(text) == count


# ---- hostile text, and the real data -----------------------------------------------------------

HOSTILE = {
    "open brackets": "[" * 250_000,
    "a bracket": "[" + "a" * 250_000,
    "brackets apart": "[a" * 125_000,
    "a title": "<<" + "a" * 250_000,
    "titles": "<<a" * 75_000,
    "a star": "*" + "a" * 250_000,
    "stars apart": "*a " * 75_000,
    "stars": "*" * 250_000,
    "star lines": "***\n" * 62_500,
    "sixes": "******a" * 35_000,
    "a bullet": "- " + "-" * 250_000 + "x",
    "bullets": "* x\n" * 62_500,
    "spaced bullet": "*" + " " * 250_000 + "x",
    "stops": "." * 250_000 + "x",
    "closed": "." + ")" * 250_000 + "x",
    "closed stops": ".)" * 125_000,
    "letters": "A. b. " * 42_500,
    "initials": "A." * 125_000,
    "lines": "\n" * 250_000 + "x",
    "spaces": " " * 250_000 + "x",
    "quotes": '"' * 250_000,
    "fence": "```json" + " " * 250_000,
    "open JSON": '{"a":' * 50_000,
    "JSON digits": "1" * 250_000,
    "sections": "SECTION 1" * 27_500,
    "section digits": "SECTION " + "1" * 250_000 + "a",
    "markers": "P.S" * 82_500,
    "words": "rose garden " * 20_750,
    "one word": "a" * 250_000,
    "capitals": "A" * 250_000,
    "full stops": "。" * 250_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_takes_no_long_time(kind: str) -> None:
    """A quarter of a megabyte, on which a pattern that backtracks takes minutes, or for ever."""
    for rule, cases in CASES.items():
        for given, _ in cases[:1]:
            start = time.process_time()
            found = ifeval.check(asked(rule, given), HOSTILE[kind])
            assert isinstance(found.value, bool) or "told" in str(found.unscored)
            assert time.process_time() - start < 1, (rule, kind)
            assert len(found.note or found.unscored or "") < 400


def data(folder: Path) -> list[Constraints]:
    found = []
    for line in (folder / "hierarchy" / "ifeval.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        found.append(
            Constraints(
                tuple(
                    Constraint(
                        rule, {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
                    )
                    for rule, given in zip(row["instruction_id_list"], row["kwargs"], strict=True)
                )
            )
        )
    return found


def test_every_task_of_the_real_data_can_be_judged_by(shared_data: Path) -> None:
    tasks = data(shared_data)
    used = {each.rule.removeprefix("en:") for task in tasks for each in task.rules}
    assert len(tasks) == 541 and used == set(RULES)
    for check in (ifeval.check, ifeval_loose.check):
        said = [check(task, ENGLISH) for task in tasks]
        assert [answer.unscored for answer in said if answer.unscored] == []
        assert 0 < sum(answer.value is True for answer in said) < 200
    assert {n for task in tasks for c in task.rules if (n := c.needs.get("language"))} <= (
        language.LANGUAGES
    )


def test_relations() -> None:
    for name, wanted in {
        "at least": (False, True, True),
        "at most": (True, True, False),
        "more than": (False, False, True),
        "less than": (True, False, False),
    }.items():
        given: Needs = {"relation": name, "n": 5}
        found = [needs.related(i, given, "relation", "n", "x") is None for i in (4, 5, 6)]
        assert tuple(found) == wanted
    assert sys.version_info >= (3, 11)  # possessive patterns
