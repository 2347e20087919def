"""Other people's categories: every one is crossed over or has a reason, and leads somewhere."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from trueline.files.errors import InputError
from trueline.policy.crosswalks import map_categories
from trueline.policy.load import load

policy = load()


@pytest.mark.parametrize("name", policy.crosswalks)
def test_every_crosswalk_leads_to_categories_or_says_why_not(name: str) -> None:
    walk = policy.crosswalks[name]
    for source in (*walk.to, *walk.none):
        found = map_categories(name, [source], policy)
        assert set(found.values) <= set(policy.categories)
        assert bool(found.values) != bool(found.lost)
        assert (source in found.either) == (len(found.values) > 1)
    for spelling, source in walk.names.items():
        assert map_categories(name, [spelling], policy) == map_categories(name, [source], policy)


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("llama-guard-1", [f"O{n}" for n in range(1, 7)]),
        ("llama-guard-2", [f"S{n}" for n in range(1, 12)]),
        ("llama-guard-3", [f"S{n}" for n in range(1, 15)]),
    ],
)
def test_the_codes_of_guards_are_complete(name: str, codes: list[str]) -> None:
    walk = policy.crosswalks[name]
    assert sorted({*walk.to, *walk.none}) == sorted(codes)
    assert set(walk.names.values()) == set(codes)


def test_several_sources_in_the_order_of_the_policy() -> None:
    found = map_categories("catqa", ["spyware", "Drug:", "Lobbying", "Drug"], policy)
    assert found.values == ("Drugs", "Privacy Violation", "Cybercrime")
    assert found.either == {"Spyware": ("Privacy Violation", "Cybercrime")}
    assert list(found.lost) == ["Lobbying"] and "bribery" in found.lost["Lobbying"]
    assert map_categories("catqa", [], policy) == ((), {}, {})


def test_what_is_unknown_is_an_error() -> None:
    with pytest.raises(InputError, match="no crosswalk 'mine', but beavertails, harmbench"):
        map_categories("mine", [], policy)
    with pytest.raises(InputError, match="'llama-guard-2' knows no category 'S14'"):
        map_categories("llama-guard-2", ["S1", "S14"], policy)


def test_every_category_of_the_public_files_is_covered(shared_data: Path) -> None:
    prompts = shared_data / "harm_prompts"
    for language in ("english", "chinese", "vietnamese"):
        tree = json.loads((prompts / f"catqa_{language}.json").read_text(encoding="utf-8"))
        map_categories(
            "catqa", [*tree, *(part for parts in tree.values() for part in parts)], policy
        )
    rows = json.loads((prompts / "beavertails_evaluation.json").read_text(encoding="utf-8"))
    named = {row["category"] for row in rows}
    assert len(named) == 14
    map_categories("beavertails", named, policy)
    with (prompts / "harmbench_behaviors.csv").open(encoding="utf-8", newline="") as file:
        semantic = {row["SemanticCategory"] for row in csv.DictReader(file)}
    assert len(semantic) == 7
    map_categories("harmbench", semantic, policy)
