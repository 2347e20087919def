"""The figures of the house, on a house of four rooms."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tools.measures.source import House

from tools import house

FILES = {
    "labellers/judge.py": "def label(): ...",
    "labellers/guard/model.py": "def label(): ...",
    "labellers/open.py": """
        def open_labeller(name):
            if name == "judge":
                from trueline.labellers import judge
                return judge
            return name.startswith("guard:")
    """,
    "cli/label.py": """
        CODE = ("guard", "other")

        def run(by, label):
            \"\"\"Asks a judge.\"\"\"
            if by.kind == "judge":
                return "judge"
            return by in CODE
    """,
    "formats/kinds/chat.py": "FORMAT = 1",
    "formats/kinds/number.py": "FORMAT = 2",
    "formats/open.py": """
        from typing import Literal
        from trueline.formats.kinds import chat, number
        Kind = Literal["number", "text"]

        def every():
            return {"c": chat, "n": number}
    """,
    "train/methods/sft.py": """
        from trueline.train import options, rows
        METHOD = "sft"

        class Options(options.TrainOptions):
            packing: bool = False

        def trainer():
            return rows.completions
    """,
    "train/methods/pairs.py": """
        from trueline.train.rows import pairs
        METHOD = pairs
    """,
    "train/options.py": """
        from typing import Any

        class TrainOptions:
            epochs: int = 1

        POSITIVE = "epochs packing".split()
        anything: Any = None
    """,
    "train/rows.py": """
        class Row: ...

        def completions(): ...

        def pairs(): ...

        def cut(row: Row):
            return isinstance(row, Row)
    """,
    "train/loading.py": """
        NAMES = "AutoModelForCausalLM", "AutoModelForSequenceClassification"
    """,
    "train/memory.py": """
        def logits(config):
            return config.vocab_size
    """,
    "train/run.py": """
        def outputs(config, kind):
            return config.vocab_size if kind == "causal" else 1
    """,
    "recipes/kinds/safer_instruct.py": """
        from functools import partial
        from trueline.recipes import steps
        from trueline.recipes.steps import Step

        class Options:
            near: float = 1

        def build(options: Options):
            step = Step(options)
            return partial(steps.respond, options), steps.draw(options.near), step
    """,
    "recipes/steps.py": """
        class Step:
            def __init__(self, options):
                self._options = options

            def run(self):
                return self._options.near

            def name(self):
                return "step"

        def respond(settings):
            return settings.near

        def draw(near):
            return measure(near)

        def measure(near):
            return near
    """,
}
COPIED = "\n".join(f"    value_{n} = {n}" for n in range(7))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "src/trueline" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = text.splitlines()
        path.write_text("\n".join(line.removeprefix("        ") for line in lines) + "\n")
    return tmp_path


def figure(root: Path, name: str) -> house.Figure:
    return next(f for f in house.figures(House(root)) if f.name == name)


def test_a_file_that_asks_for_several_labellers_by_name_is_counted_and_one_name_set_apart(root):
    found = figure(root, "files to add a labeller kind")
    assert found.value == "2 (+1)"
    assert found.items == ["labellers/open.py: guard, judge", "cli/label.py: guard alone"]


def test_modules_in_a_literal_are_a_list_of_members_and_words_of_a_type_are_no_names(root):
    found = figure(root, "files to add a format")
    # "number" is a value of a Literal
    assert (found.value, found.items) == ("1 (+1)", ["formats/open.py: chat alone"])


def test_a_family_that_is_not_there_has_no_figure(root):
    assert figure(root, "files to add a benchmark").value == house.UNKNOWN


def test_files_of_the_train_room_that_are_cut_for_the_methods_of_today_are_counted(root):
    found = figure(root, "files to add a training method")
    assert found.value == "4"
    assert found.items == [
        "train/memory.py: causal only",
        "train/options.py: options by name",
        "train/rows.py: tells rows apart, a part for each method",
    ]


def test_any_and_own_imports_in_functions_are_counted_by_room(root):
    assert figure(root, "`Any` in `train`").value == "1"
    assert figure(root, "own imports in functions").value == "1"
    assert figure(root, "… by room").value == "labellers 1"


def test_options_are_followed_through_arguments_attributes_and_fields(root):
    found = figure(root, "stops of `options`")
    names = [stop.rpartition("steps.")[2] for stop in found.items[1:]]
    assert found.value == "4 functions in 2 files"
    assert names == ["Step.__init__", "Step.run", "respond"]
    with_fields = figure(root, "… or of one of its fields")
    assert {stop.rpartition(".")[2] for stop in set(with_fields.items) - set(found.items)} == {
        "draw",
        "measure",
    }


def test_two_places_share_lines_whatever_their_indent_and_however_long_once(root):
    name = "pairs of places that share 6+ lines"
    assert figure(root, name).value == "0"
    folder = root / "src/trueline/cli"
    signature = "".join(f"    argument_{n}: int,\n" for n in range(7))
    (folder / "same.py").write_text(f"def same(\n{signature}):\n    return 1\n" * 2)
    (folder / "one.py").write_text(f"def one():\n{COPIED}\n")
    (folder / "two.py").write_text(f"class Two:\n\n{COPIED.replace('    ', '  ')}\n    # end\n")
    found = figure(root, name)
    assert [str(place) for place in found.items] == ["cli/one.py:2 and cli/two.py:3, 7 lines"]


def test_lengths_are_given_as_median_ninth_decile_and_longest(root):
    long = root / "src/trueline/cli/long.py"
    long.write_text("def long():\n" + "    print()\n" * 50)
    assert figure(root, "modules: median / p90 / max lines").value.endswith("/ 51")
    found = figure(root, "functions over 45 lines")
    assert (found.value, found.items) == ("1", ["cli/long.py:1 long: 51"])


def test_checkouts_stand_side_by_side_as_a_script(root, tmp_path):
    script = Path(house.__file__)
    command = [sys.executable, str(script), str(root), str(script.parents[1]), "--verbose"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    head, rule, first, *_ = done.stdout.splitlines()
    assert head == f"|  | {root.name} | {script.parents[1].name} |"
    assert rule == "| --- | --- | --- |"
    assert first.startswith("| files to add a recipe | 1 | ")
    assert f"### {root.name}: files to add a labeller kind: 2 (+1)" in done.stdout
