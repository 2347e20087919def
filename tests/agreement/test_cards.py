"""Cards are made, kept, joined and found by instrument; the shipped instruments have theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agreement.rated import A, B, C, label, made

from trueline.agreement import cards
from trueline.agreement.agree import Options, agree
from trueline.files.errors import InputError
from trueline.labellers.refusal.refusal import Refusal
from trueline.records.store import dataset, jsonl
from trueline.records.types import Example, LabellerId, with_labels, with_tags


def data(path: Path, count: int = 80, wrong: int = 10, fails: int = 0, by: LabellerId = C) -> Path:
    """Examples that two people rate alike; the instrument errs on some and fails on others."""
    examples: list[Example] = []
    for n in range(count):
        example = with_tags(made(n), f"lang:{'de' if n % 4 else 'en'}")
        said = (n % 2 == 0) != (n < wrong)
        given = label(example, "safe", by, None if n >= count - fails else said, probability=0.9)
        people = (label(example, "safe", person, n % 2 == 0) for person in (A, B))
        examples.append(with_labels(example, *people, given))
    jsonl.write(path, examples)
    return path


def measured(source: Path, out: Path, **more: object) -> list[Path]:
    asked = {"reference": ("person",), "group_by": "language", "card": out} | more
    return agree(Options(data=source, **asked)).cards  # type: ignore[arg-type]


def test_a_card_is_made_of_an_instrument_and_found_by_its_hash(tmp_path: Path) -> None:
    [path] = measured(data(tmp_path / "data.jsonl"), tmp_path / "cards")
    assert path == tmp_path / "cards" / f"{C.instrument}.json"
    card = cards.find_card(C.instrument, [tmp_path / "cards"])
    assert card is not None and (card.kind, card.name) == ("judge", "judge")
    [one] = card.entries
    assert one.against == ("person Ada", "person Ben") and one.data.name == "data.jsonl"
    assert (one.items, one.asked, one.scored, one.raw_agreement) == (80, 160, 160, 70 / 80)
    assert one.alpha is not None and one.alpha.low is not None
    assert one.confusion is not None and one.confusion.counts == [[70, 10], [10, 70]]
    assert one.calibration is not None and one.calibration.error == pytest.approx(0.025)
    assert list(one.groups) == ["de"]  # of "en" there are 20
    told = cards.format_card(card)
    assert told[0] == "agreement card of judge judge (abababab):"
    assert told[1].startswith("  safe, against person Ada and person Ben: α 0.7")
    assert "agreed 87.5%" in told[1] and "80 items of data.jsonl" in told[2]
    assert any(line.strip().startswith("lowest: de α") for line in told)
    assert "request" not in path.read_text() and "answer 0" not in path.read_text()


def test_measured_again_and_elsewhere(tmp_path: Path) -> None:
    source, out = data(tmp_path / "data.jsonl"), tmp_path / "cards"
    measured(source, out)
    measured(source, out)
    measured(data(tmp_path / "other.jsonl", count=40), out)
    measured(data(tmp_path / "more.jsonl", count=50), tmp_path / "b")
    one = cards.find_card(C.instrument, [out])
    assert one is not None and [m.items for m in one.entries] == [80, 40]
    both = cards.find_card(C.instrument, [out, tmp_path / "b"])
    assert both is not None and [m.items for m in both.entries] == [80, 40, 50]


def test_an_instrument_that_failed_has_a_card_without_a_figure(tmp_path: Path) -> None:
    source = data(tmp_path / "data.jsonl", fails=24)
    outcome = agree(Options(data=source, reference=("person",), card=tmp_path / "cards"))
    assert not outcome.sound
    card = cards.find_card(C.instrument, [tmp_path / "cards"])
    assert card is not None
    [one] = card.entries
    assert (one.alpha, one.raw_agreement, one.scored, one.asked) == (None, None, 112, 160)
    assert (one.least, one.most) == (92 / 160, 140 / 160)
    assert "no figure: too few answers" in cards.format_card(card)[1]
    assert "answered 112 of 160" in cards.format_card(card)[2]


def test_where_nothing_is_known_that_is_said(tmp_path: Path) -> None:
    assert cards.find_card("ff" * 16, [tmp_path]) is None and cards.find_card(None) is None
    assert cards.format_card(None) == [
        "no agreement card for this instrument: its error is not known"
    ]
    measured(data(tmp_path / "data.jsonl"), tmp_path / "cards")
    card = cards.find_card(C.instrument, [tmp_path / "cards"])
    assert cards.format_card(card, ["severity"]) == [f"{cards.UNKNOWN} on these questions"]


def test_a_hash_from_elsewhere_is_no_path(tmp_path: Path) -> None:
    strange = LabellerId("judge", "judge", "../../escaped")
    source = data(tmp_path / "data.jsonl", by=strange)
    [path] = measured(source, tmp_path / "a" / "cards")
    assert path.parent == tmp_path / "a" / "cards" and not (tmp_path / "escaped.json").exists()
    found = cards.find_card("../../escaped", [path.parent])
    assert found is not None and found.instrument == "../../escaped"


def test_a_file_that_is_no_card_is_named(tmp_path: Path) -> None:
    [path] = measured(data(tmp_path / "data.jsonl"), tmp_path)
    whole = path.read_text()
    for text, match in [
        ("{}", "is no agreement card"),
        (whole[:200], "is no agreement card"),
        (whole.replace('"trueline": 1,', '"trueline": 2,', 1), "newer trueline"),
    ]:
        path.write_text(text)
        with pytest.raises(InputError, match=match):
            cards.find_card(C.instrument, [tmp_path])


def test_a_card_needs_an_instrument_and_a_reference(tmp_path: Path) -> None:
    source = data(tmp_path / "data.jsonl")
    with pytest.raises(InputError, match="people have no card"):
        measured(source, tmp_path / "cards", labeller=("Ada",), reference=("Ben",))
    with pytest.raises(InputError, match="--card needs --reference"):
        measured(source, tmp_path / "cards", reference=())


def test_the_digest_covers_the_data_and_the_labels(tmp_path: Path) -> None:
    one, other = data(tmp_path / "one.jsonl"), data(tmp_path / "two.jsonl", count=81)
    writer = dataset.Writer(tmp_path / "labels")
    writer.close(complete=True)
    outcome = Options(data=one)
    from trueline.agreement.agree import _examples
    from trueline.agreement.answers import collect_answers
    from trueline.policy.load import load

    found = collect_answers(_examples(outcome), load())
    digests = {
        cards.describe_data(found, path, labels).digest
        for path, labels in [(one, ()), (other, ()), (one, (tmp_path / "labels",))]
    }
    assert len(digests) == 3


def test_the_bundled_classifier_comes_with_its_card() -> None:
    card = cards.find_card(Refusal().by.instrument, [])
    assert card is not None, "make it: python benchmarks/agreement_xstest.py --cards"
    assert {one.question for one in card.entries} == {"refusal"}
    assert len(card.entries) == 3
    assert all(one.alpha is not None and one.asked == one.scored for one in card.entries)
    assert all(len(one.against) == 2 and one.items == 450 for one in card.entries)
