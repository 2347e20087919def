"""`trueline show`: what a data set holds, with nothing harmful on the screen unasked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trueline.cli import show
from trueline.files.errors import InputError
from trueline.policy.preference import PREFERRED, preference_label
from trueline.records.store import dataset
from trueline.records.store.summary import NO_MODEL, Lengths, Summarizer
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Reject,
    Response,
    Source,
    with_labels,
)

SECRET = "one two three four \x1b[2Jfive [red]six[/red] \u202eseven\nlast words of the text"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    writer = dataset.Writer(tmp_path / "set")
    for i in range(4):
        example = Example.new(
            [Message("user", f"{SECRET} {i}")],
            [Response((Message("assistant", "x" * n),)) for n in (10, 20 + i)],
            source=Source("tea.csv", license="CC0" if i else None),
            tags=[f"domain:{'tea' if i % 2 else 'cake'}"],
            recipe="brew@1",
        )
        label = preference_label(example, 1, 0, LabellerId("person", "ann"))
        why = "no yes or no in the judge's answer: 'something that nobody should see unasked'"
        failed = Label.new(example, PREFERRED, (0, 1), LabellerId("judge", "j"), unscored=why)
        writer.add(with_labels(example, *([failed] if i == 3 else [label])))
    writer.reject(Reject("rules", "short", detail="2 words"))
    writer.close(complete=False)
    return tmp_path / "set"


def test_the_counts(data: Path) -> None:
    contents = show.read_contents(data)
    found = contents.summary
    assert (contents.state, found.examples, found.rejects) == ("partial", 4, 1)
    assert found.responses == {"2": 4}
    assert found.licenses == {"unknown": 1, "CC0": 3}
    assert found.sources == {"tea.csv": 4}
    assert found.recipes == {"brew@1": 4}
    assert found.tags == {"domain": {"tea": 2, "cake": 2}}
    assert found.reasons == {"rules: short": 1}
    coverage = found.labels["preferred"]
    assert (coverage.values.total(), coverage.unscored, coverage.examples) == (3, 1, 3)
    assert {name: by.labels for name, by in coverage.by.items()} == {"person ann": 3, "judge j": 1}
    assert coverage.by["judge j"].unscored == 1 and found.models == {NO_MODEL: 8}
    assert coverage.values == {"second": 3}
    assert found.lengths["response"] == Lengths(median=10, p90=22, longest=23)
    assert len(contents.previews) == 3


def test_texts_are_masked_and_the_terminal_is_safe(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show.run(show.Options(data=data, examples=4))
    hidden = capsys.readouterr().out
    assert "one two three four … [" in hidden
    assert "last words" not in hidden
    assert "= unscored (no yes or no … [" in hidden
    assert "nobody should see" not in hidden
    assert "= second, by person ann" in hidden
    assert "(partial): 4 Examples, 1 rejects" in hidden
    assert "on 75.0% of Examples; 3 labels answered, 1 unscored" in hidden
    show.run(show.Options(data=data, examples=4, reveal=True))
    shown = capsys.readouterr().out
    assert "\\x1b[2Jfive [red]six[/red] \\u202eseven last words of the text 0" in shown
    assert "\x1b" not in hidden + shown
    assert "\u202e" not in hidden + shown


def test_a_short_text_is_not_all_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = dataset.Writer(tmp_path / "set")
    writer.add(Example.new([Message("user", "tell me something vile")]))
    writer.add(Example.new([Message("user", "unspeakable")]))
    writer.add(Example.new([Message("user", "")]))
    writer.close(complete=True)
    show.run(show.Options(data=tmp_path / "set"))
    said = capsys.readouterr().out
    assert "user: tell me … [22 characters]" in said and "user: … [11 characters]" in said
    assert "vile" not in said and "unspeakable" not in said
    show.run(show.Options(data=tmp_path / "set", reveal=True))
    assert "user: tell me something vile\n" in capsys.readouterr().out


def test_as_json(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show.run(show.Options(data=data, json=True))
    found = json.loads(capsys.readouterr().out)
    assert found["summary"]["examples"] == 4
    assert "last words" not in json.dumps(found)


def test_a_foreign_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("q,a\nhow?,so\n,\n")
    found = show.read_contents(path, "columns", {"prompt": ["q"], "response": ["a"]}).summary
    assert (found.examples, found.rejects) == (1, 1)
    with pytest.raises(InputError, match="--from"):
        show.read_contents(path)


def test_many_values_of_a_tag_are_counted_as_others() -> None:
    summarizer = Summarizer(distinct=2)
    for i in range(5):
        summarizer.add(Example.new(tags=[f"cluster:{i}"]))
    found = summarizer.finish()
    assert found.tags["cluster"] == {"0": 1, "1": 1, "(others)": 3}
