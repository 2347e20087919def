"""A benchmark is data: one TOML file that says where its items are, how they are asked, and which
questions score the answers.

The suite is the folder `suite` beside this file; a file of the user's own is named by its path.  An
installed package has benchmarks if it has an entry point of the group `trueline.benchmarks`, which
names a package of TOML files.
Values under `[item]` and `where` are Jinja expressions over a row's columns (`question`,
`row['Best Answer']`, `[ans0, ans1, ans2]`), or templates where they hold `{{` (`expressions`).
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from trueline.evaluate.asking import AskSpec, kinds
from trueline.evaluate.results import Better
from trueline.files import plugins
from trueline.files.errors import InputError
from trueline.files.hashing import digest
from trueline.files.lines import read_text
from trueline.policy.answers import choices
from trueline.policy.load import load
from trueline.policy.types import Policy
from trueline.policy.values import OWN

PACKAGES = plugins.Family(
    "package of benchmarks",
    "trueline.evaluate.benchmarks.suite",
    "trueline.benchmarks",
    ("__path__",),
)

GROUPS = {
    "harmfulness": "Harmful requests",
    "over-refusal": "Harmless requests that look harmful",
    "jailbreak": "Jailbreaks",
    "hierarchy": "Instruction hierarchy and injection",
    "honesty": "Honesty and truthfulness",
    "missing-information": "Missing information",
    "sycophancy": "Sycophancy",
    "corrigibility": "Corrigibility and power",
    "reward-hacking": "Reward hacking",
    "fairness": "Fairness",
    "preference": "Human preferences",
    "health": "Health",
    "mental-health": "Mental health",
    "factuality": "Factuality",
    "instructions": "Following instructions",
    "capability": "Capability",
}
"""The groups in the order in which they are shown."""

Line = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=1)]


class DataSource(Struct, frozen=True, forbid_unknown_fields=True):
    """Where items are: `path` in the folder of `--data`, in the package (`bundled`), or in the hub
    repository `repo`; `sha256` is of the file, and stops the run where it is another.

    `at` names the part of a JSON document that holds the rows, `nest` the levels of nested objects
    whose leaves are rows; `members` picks files of a zip archive; `columns` names the columns of a
    CSV file without a header; `lines` says of a file whose name does not that it holds JSON lines.
    `item` replaces fields that this place calls otherwise.
    """

    path: Line
    repo: str | None = None
    revision: str | None = None
    sha256: str | None = None
    bundled: bool = False
    at: str | None = None
    nest: tuple[str, ...] = ()
    members: str | None = None
    columns: tuple[str, ...] = ()
    lines: bool = False
    item: dict[str, str] = {}
    where: str | None = None


class CrossJoin(Struct, frozen=True, forbid_unknown_fields=True):
    """A second file whose rows are put beside those of the first: `each` of them, drawn by their
    contents, to every row; their columns are read as `other`."""

    path: Line
    each: Count
    nest: tuple[str, ...] = ()
    sha256: str | None = None


class Item(Struct, frozen=True, forbid_unknown_fields=True):
    """How a row becomes an item: a conversation, and the task by which it is checked.

    `turns` gives a list of user turns, put one after the other; `options` and `gold` (an index, or
    the right option itself) make a choice, `answers` a list of accepted answers, `tests` and
    `entry_point` a program, `rules` a list of [name, needs] that can be verified, `grader` Python
    source that decides whether the system's instruction held.  `questions` gives a list of the
    item's own questions about the response, each a table of id, ask, kind, weight, … as in a
    policy.  Items of one `cluster` are not independent of each other.
    """

    prompt: str | None = None
    turns: str | None = None
    system: str | None = None
    developer: str | None = None
    options: str | None = None
    gold: str | None = None
    answers: str | None = None
    tests: str | None = None
    entry_point: str | None = None
    rules: str | None = None
    grader: str | None = None
    questions: str | None = None
    cluster: str | None = None
    tags: dict[str, str] = {}


class MetricSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A metric: how many answers to `question` are one of `value`, by the labeller `by` ("judge":
    each that is named with `--judge`).  The question "own" is the items' own questions, which score
    by their weights."""

    question: Line
    by: Line
    value: tuple[bool | int | str, ...] = ()
    better: Better = "higher"


class Benchmark(Struct, frozen=True, forbid_unknown_fields=True):
    """One benchmark; of its metrics, the first that is measured stands for it.

    name = "tea-facts"
    about = "Short questions about tea: right if an accepted answer is in the response."
    group = "factuality"
    license = "CC-BY-4.0"
    citation = "Sole 2025, Facts about Tea"

    [file]
    path = "facts/tea.jsonl"
    sha256 = "…"

    [item]
    prompt = "question"
    answers = "answers"

    [[metric]]
    question = "correct"
    by = "contains"
    """

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")]
    about: Line
    group: Line
    license: Line
    citation: Line
    item: Item
    metric: Annotated[tuple[MetricSpec, ...], Meta(min_length=1)]
    ask: AskSpec = AskSpec()
    file: DataSource | None = None
    hub: DataSource | None = None
    cross: CrossJoin | None = None
    where: str | None = None
    sample: Count | None = None

    @property
    def asking_hash(self) -> str:
        """A hash of how items are asked: with another, answers are not comparable."""
        return digest([self.ask, self.item])


def parse_benchmark(text: str, named: str, policy: Policy) -> Benchmark:
    """The benchmark in a TOML text; InputError says what is wrong in the file `named`."""
    try:
        found = msgspec.convert(tomllib.loads(text), Benchmark)
    except (tomllib.TOMLDecodeError, RecursionError, msgspec.ValidationError) as error:
        raise InputError(f"{named}: {error}") from error
    if wrong := list_faults(found, policy):
        raise InputError("\n".join(f"{named}: {one}" for one in wrong))
    return found


def list_faults(found: Benchmark, policy: Policy) -> list[str]:
    """All that keeps a benchmark from being run, in words."""
    wrong = []
    if found.group not in GROUPS:
        wrong.append(f"group {found.group!r} is none of {', '.join(GROUPS)}")
    if found.ask.kind not in kinds():
        wrong.append(f"ask.kind {found.ask.kind!r} is none of {', '.join(kinds())}")
    if (found.item.prompt is None) == (found.item.turns is None):
        wrong.append("item needs either prompt or turns")
    if found.file is None and found.hub is None:
        wrong.append("it says nowhere where its items are: it needs [file] or [hub]")
    if found.hub is not None and not found.hub.repo:
        wrong.append("hub needs repo, written ORG/NAME")
    if found.ask.kind == "choice" and (found.item.options is None or found.item.gold is None):
        wrong.append("a choice needs item.options and item.gold")
    for place, score in enumerate(found.metric):
        wrong += _list_metric_faults(score, found.item, policy)
        if any((s.question, s.by) == (score.question, score.by) for s in found.metric[:place]):
            wrong.append(f"{score.question!r} by {score.by!r} is there twice")
    return wrong


def _list_metric_faults(score: MetricSpec, item: Item, policy: Policy) -> list[str]:
    if score.question == OWN:
        if item.questions is None:
            return ["the items have no questions of their own: item.questions gives them"]
        return ["own questions score by their weights, not by a value"] if score.value else []
    question = policy.get(score.question)
    if question is None:
        return [f"the policy has no question {score.question!r}; it has: {', '.join(policy)}"]
    if question.about != "response":
        return [f"{score.question!r} is about the {question.about}, not about a response"]
    allowed = choices(question)
    wrong = [v for v in score.value if not any(type(v) is type(a) and v == a for a in allowed)]
    if wrong:
        return [f"{wrong[0]!r} is no answer to {score.question!r}: {list(allowed)}"]
    if question.kind in ("one-of", "some-of") and not score.value:
        return [f"{score.question!r} is {question.kind}: say with value which answers count"]
    return []


@cache
def load_suite() -> dict[str, Benchmark]:
    """The suite's benchmarks by name, in the order of their groups."""
    order = list(GROUPS)
    folder = resources.files("trueline").joinpath("evaluate/benchmarks/suite")
    benchmarks = _read_folder(folder, load())
    return dict(sorted(benchmarks.items(), key=lambda b: (order.index(b[1].group), b[0])))


def _read_folder(folder: Traversable, policy: Policy) -> dict[str, Benchmark]:
    """The benchmarks of a folder's TOML files, each named like its file."""
    benchmarks = {}
    for file in folder.iterdir():
        if file.name.endswith(".toml"):
            benchmark = parse_benchmark(file.read_text(encoding="utf-8"), file.name, policy)
            if f"{benchmark.name}.toml" != file.name:
                raise InputError(f"{file.name} holds a benchmark named {benchmark.name!r}")
            benchmarks[benchmark.name] = benchmark
    return benchmarks


def select_benchmarks(names: Sequence[str], policy: Policy) -> list[Benchmark]:
    """The benchmarks that the names mean.

    A name is "all" or a group (of the suite), a benchmark, a TOML file, or an entry point of an
    installed package, which means all the benchmarks there.
    """
    selected: dict[str, Benchmark] = {}
    for name in names:
        for benchmark in _find_benchmarks(name, policy):
            if selected.setdefault(benchmark.name, benchmark) is not benchmark:
                raise InputError(f"two benchmarks are named {benchmark.name!r}")
    return list(selected.values())


def _find_benchmarks(name: str, policy: Policy) -> list[Benchmark]:
    suite = load_suite()
    if name == "all":
        return list(suite.values())
    if name in GROUPS:
        return [benchmark for benchmark in suite.values() if benchmark.group == name]
    if name in suite:
        return [suite[name]]
    path = Path(name)
    if path.suffix == ".toml":
        return [parse_benchmark(read_text(path), str(path), policy)]
    known = [*GROUPS, *suite]
    for package, module in plugins.modules(PACKAGES).items():
        installed = _read_folder(resources.files(module), policy)
        if name == package:
            return list(installed.values())
        if name in installed:
            return [installed[name]]
        known += [package, *installed]
    near = difflib.get_close_matches(name, known, 3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
    raise InputError(f"no benchmark or group is named {name!r}, and it is no .toml file: {hint}")


def describe_benchmark(one: Benchmark) -> dict[str, Any]:
    """A benchmark as plain data, for a listing."""
    place = one.file or one.hub
    assert place is not None
    return {
        "name": one.name,
        "group": one.group,
        "about": one.about,
        "kind": one.ask.kind,
        "metrics": [f"{s.question} by {s.by}" for s in one.metric],
        "license": one.license,
        "source": place.path if place.repo is None else f"hub:{place.repo}",
    }
