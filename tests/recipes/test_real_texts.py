"""The recipe on real texts with the bundled model; the texts stay where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from trueline.files.errors import InputError
from trueline.policy.values import preferred_responses
from trueline.recipes.kinds.safer_instruct import Options, build
from trueline.records.store import dataset

LIMIT = 80


@pytest.mark.slow
def test_hate_texts_become_pairs(shared_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    record = build(
        Options(
            texts=(shared_data / "preferences" / "safer_instruct_hate.csv.gz",),
            text_field="rejected",
            out=out,
            ledger=tmp_path / "ledger.sqlite",
            limit=LIMIT,
            quiet=True,
        )
    )
    assert record is not None and record.complete
    assert record.rows + record.rejects == LIMIT == record.stages[0].seen
    assert record.rows >= LIMIT / 5
    for before, after in zip(record.stages, record.stages[1:], strict=False):
        assert after.seen == before.passed
    assert all(preferred_responses(example) for example in dataset.read(out))
    assert all(reject.reason for reject in dataset.rejects(out))


def test_blank_texts_are_told_before_any_call(shared_data: Path, tmp_path: Path) -> None:
    options = Options(
        texts=(shared_data / "preferences" / "safer_instruct_illegal.csv.gz",),
        text_field="rejected",
        out=tmp_path / "out",
        ledger=tmp_path / "ledger.sqlite",
        limit=50,
    )
    with pytest.raises(InputError, match="'rejected' is blank in all 2,384 rows"):
        build(options)
    assert list(tmp_path.iterdir()) == []
