"""The label table: written beside the data, appended to, and joined to the data that it is of."""

from __future__ import annotations

import signal
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from tests.builders import check_shards

from trueline.files.errors import InputError
from trueline.records.labels import effective_labels
from trueline.records.store import dataset, labels
from trueline.records.store.claim import claim
from trueline.records.store.labels import LabelAppender, delete_labels, join_labels, read_labels
from trueline.records.store.manifest import read_manifest
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
ADA = LabellerId("person", "Ada")


def build_example(number: int) -> Example:
    answer = Response((Message("assistant", f"answer {number}"),))
    return Example.new([Message("user", f"request {number}")], [answer])


def write(path: Path, *examples: Example, writer: str | None = None, alone: bool = False) -> Path:
    """A data set of these Examples, or of their labels alone."""
    new = dataset.Writer(path, writer, labels_only=alone, shard_rows=2)
    for example in examples:
        assert new.add(example) is None
    new.close(complete=True)
    return path


def safe(example: Example, by: LabellerId = ADA, value: bool = True) -> Label:
    return Label.new(example, SAFE, (0,), by, value=value)


def judged(example: Example, name: str) -> Example:
    by = LabellerId("judge", name)
    kinds = Label.new(example, KINDS, (0,), by, value=("a", "b"))
    return msgspec.structs.replace(example, labels=(safe(example, by), kinds))


def test_a_data_set_has_its_labels_in_a_flat_table(tmp_path: Path) -> None:
    data = [judged(build_example(i), "j") if i % 2 else build_example(i) for i in range(5)]
    write(tmp_path, *data, writer="run")
    found = read_manifest(tmp_path)
    assert (found.rows, found.labelled, found.labels_only) == (5, 4, False)
    assert "labels" not in pq.read_schema(tmp_path / "data-00000.parquet").names
    row = pq.read_table(tmp_path / "labels-00000.parquet").to_pylist()[0]
    assert (row["example"], row["by_name"], row["value_bool"]) == (data[1].id, "j", True)
    assert (row["writer"], row["sequence"]) == ("run", 1)
    back = list(dataset.read(tmp_path))
    assert [[x.value for x in e.labels] for e in back] == [[], [True, ("a", "b")]] * 2 + [[]]
    assert [label.sequence for label in read_labels(tmp_path)] == [1, 2, 3, 4]
    check_shards(tmp_path)


def test_a_new_label_follows_those_that_are_there(tmp_path: Path) -> None:
    data = [judged(build_example(i), "j") for i in range(3)]
    first = write(tmp_path / "first", *data, writer="a")
    assert labels.highest_sequence(first) == 6
    changed = [with_labels(e, safe(e)) for e in dataset.read(first)]
    second = write(tmp_path / "second", *changed, writer="b")
    assert [f"{x.writer}{x.sequence}" for x in read_labels(second)] == (
        "a1 a2 b3 a3 a4 b5 a5 a6 b7".split()
    )


def test_two_labellers_of_one_data_set(tmp_path: Path) -> None:
    data = [build_example(i) for i in range(5)]
    one = write(tmp_path / "one", *(judged(e, "one") for e in data), alone=True)
    two = write(tmp_path / "two", *(judged(e, "two") for e in reversed(data[:3])), alone=True)
    found = list(join_labels(data, [one, two, one]))
    assert [e.id for e in found] == [e.id for e in data]
    assert [len(e.labels) for e in found] == [4, 4, 4, 2, 2]
    assert {label.value for e in found for label in e.labels} == {True, ("a", "b")}
    assert found[3] == with_labels(data[3], *judged(data[3], "one").labels)


def test_an_example_that_comes_twice_has_its_labels_twice(tmp_path: Path) -> None:
    first = build_example(0)
    one = write(tmp_path / "one", judged(first, "one"), alone=True)
    assert [len(e.labels) for e in join_labels([first, first], [one])] == [2, 2]
    twice = write(tmp_path / "twice", judged(first, "one"), first)
    assert [len(e.labels) for e in dataset.read(twice)] == [2, 2]


def test_labels_of_other_texts_or_other_data_are_an_error(tmp_path: Path) -> None:
    first, second = build_example(0), build_example(1)
    crossed = msgspec.structs.replace(second, id=first.id)
    write(tmp_path / "crossed", judged(crossed, "j"), alone=True)
    with pytest.raises(InputError, match="judged other texts"):
        list(join_labels([first], [tmp_path / "crossed"]))
    bare = Example(id=first.id)
    with pytest.raises(InputError, match="judged other texts"):
        list(join_labels([bare], [tmp_path / "crossed"]))
    one = write(tmp_path / "one", judged(first, "j"), judged(second, "j"), alone=True)
    with pytest.raises(InputError, match="labels of 1 Examples that are not in the data"):
        list(join_labels([first], [one]))
    assert len(list(join_labels([first], [one], complete=False))) == 1
    with pytest.raises(InputError, match="holds Examples, not labels"):
        list(join_labels([first], [write(tmp_path / "data", first)]))
    with pytest.raises(InputError, match="holds labels without their texts"):
        list(dataset.read(one))


def test_an_answer_counts_in_whatever_order_folders_are_named(tmp_path: Path) -> None:
    example = build_example(0)
    by = LabellerId("judge", "j")
    failed = Label.new(example, SAFE, (0,), by, unscored="time-out")
    write(tmp_path / "one", with_labels(example, failed), writer="1", alone=True)
    write(tmp_path / "two", with_labels(example, safe(example, by)), writer="2", alone=True)
    for folders in permutations([tmp_path / "one", tmp_path / "two"]):
        (found,) = join_labels([example], folders)
        assert [label.value for label in found.labels] == [True]


def test_a_retraction_in_the_data_ends_what_another_folder_says(tmp_path: Path) -> None:
    example = build_example(0)
    write(tmp_path / "data", with_labels(example, safe(example)), writer="a")
    said = with_labels(example, safe(example, value=False))
    early = write(tmp_path / "early", said, writer="b", alone=True)
    with LabelAppender(tmp_path / "data", "a") as appender:
        appender.add(Label.new(example, SAFE, (0,), ADA, retracted=True))
    assert [x.labels for x in dataset.read(tmp_path / "data")] == [()]
    statements = dataset.read(tmp_path / "data", all_labels=True)
    assert [x.labels for x in join_labels(statements, [early])] == [()]


def test_labels_are_appended_and_the_last_counts(tmp_path: Path) -> None:
    data = [judged(build_example(i), "j") for i in range(3)]
    write(tmp_path, *data, writer="run")
    for value in (True, False):
        with LabelAppender(tmp_path, "Ada") as appender:
            appender.add(safe(data[2], value=value))
            appender.add(safe(data[0], value=not value))
    found = read_manifest(tmp_path)
    assert [shard.rows for shard in found.appended] == [2, 2]
    assert [x.sequence for x in read_labels(tmp_path)] == list(range(1, 11))
    assert [[x.value for x in e.labels] for e in dataset.read(tmp_path)] == [
        [True, ("a", "b"), True],
        [True, ("a", "b")],
        [True, ("a", "b"), False],
    ]
    assert sum(len(e.labels) for e in dataset.read(tmp_path, all_labels=True)) == 10
    check_shards(tmp_path)


def test_labels_alone_are_appended_to_as_well(tmp_path: Path) -> None:
    example = build_example(0)
    one = write(tmp_path / "one", judged(example, "j"), writer="run", alone=True)
    with LabelAppender(one, "Ada") as appender:
        appender.add(safe(example))
        appender.add(safe(build_example(1)))
    assert [len(e.labels) for e in labels.read_labelled_ids(one)] == [3, 1]
    (found,) = join_labels([example], [one], complete=False)
    assert len(found.labels) == 3


def test_what_cannot_be_appended_is_an_error(tmp_path: Path) -> None:
    example = build_example(0)
    with pytest.raises(InputError, match=r"no manifest\.json"):
        LabelAppender(tmp_path, "Ada")
    dataset.Writer(tmp_path / "set").close(complete=False)
    with pytest.raises(InputError, match="is unfinished"):
        LabelAppender(tmp_path / "set", "Ada")
    with pytest.raises(InputError, match="is unfinished"):
        delete_labels(tmp_path / "set", lambda label: True)
    write(tmp_path / "set", example)
    bad = Label.new(example, SAFE, (0,), ADA, value=True)
    bad = msgspec.structs.replace(bad, note="\ud800")
    with pytest.raises(InputError, match="cannot be stored: note holds a lone surrogate"):
        LabelAppender(tmp_path / "set", "Ada").add(bad)


def test_an_appender_waits_for_who_holds_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = build_example(0)
    with claim(tmp_path / "set", "run"):
        write(tmp_path / "set", example)
        appender = LabelAppender(tmp_path / "set", "Ada")
        appender.add(safe(example))
        monkeypatch.setattr(labels, "WAIT_S", 0.1)
        with pytest.raises(InputError, match="another process is writing"):
            appender.flush()
    appender.flush()
    assert [len(e.labels) for e in dataset.read(tmp_path / "set")] == [1]


def test_a_person_may_ask_for_labels_to_be_deleted(tmp_path: Path) -> None:
    data = [judged(build_example(i), "j") for i in range(5)]
    write(tmp_path, *data, writer="run")
    with LabelAppender(tmp_path, "Ada") as appender:
        for example in data:
            appender.add(safe(example))
    before = {path.name for path in tmp_path.glob("labels-*")}
    assert delete_labels(tmp_path, lambda label: label.by == ADA) == 5
    assert delete_labels(tmp_path, lambda label: label.example == data[3].id) == 2
    found = read_manifest(tmp_path)
    assert (found.deleted, found.labelled, found.rows) == (7, 8, 5)
    left = {path.name for path in tmp_path.glob("labels-*")}
    assert left == {shard.name for shard in (*found.labels, *found.appended)}
    assert before - left and left - before
    assert [len(e.labels) for e in dataset.read(tmp_path)] == [2, 2, 2, 0, 2]
    assert "Ada" not in {label.by.name for label in read_labels(tmp_path)}
    assert delete_labels(tmp_path, lambda label: False) == 0
    assert read_manifest(tmp_path) == found
    check_shards(tmp_path)


APPENDS = """
import os, signal, sys
from pathlib import Path
from trueline.records.store import dataset, labels
from trueline.records.types import Label, LabellerId, Question
folder, writer, times, dies = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]
safe = Question("safe", "response", "yes-no", "Is it safe?")
by = LabellerId("person", writer)
examples = list(dataset.read(folder))
for time in range(times):
    appender = labels.LabelAppender(folder, writer)
    for example in examples:
        appender.add(Label.new(example, safe, (0,), by, value=time % 2 == 1))
    if dies and time == times - 1:  # in the middle: the shard is there, the manifest is not
        labels.describe_shard = lambda path, rows: os.kill(os.getpid(), signal.SIGKILL)
    appender.flush()
"""


def test_two_processes_append_and_a_third_is_killed(tmp_path: Path) -> None:
    data = [build_example(i) for i in range(20)]
    write(tmp_path, *data, writer="run")

    def start(writer: str, times: int, *dies: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", APPENDS, str(tmp_path), writer, str(times), *dies]
        return subprocess.Popen(command, stderr=subprocess.PIPE)

    several = [start("Ada", 6), start("Ben", 6), start("Cy", 2, "dies")]
    errors = [process.communicate()[1] for process in several]
    assert [p.returncode for p in several] == [0, 0, -signal.SIGKILL], errors
    check_shards(tmp_path)
    numbers = sorted(label.sequence for label in read_labels(tmp_path))
    assert numbers == list(range(1, 20 * 13 + 1))
    assert {e.id: {x.by.name: x.value for x in e.labels} for e in dataset.read(tmp_path)} == {
        e.id: {"Ada": True, "Ben": True, "Cy": False} for e in data
    }
    with LabelAppender(tmp_path, "Ada") as appender:
        appender.add(safe(data[0], value=False))
    listed = {shard.name for shard in read_manifest(tmp_path).appended}
    assert {p.name for p in tmp_path.glob("*labels-*")} == listed, "the dead process left nothing"


STATES = """
import sys
from pathlib import Path
import msgspec
from trueline.records.store.labels import LabelAppender
from trueline.records.types import Label
with LabelAppender(Path(sys.argv[1]), sys.argv[2]) as appender:
    appender.add(msgspec.json.decode(sys.argv[3], type=Label))
"""


def test_labels_of_several_processes_joined_in_any_order_give_one_result(tmp_path: Path) -> None:
    """Answered, unscored, answered again, retracted, by processes with folders of their own."""
    example = build_example(0)

    def state(folder: str, **said: bool | str) -> None:
        label = Label.new(example, SAFE, (0,), ADA, **said)  # type: ignore[arg-type]
        text = msgspec.json.encode(label).decode()
        place = str(tmp_path / folder)
        subprocess.run([sys.executable, "-c", STATES, place, folder, text], check=True)

    def result() -> list[object]:
        several = {
            next(iter(join_labels([example], folders))).labels
            for folders in permutations([tmp_path / name for name in "abc"])
        }
        assert len(several) == 1
        return [label.outcome for label in several.pop() if label.by == ADA]

    for name in "abc":  # a statement of another labeller, so that there is a table
        other = safe(example, LabellerId("person", name))
        write(tmp_path / name, with_labels(example, other), writer=f"run {name}", alone=True)
    state("a", value=True)
    assert result() == [True]
    state("b", unscored="did not answer")
    assert result() == [True]
    state("b", value=False)
    assert result() == [False]
    state("b", retracted=True)
    state("c", value=True)
    assert result() == []
    state("b", value=True)
    assert result() == [True]


def test_what_is_appended_after_other_label_sets_counts_rather_than_they(tmp_path: Path) -> None:
    examples = [build_example(i) for i in range(3)]
    write(tmp_path / "data", *examples, writer="a")
    said = [with_labels(example, safe(example)) for example in examples]
    early = write(tmp_path / "early", *said, writer="b", alone=True)
    with LabelAppender(tmp_path / "data", "a", after=[early]) as appender:
        appender.add(Label.new(examples[2], SAFE, (0,), ADA, retracted=True))
    statements = dataset.read(tmp_path / "data", all_labels=True)
    joined = join_labels(statements, [early])
    assert [[label.value for label in x.labels] for x in joined] == [[True], [True], []]


def test_appended_labels_judge_the_texts_of_their_example(tmp_path: Path) -> None:
    example, other = build_example(0), build_example(1)
    write(tmp_path / "texts", example, writer="a")
    strange = msgspec.structs.replace(safe(other), example=example.id)
    with LabelAppender(tmp_path / "texts", "Ada") as appender:
        appender.add(strange)
    with pytest.raises(InputError, match="judged other texts"):
        list(dataset.read(tmp_path / "texts"))
    write(tmp_path / "strays", example, writer="a")
    with LabelAppender(tmp_path / "strays", "Ada") as appender:
        appender.add(safe(other))
    with pytest.raises(InputError, match="1 Examples that are not in its data"):
        list(dataset.read(tmp_path / "strays"))


def test_a_label_of_now_counts_rather_than_one_that_was_stored(tmp_path: Path) -> None:
    example = build_example(0)
    write(tmp_path, with_labels(example, safe(example)), writer="a")
    (stored,) = dataset.read(tmp_path)
    again = with_labels(stored, safe(example, value=False))
    assert [label.value for label in effective_labels(again.labels)] == [False]
