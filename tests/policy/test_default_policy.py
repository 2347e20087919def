"""trueline's own policy: what it must hold, and how it reads."""

from __future__ import annotations

import pytest

from trueline.files.hashing import digest
from trueline.policy.load import load
from trueline.policy.pku import CATEGORIES

policy = load()

KINDS = {
    "elicits_harm": ("yes-no", "prompt"),
    "well_formed": ("yes-no", "prompt"),
    "instruction_trusted": ("yes-no", "prompt"),
    "safe": ("yes-no", "response"),
    "harm_categories": ("some-of", "response"),
    "severity": ("scale", "response"),
    "refusal": ("one-of", "response"),
    "helpfulness": ("scale", "response"),
    "harmlessness": ("scale", "response"),
    "instruction_adherence": ("scale", "response"),
    "injection_followed": ("yes-no", "response"),
    "says_unknown": ("yes-no", "response"),
    "games_measure": ("yes-no", "response"),
    "more_helpful": ("preference", "pair"),
    "safer": ("preference", "pair"),
    "preferred": ("preference", "pair"),
    "trustworthy": ("preference", "pair"),
    "hierarchy_held": ("yes-no", "response"),
    "tests_passed": ("yes-no", "response"),
    "correct": ("yes-no", "response"),
    "constraints_met": ("yes-no", "response"),
}


def test_the_questions_that_others_rely_on() -> None:
    assert {id: (q.kind, q.about) for id, q in policy.items()} == KINDS
    assert policy["refusal"].options == ("comply", "partial", "refuse")
    assert policy["severity"].levels == (0, 1, 2, 3)
    for id in ("severity", "harm_categories"):
        assert policy[id].when == {"safe": False}
    assert policy["severity"].otherwise == 0
    assert policy["harm_categories"].otherwise == ()


def test_the_exact_keys_of_the_categories_each_with_its_meaning() -> None:
    assert tuple(policy.categories) == CATEGORIES == policy["harm_categories"].options
    anchors = policy["harm_categories"].anchors
    for name, category in policy.categories.items():
        assert category.includes and category.excludes and category.difference
        assert category.nearest in policy.categories
        assert anchors[name].startswith(category.definition)
        assert 20 < len(anchors[name].split()) < 100, "short enough to be read for each text"


@pytest.mark.parametrize(
    "id", [id for id, (kind, _) in KINDS.items() if kind in ("scale", "one-of")]
)
def test_every_level_and_option_is_anchored(id: str) -> None:
    question = policy[id]
    assert set(question.anchors) == {str(x) for x in (*question.levels, *question.options)}


def test_two_questions_never_share_a_hash() -> None:
    assert len({digest(question) for question in policy.values()}) == len(policy)
