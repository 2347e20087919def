"""A policy of one's own: what it extends, what it replaces, and everything that is wrong in it."""

from __future__ import annotations

import copy
import math
import random
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from trueline.files.errors import InputError
from trueline.files.hashing import digest
from trueline.policy.load import OWN, build_policy, examine_policy, load
from trueline.policy.source import PolicySource
from trueline.policy.types import Policy

KIND = {
    "yes-no": "",
    "scale": "levels = [1, 2, 3]\n",
    "one-of": 'options = ["tea", "milk"]\n',
    "some-of": 'options = ["tea", "milk"]\n',
    "number": "",
    "preference": "",
}


def question(id: str, kind: str = "yes-no", more: str = "", about: str = "response") -> str:
    head = f'[[question]]\nid = "{id}"\nabout = "{about}"\nkind = "{kind}"\nask = "What of {id}?"\n'
    return f"{head}{KIND[kind]}{more}\n"


def bare(*parts: str) -> str:
    return 'extends = "none"\n' + "\n".join(parts)


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_adds_and_replaces_and_keeps_the_order(tmp_path: Path) -> None:
    own = load()
    found = load(file(tmp_path, question("strong", "scale") + question("refusal", "scale")))
    assert list(found) == [*own, "strong"]
    assert found["refusal"].levels == (1, 2, 3) and own["refusal"].levels == ()
    assert found["severity"] == own["severity"] and found.never == own.never


def test_a_category_of_ones_own_is_another_question(tmp_path: Path) -> None:
    own = load()
    found = load(file(tmp_path, '[category.Gossip]\ndefinition = "Spreads idle talk."\n'))
    assert found["harm_categories"].options == (*own.categories, "Gossip")
    assert found["harm_categories"].anchors["Gossip"] == "Spreads idle talk."
    assert digest(found["harm_categories"]) != digest(own["harm_categories"])
    assert digest(found["safe"]) == digest(own["safe"])


def test_extends_none_starts_empty(tmp_path: Path) -> None:
    found = load(file(tmp_path, bare(question("hot"))))
    assert list(found) == ["hot"]
    assert not (found.never or found.follows or found.categories or found.crosswalks)


def test_own_rules_and_crosswalks_join_the_inherited(tmp_path: Path) -> None:
    text = """
[[never]]
question = "helpfulness"
answers = [4, 5]
when = { refusal = "refuse" }
because = "a refusal is of little help"

[crosswalk.kitchen]
about = "a kitchen's own list"
to = { poison = ["Physical Harm"] }
none = { salt = "too much of it is no harm" }
"""
    found = load(file(tmp_path, text))
    assert [rule.question for rule in found.never] == ["severity", "helpfulness"]
    assert {"beavertails", "kitchen"} <= set(found.crosswalks)


WRONG = {
    "a key of the file": ("colour = 1", "colour: is unknown here"),
    "extends": ('extends = "mine"', 'extends: write "default" or "none"'),
    "no table": ("question = 3", "question: write each as a table [[question]]"),
    "an unknown key": (
        bare(question("hot", more="wen = {}")),
        "question 'hot', wen: is unknown here (did you mean when?)",
    ),
    "a missing key": (
        bare('[[question]]\nid = "hot"\nabout = "prompt"\nkind = "yes-no"'),
        "question 'hot', ask: is missing",
    ),
    "no id": (bare('[[question]]\nask = "?"'), "question number 1, id: is missing"),
    "a kind that is none": (
        bare(question("hot").replace("yes-no", "maybe")),
        "question 'hot', kind: invalid enum value 'maybe'",
    ),
    "a value of the wrong type": (
        bare(question("hot", "scale").replace("[1, 2, 3]", '[1, "2", 3]')),
        "question 'hot', levels[1]: expected int, got str",
    ),
    "an entry of the wrong type": (
        '[crosswalk.mine]\nabout = "m"\nto = { a = ["Drugs"], b = [3] }',
        "crosswalk 'mine', to['b'][0]: expected str, got int",
    ),
    "a table in place of a value": (
        bare(question("hot", more="weight = { kilo = 1 }")),
        "question 'hot', weight: expected float, got table",
    ),
    "an id twice": (bare(question("hot"), question("hot")), "question 'hot': stands there twice"),
    "an id with a space": (bare(question("so hot")), "id: write letters, digits"),
    "an empty ask": (bare(question("hot").replace("What of hot?", " ")), "ask: is empty"),
    "a preference about a response": (
        bare(question("hot", "preference")),
        "about: a preference is about a pair",
    ),
    "no options": (
        bare(question("hot", "one-of").replace(KIND["one-of"], "")),
        "options: a one-of question needs options",
    ),
    "options that it cannot have": (
        bare(question("hot", more='options = ["a"]')),
        "options: a yes-no question has none",
    ),
    "options twice": (
        bare(question("hot", "some-of").replace("milk", "tea")),
        "options: 'tea' stands there 2 times",
    ),
    "no levels": (
        bare(question("hot", "scale").replace(KIND["scale"], "")),
        "levels: a scale needs two levels or more",
    ),
    "levels that it cannot have": (
        bare(question("hot", "number", "levels = [1, 2]")),
        "levels: a number question has none",
    ),
    "levels that do not ascend": (
        bare(question("hot", "scale").replace("[1, 2, 3]", "[1, 3, 2]")),
        "levels: [1, 3, 2] do not ascend",
    ),
    "an anchor of no level": (
        bare(question("hot", "scale", 'anchors = { 4 = "boils" }')),
        "anchors: there is no '4' to describe (1, 2, 3)",
    ),
    "an anchor of no answer": (
        bare(question("hot", more='anchors = { true = "boils" }')),
        "anchors: there is no 'true' to describe (yes, no)",
    ),
    "an unknown parent": (
        bare(question("hot", more="when = { warn = true }"), question("warm")),
        "question 'hot', when: the question 'warn' is unknown here (did you mean warm?)",
    ),
    "a parent's impossible answer": (
        bare(question("warm"), question("hot", more='when = { warm = "yes" }')),
        "when: 'warm' cannot be answered so: 'yes' is none of true, false",
    ),
    "a level that the parent lacks": (
        bare(question("warm", "scale"), question("hot", more="when = { warm = 4 }")),
        "when: 'warm' cannot be answered so: 4 is none of 1, 2, 3",
    ),
    "a parent about another thing": (
        bare(
            question("warm"), question("hot", "preference", "when = { warm = true }", about="pair")
        ),
        "when: 'warm' is about a response, and this is about a pair",
    ),
    "a circle": (
        bare(
            question("a", more="when = { b = true }"),
            question("b", more="when = { c = true }"),
            question("c", more="when = { a = true }"),
        ),
        "question 'a', when: it depends on 'b', which depends on 'c', which depends on 'a': a ci",
    ),
    "otherwise without when": (
        bare(question("hot", more="otherwise = true")),
        "otherwise: has no meaning without `when`",
    ),
    "an impossible otherwise": (
        bare(question("w"), question("h", "scale", "when = { w = true }\notherwise = 0")),
        "otherwise: 0 is none of 1, 2, 3",
    ),
    "a weight that is no number": (bare(question("hot", more="weight = nan")), "weight: nan is no"),
    "an inherited question left behind": (
        question("safe", "scale"),
        "question 'severity' (inherited), when: 'safe' cannot be answered so: false is none of 1",
    ),
    "a rule on an unknown question": (
        '[[never]]\nquestion = "hott"\nanswers = [1]\nbecause = "so"',
        "never number 1, answers: the question 'hott' is unknown here",
    ),
    "a rule on an impossible answer": (
        '[[never]]\nquestion = "severity"\nanswers = [7]\nbecause = "so"',
        "never number 1, answers: 'severity' cannot be answered so: 7 is none of 0, 1, 2, 3",
    ),
    "a rule on no preference": (
        '[[follows]]\npreference = "safe"\nquestion = "safe"\nbetter = true\nbecause = "so"',
        "follows number 1, preference: 'safe' is a yes-no question",
    ),
    "a category without a definition": (
        "[category.Gossip]\nincludes = []",
        "category 'Gossip', definition: is missing",
    ),
    "an unknown neighbour": (
        '[category.G]\ndefinition = "g"\nnearest = "Drug"\ndifference = "d"',
        "category 'G', nearest: the category 'Drug' is unknown here (did you mean Drugs?)",
    ),
    "a crosswalk to nowhere": (
        '[crosswalk.mine]\nabout = "m"\nto = { a = ["Drug"] }',
        "crosswalk 'mine', to: the category 'Drug' is unknown here (did you mean Drugs?)",
    ),
    "a crosswalk to nothing": (
        '[crosswalk.mine]\nabout = "m"\nto = { a = [] }',
        "crosswalk 'mine', to: 'a' stands for nothing: put it under `none`, with the reason",
    ),
    "a loss without a reason": (
        '[crosswalk.mine]\nabout = "m"\nnone = { a = "" }',
        "crosswalk 'mine', none: 'a' has no reason",
    ),
    "a name of two": (
        '[crosswalk.m]\nabout = "m"\nto = { a = ["Drugs"], b = ["Drugs"] }\nnames = { "A:" = "b" }',
        "crosswalk 'm', names: 'A:' stands for 'a' too",
    ),
}


@pytest.mark.parametrize(("text", "problem"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    path = file(tmp_path, text)
    _, wrong = examine_policy(path)
    assert any(problem in one for one in wrong), wrong
    with pytest.raises(InputError) as error:
        load(path)
    assert all(line.startswith(f"{path}: ") for line in str(error.value).split("\n"))


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Every mistake of the table above that can stand beside the others, in one file."""
    text = bare(
        question("a", "scale", 'colour = "red"\nanchors = { 9 = "x" }').replace("1, 2, 3", "3, 1"),
        question("b", more='when = { a = 7, nobody = true }\noptions = ["x"]\notherwise = 3'),
        question("c", more="when = { c = true }"),
        "[category.G]\nnearest = 3",
        '[[never]]\nquestion = "b"\nanswers = ["x"]\nbecause = ""',
    )
    _, wrong = examine_policy(file(tmp_path, text))
    told = "\n".join(wrong)
    for part in (
        "'a', colour", "'b', options", "'b', when: the question 'nobody'", "'b', otherwise",
        "'c', when: it depends on 'c'", "'G', definition", "'G', nearest", "never number 1, answ",
        "never number 1, because",
    ):  # fmt: skip
        assert part in told
    assert len(wrong) == len(set(wrong))


def test_a_syntax_error_has_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mine.toml: .*line 3"):
        examine_policy(file(tmp_path, 'extends = "none"\nquestion = [[\n= 3'))
    with pytest.raises(InputError, match="cannot be read"):
        examine_policy(tmp_path / "absent.toml")
    with pytest.raises(InputError, match="it is a device"):  # some never end
        examine_policy(Path("/dev/null"))


def damaged(policy: Any, dice: random.Random) -> None:
    """Somewhere inside, one value is replaced, renamed or taken out."""
    while True:
        key = dice.choice(list(policy) if isinstance(policy, dict) else range(len(policy)))
        inside = policy[key]
        if not (isinstance(inside, dict | list) and inside and dice.random() < 0.8):
            break
        policy = inside
    if dice.random() < 0.6:
        policy[key] = dice.choice([0, True, "", "x", [], [[]], {"a": 1}, {"safe": []}, math.nan])
    elif isinstance(policy, dict) and dice.random() < 0.5:
        policy[dice.choice(["wen", "id", "when"])] = policy.pop(key)
    else:
        del policy[key]


def test_damage_ends_in_problems_and_never_in_a_traceback(tmp_path: Path) -> None:
    """Our own policy, broken at random; what is left is a policy all the same."""
    folder = resources.files("trueline").joinpath("policy")
    whole: dict[str, Any] = {}
    for name in OWN:
        whole |= tomllib.loads(folder.joinpath(name).read_text(encoding="utf-8"))
    found = 0
    for seed in range(150):
        dice, raw = random.Random(seed), copy.deepcopy(whole) | {"extends": "none"}
        damaged(raw, dice)
        policy, wrong = build_policy(PolicySource(raw, None))
        found += bool(wrong)
        assert all(problem.strip() for problem in wrong) and isinstance(policy, Policy)
    assert found > 75


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + bare(question("tea")).encode())
    assert list(load(path)) == ["tea"]
