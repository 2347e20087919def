"""What a run is, before it runs: its command, options and inputs, and the identity of them all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from trueline.runs.options import HashPath, decisive, file_digest, settings
from trueline.runs.record import Input, command_words, file_inputs, run_identity


class RunSpec(Struct, frozen=True):
    """What a run is: its command, its options, and what it is made of.

    `decisive` is all on which the outcome depends, as plain data: the identity is its hash.
    """

    command: str
    argv: tuple[str, ...]
    settings: dict[str, Any]
    decisive: dict[str, Any]
    inputs: tuple[Input, ...] = ()

    @property
    def identity(self) -> str:
        return run_identity(self.command, self.decisive)


def specify_run(
    command: str,
    options: Any,
    inputs: Iterable[Input],
    hash_path: HashPath = file_digest,
    **more: Any,
) -> RunSpec:
    """What a run of this command is; `inputs` are those that the options do not name themselves,
    `more` is whatever else the outcome depends on."""
    given = tuple(inputs)
    hashes = {f"{found.kind} {found.path}": found.hash for found in given}
    return RunSpec(
        command=command,
        argv=command_words(command, options),
        settings=settings(options),
        decisive=decisive(options, hash_path) | hashes | more,
        inputs=(*file_inputs(options, hash_path), *given),
    )
