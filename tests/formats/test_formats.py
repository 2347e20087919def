"""Every registered format, and what each does with good and bad rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from trueline.files.errors import InputError
from trueline.files.rows import Row
from trueline.formats.contract import Format
from trueline.formats.kinds import columns
from trueline.formats.load import read_file
from trueline.formats.losses import find_losses
from trueline.formats.registry import find_format, find_formats
from trueline.policy.pku import CATEGORIES
from trueline.policy.preference import PREFERRED, preference_label
from trueline.policy.values import find_preference
from trueline.records.types import (
    Candidate,
    Example,
    Label,
    LabellerId,
    Message,
    Reject,
    Response,
    Source,
    ToolCall,
    Unscored,
    with_labels,
)

MAPPING = {
    "prompt": ["q"],
    "system": ["s"],
    "chosen": ["good"],
    "rejected": ["bad"],
    "license": ["l"],
    "tag:domain": ["d"],
    "tag:lang": ["lang"],
}


def turn(role: Any, text: str, **more: Any) -> Message:
    return Message(role, text, **more)


def made(*prompt: Message, domain: str = "health") -> Example:
    responses = [Response((turn("assistant", text),)) for text in ("bad answer", "good answer")]
    example = Example.new(
        prompt, responses, source=Source("x", license="MIT"), tags=[f"domain:{domain}", "lang:en"]
    )
    return with_labels(example, preference_label(example, 1, 0, LabellerId("person", "p")))


def say(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


golden: dict[str, dict[str, Any]] = {
    "safer-instruct": {
        "instruction": "how?",
        "rejected": "bad answer",
        "chosen": "good answer",
        "label": "health",
    },
    "trl-preference": {
        "prompt": [say("user", "how?")],
        "chosen": [say("assistant", "good answer")],
        "rejected": [say("assistant", "bad answer")],
    },
    "trl-prompt-only": {"prompt": [say("system", "be brief"), say("user", "how?")]},
    "trl-unpaired": {
        "prompt": [say("user", "how?")],
        "completion": [say("assistant", "bad answer")],
        "label": False,
    },
    "hh-rlhf": {
        "chosen": "\n\nHuman: how?\n\nAssistant: good answer",
        "rejected": "\n\nHuman: how?\n\nAssistant: bad answer",
    },
    "openai-chat": {"messages": [say("user", "how?"), say("assistant", "good answer")]},
    "openai-preference": {
        "input": {"messages": [say("user", "how?")]},
        "preferred_output": [say("assistant", "good answer")],
        "non_preferred_output": [say("assistant", "bad answer")],
    },
    "sharegpt": {
        "conversations": [
            {"from": "human", "value": "how?"},
            {"from": "function_call", "value": '{"name":"look_up","arguments":{"word": "tea"}}'},
            {"from": "observation", "value": "leaves"},
            {"from": "gpt", "value": "good answer"},
        ]
    },
    "pku-saferlhf": {
        "prompt": "how?",
        "response_0": "bad answer",
        "response_1": "good answer",
        "prompt_source": "people",
        "response_0_source": "small",
        "response_1_source": "large",
        "is_response_0_safe": False,
        "is_response_1_safe": True,
        "response_0_harm_category": {key: key == "Drugs" for key in CATEGORIES},
        "response_1_harm_category": dict.fromkeys(CATEGORIES, False),
        "response_0_severity_level": 2,
        "response_1_severity_level": 0,
        "better_response_id": 0,
        "safer_response_id": 1,
    },
    "columns": {
        "q": "how?",
        "s": "",
        "good": "good answer",
        "bad": "bad answer",
        "l": "MIT",
        "d": "health",
        "lang": "en",
    },
}
"""For each format a row that comes back as it was."""

PAIRS = {"safer-instruct", "trl-preference", "hh-rlhf", "openai-preference", "columns"}
"""The formats of one preferred and one other response."""


def named(name: str) -> Format:
    return find_format(name, MAPPING if name == "columns" else None)


def read(name: str, fields: dict[str, Any], occurrence: int = 0) -> Example | Reject:
    return named(name).read_row(Row(Path("some/x.csv"), 7, fields), occurrence)


def texts(example: Example | Reject) -> tuple[Any, ...]:
    """What a pair says, however it is stored."""
    assert isinstance(example, Example)
    order = find_preference(example)
    assert not isinstance(order, Unscored)
    return example.prompt, *(example.responses[i].messages for i in order)


@pytest.mark.parametrize("name", find_formats())
def test_every_format(tmp_path: Path, name: str) -> None:
    format = named(name)
    assert format.about
    row = golden[name]
    path, unread = tmp_path / "x.jsonl", Counter[str]()
    path.write_bytes(msgspec.json.encode(row | {"another column": 1}))
    assert len(list(read_file(path, format, unread))) == 1
    assert unread == {"another column": 1}
    example = read(name, row)
    assert isinstance(example, Example)
    assert format.write_rows(example) == [row]
    kept = {"source", "licence"} if name == "columns" else {"source"}
    assert set(find_losses(format, example)) <= kept
    assert example.source is not None
    assert (example.source.dataset, example.source.row) == ("x.csv", 7)
    assert {(label.by.kind, label.by.name) for label in example.labels} <= {("imported", name)}
    again = read(name, row, occurrence=2)
    assert isinstance(again, Example)
    assert again.id == f"{example.id}-2"
    assert {label.example for label in again.labels} <= {again.id}


@pytest.mark.parametrize("name", sorted(PAIRS))
def test_a_pair_is_written_as_the_golden_row_and_comes_back(name: str) -> None:
    example = made(turn("user", "how?"))
    assert named(name).write_rows(example) == [golden[name]]
    assert texts(read(name, golden[name])) == texts(example)


@pytest.mark.parametrize("name", find_formats())
def test_a_file_of_another_format_is_told_from_a_bad_row(name: str) -> None:
    with pytest.raises(InputError, match=r"some/x.csv has no column '\w+': it has 'else'"):
        read(name, {"else": "x"})


needed = {
    "trl-preference": ["chosen", "rejected"],
    "trl-prompt-only": ["prompt"],
    "trl-unpaired": ["prompt", "completion", "label"],
    "hh-rlhf": ["chosen", "rejected"],
    "openai-chat": ["messages"],
    "openai-preference": ["input", "preferred_output", "non_preferred_output"],
    "sharegpt": ["conversations"],
    "pku-saferlhf": [
        *("prompt", "response_0", "response_1", "is_response_0_safe", "is_response_1_safe"),
        *("better_response_id", "safer_response_id"),
    ],
}


@pytest.mark.parametrize(
    ("name", "column"), [(name, column) for name in needed for column in needed[name]]
)
@pytest.mark.parametrize("value", [None, "", " ", 7, [], {}, [3], [{}], float("nan")])
def test_a_cell_of_the_wrong_kind_is_a_reject(name: str, column: str, value: Any) -> None:
    found = read(name, golden[name] | {column: value})
    assert isinstance(found, Reject)
    assert (found.file, found.row) == ("some/x.csv", 7)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rejected": " \n"}, "rejected is blank"),
        ({"rejected": None}, "rejected is blank"),
        ({"rejected": float("nan")}, "rejected is blank"),
        ({"chosen": ""}, "chosen is blank"),
        ({"instruction": ""}, "instruction is blank"),
        ({"chosen": "bad answer"}, "chosen and rejected are the same text"),
    ],
)
def test_bad_safer_instruct_rows(changes: dict[str, Any], reason: str) -> None:
    found = read("safer-instruct", golden["safer-instruct"] | changes)
    assert isinstance(found, Reject)
    assert found.message == reason
    assert (found.file, found.row) == ("some/x.csv", 7)
    assert "instruction" in (found.raw or "")


def test_safer_instruct_without_a_label_has_no_domain() -> None:
    found = read("safer-instruct", golden["safer-instruct"] | {"label": ""})
    assert isinstance(found, Example)
    assert found.tags == ()
    with pytest.raises(InputError, match="no column 'chosen'"):
        read("safer-instruct", {"instruction": "x", "rejected": "y"})


user, hello, good, bad = (
    {"role": role, "content": text}
    for role, text in [
        ("user", "how?"),
        ("assistant", "hello"),
        ("assistant", "good"),
        ("assistant", "bad"),
    ]
)


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "how?", "chosen": "good", "rejected": "bad"},
        {"prompt": [user], "chosen": [good], "rejected": [bad]},
        {"chosen": [user, good], "rejected": [user, bad]},
        {"prompt": None, "chosen": [user, good], "rejected": [user, bad]},
        {
            "prompt": '[{"role": "user", "content": "how?"}]',
            "chosen": '[{"content": "good", "role": "assistant"}]',
            "rejected": "bad",
        },
        {
            "prompt": [user | {"tool_calls": None}],
            "chosen": [{"role": "assistant", "content": [{"type": "text", "text": "good"}]}],
            "rejected": "bad",
        },
    ],
)
def test_trl_shapes(fields: dict[str, Any]) -> None:
    assert texts(read("trl-preference", fields)) == (
        (turn("user", "how?"),),
        (turn("assistant", "good"),),
        (turn("assistant", "bad"),),
    )


def test_trl_implicit_prompt_of_several_turns() -> None:
    found = read("trl-preference", {"chosen": [user, hello, user, good], "rejected": [user, bad]})
    assert texts(found)[0] == (turn("user", "how?"),)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"chosen": "a", "rejected": "b"}, "there is no prompt"),
        ({"chosen": [good], "rejected": [bad]}, "there is no prompt"),
        ({"chosen": [user, good], "rejected": [user, good]}, "chosen and rejected are the same"),
        ({"chosen": [user, good], "rejected": [user]}, "rejected is blank"),
        ({"prompt": "p", "chosen": "a", "rejected": " "}, "rejected is blank"),
        ({"prompt": "", "chosen": "a", "rejected": "b"}, "prompt is blank"),
        ({"prompt": 3, "chosen": "a", "rejected": "b"}, "prompt is neither"),
        (
            {"prompt": [{"role": "boss", "content": "x"}], "chosen": "a", "rejected": "b"},
            "prompt[0]",
        ),
        (
            {"prompt": [user | {"weight": 1}], "chosen": "a", "rejected": "b"},
            "prompt[0] holds weight",
        ),
        (
            {"prompt": [user | {"content": [{"type": "image"}]}], "chosen": "a", "rejected": "b"},
            "prompt[0].content is not text",
        ),
    ],
)
def test_bad_trl_rows(fields: dict[str, Any], reason: str) -> None:
    found = read("trl-preference", fields)
    assert isinstance(found, Reject)
    assert found.message.startswith(reason)


def test_tool_calls_and_reasoning_survive_trl() -> None:
    call = ToolCall("c1", "look_up", '{"word": "tea"}')
    example = made(
        turn("system", "be brief"),
        turn("user", "how?"),
        turn("assistant", "", reasoning="hm", tool_calls=(call,)),
        turn("tool", "leaves", tool_call_id="c1"),
    )
    format = named("trl-preference")
    row = format.write(example)
    assert isinstance(row, dict)
    assert texts(read("trl-preference", row)) == texts(example)
    assert not {"tool calls", "tool call ids", "reasoning", "system turns"} & set(
        find_losses(format, example)
    )


def test_what_is_lost_is_said() -> None:
    example = made(turn("system", "be brief"), turn("user", "how?"))
    lost = find_losses(named("safer-instruct"), example)
    assert lost == ["system turns", "source", "licence", "who answered", "tag lang"]
    assert "licence" not in find_losses(named("columns"), example)
    bare = Example.new([turn("user", "x")], candidates=[Candidate("y")], parents=["p"])
    assert find_losses(named("trl-prompt-only"), bare) == [
        "candidate prompts",
        "parents and recipe",
    ]
    only = find_format("columns", {"prompt": ["q"]})
    assert {"responses", "label preferred", "tag domain"} <= set(find_losses(only, example))
    by = LabellerId("imported", "columns")
    noted = Label.new(example, PREFERRED, (0, 1), by, value="second", note="?")
    alone = msgspec.structs.replace(example, labels=(noted,))
    assert find_losses(named("columns"), alone) == ["source", "details of labels"]


@pytest.mark.parametrize("name", sorted(find_formats().keys() - {"trl-prompt-only"}))
def test_what_a_format_cannot_write_is_a_reject(name: str) -> None:
    undecided = Example.new([turn("user", "x")], made(turn("user", "x")).responses)
    found = named(name).write_rows(undecided)
    assert isinstance(found, Reject)
    assert "no preference is labelled" in found.message
    assert found.example == undecided


@pytest.mark.parametrize("name", ["safer-instruct", "columns", "pku-saferlhf"])
def test_several_turns_do_not_fit_everywhere(name: str) -> None:
    found = named(name).write_rows(
        made(turn("user", "a"), turn("assistant", "b"), turn("user", "c"))
    )
    assert isinstance(found, Reject)
    assert "one user turn" in found.message


def test_columns_with_several_responses() -> None:
    format = find_format("columns", {"prompt": ["q"], "response": ["a", "b"]})

    def responses(**fields: Any) -> list[str]:
        found = format.read_row(Row(Path("x.jsonl"), 1, {"q": "how?", **fields}), 0)
        assert isinstance(found, Example)
        return [response.text for response in found.responses]

    assert responses(a="one", b="two") == ["one", "two"]
    assert responses(a=["one", "two"], b=3) == ["one", "two", "3"]
    assert responses(a=[good], b="two") == ["good", "two"]
    example = Example.new(
        [turn("user", "how?")], [Response((turn("assistant", t),)) for t in ("one", "two")]
    )
    assert format.write(example) == {"q": "how?", "a": "one", "b": "two"}
    narrow = find_format("columns", {"prompt": ["q"], "response": ["a"]}).write_rows(example)
    assert isinstance(narrow, Reject)


def test_columns_of_raw_text_and_blank_cells() -> None:
    format = find_format("columns", {"response": ["text"], "tag:lang": ["l"], "license": ["c"]})
    found = format.read_row(Row(Path("x.csv"), 1, {"text": "words", "l": "", "c": "CC0"}), 0)
    assert isinstance(found, Example)
    assert (found.prompt, found.tags) == ((), ())
    assert found.source is not None
    assert found.source.license == "CC0"
    blank = format.read_row(Row(Path("x.csv"), 2, {"text": " ", "l": "", "c": ""}), 0)
    assert isinstance(blank, Reject)
    assert blank.message == "text is blank"


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({}, "need --map"),
        ({"answer": ["a"]}, "unknown part 'answer'"),
        ({"prompt": ["a", "b"]}, "given twice"),
        ({"chosen": ["a"]}, "belong together"),
        ({"system": ["a"]}, "at least one of"),
    ],
)
def test_mappings_that_make_no_sense(mapping: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_format("columns", mapping)
    assert columns.FORMAT.with_mapping is not None


def test_unknown_names() -> None:
    with pytest.raises(InputError, match="there are columns, hh-rlhf, openai-chat"):
        find_format("parquet")
    with pytest.raises(InputError, match="--map belongs to"):
        find_format("safer-instruct", {"prompt": ["x"]})
