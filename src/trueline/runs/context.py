"""What every recipe's run needs beside the recipe: models behind a ledger, caps, a folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct

from trueline.files.errors import InputError
from trueline.ledger import prices
from trueline.ledger.budget import Budget, Price
from trueline.ledger.sqlite import Ledger, open_ledger
from trueline.models.contract import Model
from trueline.models.open import open_model, without_key
from trueline.policy.types import Policy
from trueline.records.ids import digest
from trueline.records.store import dataset
from trueline.runs import run as flow
from trueline.runs.stream import Item, Stage

# Not part of a run's identity: they bound it, place it or show it, and change no answer.
LIMITS = frozenset(
    "out ledger limit max_calls max_tokens max_money prices price_in price_out concurrency "
    "timeout hedge_after dry_run json quiet".split()
)


Count = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[float, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0)]


class RunOptions(Struct, frozen=True, kw_only=True):
    """Options that every run with models has."""

    places: ClassVar[frozenset[str]] = frozenset()
    """Further options that are not part of what a run is, as LIMITS are not."""

    out: Annotated[Path, Meta(description="The folder for the new data set.")]
    ledger: Annotated[Path, Meta(description="Where calls are recorded.")] = Path(
        ".trueline/ledger.sqlite"
    )
    max_calls: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Send at most so many calls.")
    ] = None
    max_tokens: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Spend at most so many tokens.")
    ] = None
    max_money: Annotated[NotNegative | None, Meta(description="Spend at most so much money.")] = (
        None
    )
    prices: Annotated[
        Path | None, Meta(description="A TOML file of prices by model: input and output.")
    ] = None
    price_in: Annotated[
        NotNegative | None, Meta(description="Money for a million prompt tokens at endpoints.")
    ] = None
    price_out: Annotated[
        NotNegative | None, Meta(description="Money for a million completion tokens.")
    ] = None
    concurrency: Annotated[Count, Meta(description="Calls under way at a time.")] = 64
    timeout: Annotated[
        Seconds, Meta(description="Give up a request to an endpoint after so many seconds.")
    ] = 600.0
    hedge_after: Annotated[
        Seconds | None,
        Meta(description="Send a request again that has no answer after so many seconds."),
    ] = None
    dry_run: Annotated[bool, Meta(description="Print the most it could cost; send nothing.")] = (
        False
    )
    json: Annotated[bool, Meta(description="Report as JSON.")] = False
    quiet: Annotated[bool, Meta(description="No progress on stderr.")] = False

    def budget(self) -> Budget:
        """The caps; InputError for prices that are incomplete or given twice."""
        if (self.price_in is None) != (self.price_out is None):
            raise InputError("--price-in and --price-out belong together: give both")
        found = {} if self.prices is None else prices.load(self.prices)
        if self.price_in is not None and self.price_out is not None:
            if "*" in found:
                raise InputError(
                    f'{self.prices} has prices for "*", and so say --price-in and --price-out: '
                    "give one of the two"
                )
            found["*"] = Price(self.price_in, self.price_out)
        return Budget(self.max_calls, self.max_tokens, self.max_money, found)


class Setup:
    """A run that is about to start: its models, opened behind one ledger."""

    def __init__(
        self, command: str, options: RunOptions, inputs: dict[str, Any], ledger: Ledger
    ) -> None:
        self.command, self.options, self.inputs, self.ledger = command, options, inputs, ledger
        self.models: dict[str, Model] = {}

    @property
    def window(self) -> int:
        """Examples under way: enough that a slow call at the head does not idle the rest."""
        return 4 * self.options.concurrency

    def model(self, name: str) -> Model:
        """The model of this name, opened once."""
        if name not in self.models:
            self.models[name] = open_model(
                name,
                self.ledger,
                concurrency=self.options.concurrency,
                timeout_s=self.options.timeout,
                hedge_s=self.options.hedge_after,
            )
        return self.models[name]

    async def run(
        self,
        items: Iterable[Item],
        stages: list[Stage],
        total: int | None = None,
        finish: Callable[[flow.RunRecord], None] | None = None,
        policy: Policy | None = None,
        **instruments: str,
    ) -> flow.RunRecord:
        """Run the stages into the output folder; hashes of instruments are part of the run's
        identity, as its models' are."""
        identities = {without_key(n): model.identity for n, model in sorted(self.models.items())}
        return await flow.run(
            items,
            stages,
            self.options.out,
            command=f"trueline {self.command}",
            identity=flow.identity(
                self.command, options=self.inputs, models=identities, **instruments
            ),
            config={**settings(self.options), "models": identities, **instruments},
            ledger=self.ledger,
            total=total,
            finish=finish,
            quiet=self.options.quiet,
            policy=policy,
        )


@asynccontextmanager
async def setup(command: str, options: RunOptions) -> AsyncIterator[Setup]:
    """Open the ledger for a run and close what was opened for it.

    The budget counts over all runs of this command with these settings into this folder.
    """
    inputs = decisive(options)
    out = options.out.resolve()
    name = f"{command} {out.name} {digest([command, inputs, str(out)])[:8]}"
    async with await open_ledger(options.ledger, run=name, budget=options.budget()) as ledger:
        made = Setup(command, options, inputs, ledger)
        try:
            yield made
        finally:
            for model in made.models.values():
                await model.close()


def settings(options: RunOptions) -> dict[str, Any]:
    """The options as plain data, to be stored and shown."""

    def shown(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [shown(one) for one in value]
        return without_key(value) if isinstance(value, str) else value

    return {k: shown(v) for k, v in msgspec.to_builtins(options, enc_hook=str).items()}


def decisive(options: RunOptions) -> dict[str, Any]:
    """The options on which the outcome depends; a file stands there with its content, so that
    one that was edited makes another run."""

    def named(value: Any) -> Any:
        if isinstance(value, Path):
            return [value.name, file_digest(value)]
        if isinstance(value, tuple):
            return [named(v) for v in value]
        return without_key(value) if isinstance(value, str) else value

    given = msgspec.structs.asdict(options)
    not_so = LIMITS | options.places
    return {k: named(v) for k, v in given.items() if k not in not_so}


def file_digest(path: Path) -> str:
    """blake2b-128 of a file's bytes, for a data set of its manifest, which lists those of its
    shards; InputError where it cannot be read."""
    path = path / dataset.MANIFEST if path.is_dir() else path
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def check(options: Struct) -> None:
    """InputError, naming the option, for a value that none of its kind may have."""
    try:
        msgspec.convert(msgspec.structs.asdict(options), type(options))
    except msgspec.ValidationError as error:
        why, _, where = str(error).partition(" - at `$.")
        name = re.split(r"[`.\[]", where)[0]
        raise InputError(
            f"--{name.replace('_', '-')} {getattr(options, name)}: {why[:1].lower()}{why[1:]}"
        ) from error


def dry_run(rows: int, most: dict[str, tuple[int, int]]) -> str:
    """The most that a run could cost, as a table; `most` gives calls and tokens a row by model."""
    lines = [
        f"at most, for {rows:,} rows, before retries (hits in the ledger are free, rejects cost "
        "less):"
    ]
    calls = tokens = 0
    for name, (per_row, out) in most.items():
        lines.append(f"  {name}: {rows * per_row:,} calls, {rows * out:,} completion tokens")
        calls, tokens = calls + rows * per_row, tokens + rows * out
    return "\n".join([*lines, f"  in all: {calls:,} calls, {tokens:,} completion tokens"])
