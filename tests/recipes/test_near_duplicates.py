"""Near-duplicates are found, and nothing else is."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator

import pytest

from trueline.files.errors import InputError
from trueline.policy.load import load
from trueline.recipes.filters.near_duplicates import (
    Index,
    bands,
    jaccard,
    near_duplicates,
    prompt_text,
    shingles,
)
from trueline.records.types import Example, Message
from trueline.runs.context import RunContext
from trueline.runs.stage import Rejected


def test_case_and_punctuation_do_not_matter_and_order_does() -> None:
    assert shingles("Bake a cake!") == shingles("bake  a CAKE")
    assert jaccard(shingles("the dog bit the man"), shingles("the man bit the dog")) < 0.8


def test_every_pair_above_the_threshold_is_found_and_none_below() -> None:
    rng = random.Random(1)
    words = [f"w{i}" for i in range(400)]
    index = Index(0.8)
    kept = [" ".join(rng.choices(words, k=40)) for _ in range(300)]
    for number, text in enumerate(kept):
        index.add(text, str(number))
    found = missed = 0
    for number, text in enumerate(kept):
        parts = text.split()
        for edits in (1, 2, 8):
            changed = parts.copy()
            for place in rng.sample(range(len(parts)), edits):
                changed[place] = rng.choice(words)
            similar = jaccard(shingles(" ".join(changed)), shingles(text)) >= 0.8
            hit = index.find(" ".join(changed))
            assert (hit is not None and hit[0] == str(number)) or not similar or hit is None
            found += similar and hit is not None
            missed += similar and hit is None
            assert similar or hit is None
    assert found > 300 and missed <= 0.01 * (found + missed)


async def test_the_first_of_each_group_stays() -> None:
    texts = ["Bake a cake for me", "bake a cake for me!", "Feed the dog", "Bake a cake for me."]
    given = [Example.new([Message("user", t)], occurrence=i) for i, t in enumerate(texts)]

    async def stream() -> AsyncGenerator[Example]:
        for example in given:
            yield example

    context = RunContext(load())
    table = near_duplicates(context, text_of=prompt_text, what="instruction", threshold=0.8)
    out = [item async for item in table(stream())]
    assert [isinstance(item, Rejected) for item in out] == [False, True, False, True]
    assert isinstance(out[1], Rejected) and given[0].id in out[1].detail


def test_an_impossible_threshold_is_an_error() -> None:
    with pytest.raises(InputError, match="threshold"):
        Index(1.5)


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.7, 0.8, 0.95, 1.0])
def test_bands_fit_the_threshold(threshold: float) -> None:
    cut = bands(threshold)
    assert (1 - threshold ** (128 / cut)) ** cut <= 1e-5
    index = Index(threshold)
    index.add("bake a cake", "cake")
    assert index.find("Bake a cake!") == ("cake", 1.0)


def test_a_loose_threshold_finds_its_pairs() -> None:
    rng = random.Random(2)
    words = [f"w{i}" for i in range(400)]
    kept = [rng.choices(words, k=40) for _ in range(100)]
    index = Index(0.4)
    for number, parts in enumerate(kept):
        index.add(" ".join(parts), str(number))
    for number, parts in enumerate(kept):
        changed = " ".join([*parts[:26], *rng.choices(words, k=14)])
        if jaccard(shingles(changed), shingles(" ".join(parts))) >= 0.4:
            found = index.find(changed)
            assert found is not None and found[0] == str(number)
