"""A sequence classifier as a labeller: its own labels, mapped to the policy's questions.

The mapping is a TOML file, given or beside the weights as trueline.toml:

    reads = "pair"                  # or "response": what the classifier was trained to read
    scores = "sigmoid"              # where its config.json does not say: softmax, sigmoid or raw

    [answers.safe]
    labels = { toxic = false, threat = false }
    threshold = 0.7                 # yes needs at least this probability
    [answers.harm_categories]
    labels = { toxic = ["Insulting Behavior"], threat = [] }
    [answers.refusal]
    labels = { NORMAL = "comply", REJECTION = "refuse" }

Every label of the classifier has its place in each answer, or stands among those that it
`ignores`.  For categories, `crosswalk = "beavertails"` takes the policy's own crosswalk instead.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from trueline.files.errors import InputError
from trueline.files.hashing import digest
from trueline.files.lines import read_text
from trueline.labellers import native_labels
from trueline.labellers.answer import Answer
from trueline.labellers.contract import Instrument
from trueline.labellers.targets import About
from trueline.models.open import locate
from trueline.policy.answers import why_invalid
from trueline.policy.crosswalks import map_categories
from trueline.policy.types import Policy
from trueline.records.types import Example, LabellerId, Question

if TYPE_CHECKING:
    from trueline.models.local.classifier import Scores, SequenceClassifier

BESIDE = "trueline.toml"
VERSION = 1
"""Of how a conversation is cut to the window and how scores become answers: raise it when either
changes."""
Kind = Literal["softmax", "sigmoid", "raw"]
Said = bool | int | float | str | tuple[str, ...]


class Answering(Struct, frozen=True, forbid_unknown_fields=True):
    """How the classifier's labels answer one question.

    `labels` gives each its value: for some-of, the options that it stands for; for a number, the
    weight of its score, of which the answer is the sum.  `threshold` is the least probability of
    a yes, and of a label that is to count for some-of.
    """

    labels: dict[str, Said] = {}
    crosswalk: str | None = None
    ignores: tuple[str, ...] = ()
    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5


class Mapping(Struct, frozen=True, forbid_unknown_fields=True):
    """What a classifier reads, what its scores are, and what they answer."""

    answers: dict[str, Answering]
    reads: Literal["pair", "response"] = "pair"
    scores: Kind | None = None


class Classifier(Instrument):
    """A head's labels as answers about prompts and responses.

    A probability is that of the value given; for some-of, the note has those of the labels.  What
    did not fit the classifier's window stands in the note.
    """

    noun = "classifier"

    def __init__(self, head: SequenceClassifier, mapping: Mapping, policy: Policy) -> None:
        self._head, self._reads = head, mapping.reads
        self._kind: Kind = mapping.scores or head.kind
        self._answers = {
            name: _resolved(head, name, answering, policy)
            for name, answering in mapping.answers.items()
        }
        parts = ["classifier", VERSION, head.identity, mapping.reads, self._kind, self._answers]
        self.by = LabellerId("classifier", head.name, digest(parts), VERSION)
        self._checked: set[str] = set()

    @property
    def answers(self) -> tuple[str, ...]:
        """The ids of the questions that it answers."""
        return tuple(self._answers)

    def check_answerable(self, questions: Sequence[Question]) -> None:
        """Raises InputError for questions that the mapping does not answer."""
        native_labels.check_answerable(self.by.name, self.answers, questions)
        for question in questions:
            self._check(question)

    async def answer(
        self, example: Example, about: About, questions: Sequence[Question]
    ) -> dict[str, Answer]:
        self.check_answerable(questions)
        response = example.responses[about[0]].messages if about else ()
        alone = self._reads == "response" and about
        prompt = () if alone else example.prompt
        scores = await self._head.scores(prompt, response, chat=not alone)
        return {question.id: self._answer(question, scores) for question in questions}

    def _answer(self, question: Question, scores: Scores) -> Answer:
        how = self._answers[question.id]
        found = dict(zip(self._head.labels, _probabilities(self._kind, scores.logits), strict=True))
        answer = _READ[question.kind](question, how, found, self._kind)
        return answer._replace(note="; ".join(n for n in (answer.note, scores.cut) if n) or None)

    def _check(self, question: Question) -> None:
        """InputError where the mapping's values are no answers to the question as it is asked."""
        if (asked := digest(question)) in self._checked:
            return
        where = f"{self.by.name}: the mapping's answers.{question.id}"
        if question.kind not in _READ:
            raise InputError(
                f"{where}: a {question.kind} question has no answer in a head's labels"
            )
        if self._kind == "raw" and question.kind != "number":
            raise InputError(
                f"{where}: raw scores answer number questions; where these are logits, set "
                'scores = "sigmoid" or "softmax" in the mapping'
            )
        for label, value in self._answers[question.id].labels.items():
            each = value if question.kind == "some-of" and isinstance(value, tuple) else None
            for one in [value] if each is None else [(option,) for option in each]:
                if wrong := why_invalid(question, one):
                    raise InputError(f"{where}: label {label!r}: {wrong}")
        self._checked.add(asked)


def load_classifier(name: str, mapping: Path | None, policy: Policy) -> Classifier:
    """The classifier in a folder, or `hf:ORG/NAME[@REVISION]`, with the mapping in a TOML file:
    without one, that beside its weights.

    Raises InputError for a missing extra, a folder that holds no sequence classifier, pickled
    weights, and a mapping that does not fit the classifier's labels.
    """
    try:
        from trueline.models.local.classifier import SequenceClassifier
    except ImportError as error:
        missing = error.name or "torch"
        raise InputError(
            f"a classifier that runs here needs {missing}: pip install 'trueline[local]'"
        ) from None
    found = locate(name)
    if mapping is None:
        mapping = found.base / BESIDE
        if not mapping.is_file():
            raise InputError(
                f"{name}: what its labels answer is not said: give a mapping (name?map=FILE), or "
                f"put one beside its weights as {BESIDE}"
            )
    read, head = read_mapping(mapping), SequenceClassifier(found)
    try:
        return Classifier(head, read, policy)
    except InputError as error:
        raise InputError(f"{mapping}: {error}") from error


def read_mapping(path: Path) -> Mapping:
    """The mapping in a TOML file; InputError where it is none."""
    try:
        return msgspec.convert(tomllib.loads(read_text(path)), Mapping)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InputError(f"{path}: {error}") from error


def _resolved(
    head: SequenceClassifier, name: str, answering: Answering, policy: Policy
) -> Answering:
    """With the crosswalk's values written out, and a place for each of the head's labels."""
    labels, wanted = dict(answering.labels), set(head.labels) - set(answering.ignores)
    if answering.crosswalk is not None:
        if labels:
            raise InputError(f"answers.{name}: has both labels and a crosswalk")
        labels = {
            x: map_categories(answering.crosswalk, [x], policy).values
            for x in head.labels
            if x in wanted
        }
    known = f"its labels are {', '.join(head.labels)}"
    for label in (*labels, *answering.ignores):
        if label not in head.labels:
            raise InputError(f"answers.{name}: {head.name} has no label {label!r}; {known}")
    if left := [label for label in head.labels if label in wanted - set(labels)]:
        raise InputError(
            f"answers.{name}: label {left[0]!r} of {head.name} has no place: give it a value "
            f"or put it into `ignores`; {known}"
        )
    return msgspec.structs.replace(answering, labels=labels)


# ---- from scores to answers ------------------------------------------------------------------


def _probabilities(kind: Kind, logits: Sequence[float]) -> list[float]:
    """By label; raw scores stay what they are."""
    if kind == "raw":
        return list(logits)
    if kind == "sigmoid":
        return [0.5 * (1 + math.tanh(x / 2)) for x in logits]
    powers = [math.exp(x - max(logits)) for x in logits]
    return [power / math.fsum(powers) for power in powers]


def _by_value(how: Answering, found: dict[str, float], kind: Kind) -> dict[Said, float]:
    """The probability of each value: of labels of which one holds the sum, else the largest."""
    by_value: dict[Said, list[float]] = {}
    for label, value in how.labels.items():
        by_value.setdefault(value, []).append(found[label])
    combine = math.fsum if kind == "softmax" else max
    return {value: combine(each) for value, each in by_value.items()}


def _ignored(how: Answering, found: dict[str, float], kind: Kind) -> Answer | None:
    likeliest = max(found, key=lambda label: found[label])
    if kind == "softmax" and likeliest in how.ignores:
        return Answer(unscored=f"the likeliest label, {likeliest!r}, answers nothing here")
    return None


def _yes_no(_question: Question, how: Answering, found: dict[str, float], kind: Kind) -> Answer:
    sides = _by_value(how, found, kind)
    if ignored := _ignored(how, found, kind):
        return ignored
    if len(sides) == 1:
        [(side, probability)] = sides.items()
        yes = probability if side else 1 - probability
    else:
        yes = sides[True] / (sides[True] + sides[False])
    value = yes >= how.threshold
    return Answer(value, probability=yes if value else 1 - yes)


def _one_of(_question: Question, how: Answering, found: dict[str, float], kind: Kind) -> Answer:
    if ignored := _ignored(how, found, kind):
        return ignored
    values = _by_value(how, found, kind)
    value = max(values, key=lambda value: values[value])
    whole = math.fsum(values.values()) if kind == "softmax" else 1.0
    return Answer(value, probability=values[value] / whole)


def _some_of(question: Question, how: Answering, found: dict[str, float], _kind: Kind) -> Answer:
    held = {label: p for label, p in found.items() if label in how.labels and p >= how.threshold}
    stands_for = {label: how.labels[label] for label in held}
    answer = native_labels.map_categories(question, stands_for)  # type: ignore[arg-type]  # checked: tuples
    shown = ", ".join(f"{label} {p:.3f}" for label, p in held.items())
    return answer._replace(note="; ".join(note for note in (shown, answer.note) if note) or None)


def _number(_question: Question, how: Answering, found: dict[str, float], _kind: Kind) -> Answer:
    weighed = (float(weight) * found[label] for label, weight in how.labels.items())  # type: ignore[arg-type]
    return Answer(math.fsum(weighed))


_READ = {
    "yes-no": _yes_no,
    "one-of": _one_of,
    "scale": _one_of,
    "some-of": _some_of,
    "number": _number,
}
