"""Labels made apart come back to their Examples, and to no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from trueline.files.errors import InputError
from trueline.records.store import dataset, labels
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Question,
    Response,
    with_labels,
)

SAFE = Question("safe", "response", "yes-no", "Is it safe?")
KINDS = Question("kinds", "response", "some-of", "Which?", options=("a", "b"))


def made(number: int) -> Example:
    answer = Response((Message("assistant", f"answer {number}"),))
    return Example.new([Message("user", f"request {number}")], [answer])


def written(path: Path, *stubs: Example) -> Path:
    writer = dataset.Writer(path)
    for stub in stubs:
        assert writer.add(stub) is None
    writer.close(complete=True)
    return path


def judged(example: Example, name: str) -> Example:
    by = LabellerId("judge", name)
    return labels.apart(
        example,
        [
            Label.new(example, SAFE, (0,), by, value=True),
            Label.new(example, KINDS, (0,), by, value=("a", "b")),
        ],
    )


def test_two_labellers_of_one_data_set(tmp_path: Path) -> None:
    data = [made(i) for i in range(5)]
    one = written(tmp_path / "one", *(judged(e, "one") for e in data))
    two = written(tmp_path / "two", *(judged(e, "two") for e in reversed(data[:3])))
    found = list(labels.joined(data, [one, two, one]))
    assert [e.id for e in found] == [e.id for e in data]
    assert [len(e.labels) for e in found] == [4, 4, 4, 2, 2]
    assert {label.value for e in found for label in e.labels} == {True, ("a", "b")}
    assert found[3] == with_labels(data[3], *judged(data[3], "one").labels)


def test_an_example_that_comes_twice_has_its_labels_twice(tmp_path: Path) -> None:
    one = written(tmp_path / "one", judged(made(0), "one"))
    assert [len(e.labels) for e in labels.joined([made(0), made(0)], [one])] == [2, 2]


def test_labels_of_other_texts_or_other_data_are_told(tmp_path: Path) -> None:
    other = Example(
        **{**{f: getattr(made(1), f) for f in ("prompt", "responses")}, "id": made(0).id}
    )
    crossed = written(tmp_path / "crossed", judged(other, "j"))
    with pytest.raises(InputError, match="judged other texts"):
        list(labels.joined([made(0)], [crossed]))
    bare = Example(id=made(0).id)
    with pytest.raises(InputError, match="judged other texts"):
        list(labels.joined([bare], [crossed]))
    one = written(tmp_path / "one", judged(made(0), "j"), judged(made(1), "j"))
    with pytest.raises(InputError, match="labels of 1 Examples that are not in the data"):
        list(labels.joined([made(0)], [one]))
    assert len(list(labels.joined([made(0)], [one], whole=False))) == 1
    with pytest.raises(InputError, match="holds Examples, not labels"):
        list(labels.joined([made(0)], [written(tmp_path / "data", made(0))]))


def test_an_answer_counts_in_whatever_order_folders_are_named(tmp_path: Path) -> None:
    by = LabellerId("judge", "j")
    failed = Label.new(made(0), SAFE, (0,), by, unscored="time-out")
    answered = Label.new(made(0), SAFE, (0,), by, value=True)
    one = written(tmp_path / "one", labels.apart(made(0), [failed]))
    two = written(tmp_path / "two", labels.apart(made(0), [answered]))
    for folders in ([one, two], [two, one]):
        (found,) = labels.joined([made(0)], folders)
        assert [label.value for label in found.labels] == [True]
