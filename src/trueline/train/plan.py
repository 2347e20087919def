"""What a training run is, settled before the model is loaded: its rows, its base, its identity."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

from trueline.files.hashing import digest
from trueline.models.local.weights import Weights
from trueline.models.open import without_key
from trueline.records.types import Example
from trueline.runs.options import decisive, settings
from trueline.runs.record import (
    Input,
    RunRecord,
    StageCount,
    command_words,
    file_inputs,
    made_by,
    now,
    path_input,
    run_identity,
    versions,
)
from trueline.train import loading
from trueline.train.data.encoder import Encoder
from trueline.train.data.training_set import TrainingSet, collect, read_examples
from trueline.train.method import Method, O

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class Plan(Generic[O]):
    """`decisive` is all that the weights depend on, `rate` the highest learning rate."""

    method: Method[O]
    options: O
    decisive: dict[str, object]
    weights: Weights
    base_identity: str
    tokenizer: PreTrainedTokenizerFast
    training_set: TrainingSet

    @property
    def command(self) -> str:
        return f"train {self.method.name}"

    @property
    def identity(self) -> str:
        return run_identity(self.command, self.decisive)

    @property
    def rate(self) -> float:
        return self.method.rate(self.options)

    def record(self, started: str, status: str, note: str | None = None) -> RunRecord:
        """The run's record, as of now."""
        data = self.training_set.data
        skipped = sum(data.skipped.values())
        return RunRecord(
            command=f"trueline {self.command}",
            argv=command_words(self.command, self.options),
            identity=self.identity,
            settings=settings(self.options),
            inputs=self._inputs(),
            versions=versions(),
            status=status,
            note=note,
            rows=data.rows,
            rejects=skipped,
            stages=[StageCount("rows", data.examples, data.rows, data.skipped)],
            spend=[],
            started=started,
            finished=now(),
        )

    def _inputs(self) -> tuple[Input, ...]:
        name = without_key(self.options.model)
        made = made_by(self.weights.adapter or self.weights.base)
        if self.options.data is None:
            data = Input("Examples passed in Python", "data set", self.training_set.data.hash)
        else:
            data = path_input(self.options.data)
        return data, Input(name, "model", self.base_identity, made), *file_inputs(self.options)


def make_plan(method: Method[O], options: O, examples: Iterable[Example] | None) -> Plan[O]:
    """Find the base and encode the rows; the Examples are `options.data`'s unless given."""
    weights, base_identity = loading.find_weights(options, method.model)
    tokenizer = loading.load_tokenizer(weights, options.model, options.chat_template)
    if method.template is not None:
        tokenizer.chat_template = method.template(tokenizer)
    encoder = Encoder(tokenizer, loading.read_stop_ids(weights))
    training_set = collect(
        read_examples(options.data) if examples is None else examples,
        lambda example: method.rows(example, encoder, options),
        encoder,
        source=options.data,
        max_length=options.max_length,
        reveal=options.reveal,
    )
    depends_on = decisive(options) | {
        "method version": method.version,
        "learning_rate": method.rate(options),
        "model": weights.name,
        "base": base_identity,
        "rows": training_set.data.hash,
        "chat template": digest(tokenizer.chat_template),
    }
    return Plan(method, options, depends_on, weights, base_identity, tokenizer, training_set)
