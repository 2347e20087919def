"""A field that a type gains is stored, read and checked at once: nothing else lists fields."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from trueline.records.store import parquet
from trueline.records.store.parquet import Table
from trueline.records.store.validate import why_invalid
from trueline.records.types import Example, Label, LabellerId, Message, Question, Response


class Cost(Struct, frozen=True, omit_defaults=True):
    currency: str
    amount: float | None = None
    parts: tuple[int, ...] = ()


class PricedExample(Example, frozen=True, omit_defaults=True):
    cost: Cost | None = None
    costs: tuple[Cost, ...] = ()
    limits: dict[str, int | float] = msgspec.field(default_factory=dict)
    answer: bool | int | float | str | tuple[str, ...] | None = None


class PricedLabel(Label, frozen=True, omit_defaults=True):
    cost: Cost | None = None
    seconds: float | None = None
    reasons: tuple[str, ...] = ()


BASE = Example.new([Message("user", "hello")], [Response((Message("assistant", "hi"),))])
LABEL = Label.new(
    BASE, Question("q", "prompt", "number", "How much?"), (), LabellerId("judge", "j"), value=2
)


def widen(struct: type[Struct], record: Struct, **fields: object) -> Struct:
    return struct(**{f: getattr(record, f) for f in record.__struct_fields__}, **fields)


PRICED = [
    widen(PricedExample, BASE),
    widen(
        PricedExample,
        msgspec.structs.replace(BASE, labels=(LABEL,)),
        cost=Cost("EUR", 0.5, (1, 2)),
        costs=(Cost("EUR"), Cost("USD", 2.0)),
        limits={"calls": 3, "share": 0.5},
        answer=("a", "b"),
    ),
    *(widen(PricedExample, BASE, answer=value) for value in (True, 1, 1.0, 2**63 - 1, "x", ())),
]
PRICED_LABELS = [
    widen(PricedLabel, LABEL, cost=Cost("EUR")),
    widen(PricedLabel, LABEL, cost=Cost("EUR", 2.0, (7,)), seconds=1.5, reasons=("r",)),
]


@pytest.mark.parametrize(
    ("table", "records"),
    [(Table(PricedExample), PRICED), (Table(PricedLabel, flat=True), PRICED_LABELS)],
)
def test_a_new_field_has_its_columns(tmp_path: Path, table: Table, records: list[Struct]) -> None:
    parquet.write(tmp_path / "x.parquet", records, table)
    found = list(parquet.read(tmp_path / "x.parquet", table))
    assert found == records
    assert msgspec.json.encode(found) == msgspec.json.encode(records)  # True is not 1


def test_a_new_number_is_checked() -> None:
    nan, beyond = float("nan"), 2**63
    for fields, place in (
        ({"cost": Cost("EUR", nan)}, "cost.amount is nan"),
        ({"costs": (Cost("EUR"), Cost("EUR", parts=(0, beyond)))}, "costs.1.parts.1 is beyond"),
        ({"limits": {"calls": nan}}, "limits.calls is nan"),
        ({"answer": nan}, "answer is nan"),
        ({"cost": Cost("\ud800")}, "cost.currency holds a lone surrogate"),
    ):
        assert (why_invalid(widen(PricedExample, BASE, **fields)) or "").startswith(place)
