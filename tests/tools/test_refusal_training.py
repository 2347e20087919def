"""The refusal classifier's training: the same seed gives the same weights, and they have learnt."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from tools.refusal import evaluate, real
from tools.refusal.documents import KINDS, PLANS, Maker
from tools.refusal.draw import TABLES, WORDS, fill, table, topics
from tools.refusal.train import (
    ALLOWED,
    guessed,
    learn_acts,
    learn_texts,
    lesson,
    read_lessons,
    train,
)

from trueline.files.errors import InputError
from trueline.labellers.refusal import refusal
from trueline.labellers.refusal import text as rt


def test_equal_seeds_give_equal_weights_that_have_learnt() -> None:
    lessons = [[lesson(d) for d in Maker(seed, 0, 2).documents(40)] for seed in (3, 4)]
    acts, again = (learn_acts(lessons[0], 3, passes=3) for _ in range(2))
    np.testing.assert_array_equal(acts, again)
    right = sum(
        int((acts[b].sum(axis=0) / len(b) ** 0.5 + acts[-1]).argmax() == a)
        for item in lessons[1]
        for b, a in zip(item.buckets, item.acts, strict=True)
    )
    known = [a for item in lessons[1] for a in item.acts if a >= 0]
    assert right > 1.25 * max(Counter(known).values())

    rng = np.random.default_rng(1)
    rows = rng.normal(size=(90, rt.FEATURES)).astype(np.float32)
    values = rows[:, :3].argmax(axis=1)
    one, other = (learn_texts(rows, values, np.ones(90), 3, steps=150) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
    given = np.tanh(rows @ one[0].T + one[1]) @ one[2].T + one[3]
    assert (given.argmax(axis=1) == values).mean() > 0.8


def test_the_shipped_weights_read_what_was_written_by_hand_as_their_card_says() -> None:
    counts = evaluate.confusion(partial(evaluate.answer, refusal.shipped()[0]), evaluate.by_hand())
    comply, part, refuse = np.diag(counts)
    told = (
        resources.files("trueline")
        .joinpath("labellers/refusal/CARD.md")
        .read_text(encoding="utf-8")
    )
    of, right = ", ".join(map(str, counts.sum(axis=1)[:2])), f"{comply}, {part} and {refuse}"
    all_of_them = f"{counts.trace()} of {counts.sum()} by hand ({of} and {counts[2].sum()} of "
    assert all_of_them + f"comply, partial, refuse: {right} right)" in told
    assert comply > 0.9 * counts[0].sum() and part > 0.4 * counts[1].sum()


def test_every_template_fills_and_every_plan_can_be_drawn() -> None:
    rng, known = random.Random(1), topics()
    about = {word: table(name)[word][0] for word, name in WORDS.items()}
    for name in sorted(path.stem for path in TABLES.glob("*.toml") if path.stem != "topics"):
        for kind, templates in table(name).items():
            for template in templates if kind not in WORDS else ():
                text = fill(template, rng.choice(known) | about, rng)
                assert text and not set("{}|") & set(text), template
    letters = {letter for plans in PLANS.values() for plan, _ in plans for letter in plan.lower()}
    assert letters <= {*KINDS, "a", "h", "k", "n", "w"}


@pytest.mark.parametrize("part", range(4))
def test_sentences_keep_the_act_that_they_were_drawn_for(part: int) -> None:
    for document in Maker(5, part, 4).documents(30):
        read = lesson(document)
        known = {rt.ACTS[a] for a in read.acts if a >= 0}
        assert known <= {piece.act for piece in document.pieces}
        assert len(read.acts) == len(read.buckets) >= 1


def test_answers_read_teach_the_whole_and_two_runs_agree() -> None:
    rows = real.whole()
    learnt = [r for r in rows if not real.held_out(r.group)]
    weights, again = (train(3, 60, [], learnt, passes=4) for _ in range(2))
    for one, other in zip(weights, again, strict=True):
        np.testing.assert_array_equal(one, other)
    held = [(r.prompt, r.text, r.value) for r in rows if real.held_out(r.group)]
    counts = evaluate.confusion(partial(evaluate.answer, weights), held)
    assert evaluate.alpha(counts) > 0.2


def test_what_a_sentence_does_is_guessed_among_what_the_label_allows() -> None:
    table = refusal.shipped()[0].acts.astype(np.float32)
    found = [guessed(table, item) for part in read_lessons(real.whole()) for item in part]
    assert len(found) == len(real.whole())
    for item in found:
        assert {rt.ACTS[a] for a in item.acts if a >= 0} <= set(ALLOWED[item.value])
    refusing = [item.acts[0] for item in found if item.value == "refuse"]
    assert Counter(refusing)[rt.ACTS.index("decline")] > len(refusing) / 4


def test_whole_answers_differ_and_every_request_has_more_than_one_value() -> None:
    rows = real.whole()
    assert len({(r.prompt, r.text) for r in rows}) == len(rows) > 300
    values = {r.group: {o.value for o in rows if o.group == r.group} for r in rows}
    assert all(len(found) > 1 for found in values.values())


def test_labels_find_their_texts_and_about_a_third_is_held_out(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUELINE_SHARED_DATA", str(shared_data))
    rows = list(real.labelled())
    assert len(rows) > 1000 and {r.value for r in rows} == set(refusal.ANSWERS)
    assert all(row.text.strip() and row.prompt.strip() for row in rows)
    assert 0.25 < sum(real.held_out(row.group) for row in rows) / len(rows) < 0.42


def test_a_label_whose_text_has_changed_is_an_error(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUELINE_SHARED_DATA", str(shared_data))
    head, first, *_ = real.LABELS.read_text(encoding="utf-8").splitlines()
    file, row, answer, digest, value = first.split(",")
    changed = ",".join((file, row, answer, digest[::-1], value))
    monkeypatch.setattr(real, "LABELS", tmp_path / "labels.csv")
    (tmp_path / "labels.csv").write_text(f"{head}\n{changed}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"labels.csv, line 2: row 0 of .*not the text"):
        list(real.labelled())
