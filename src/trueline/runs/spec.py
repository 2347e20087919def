"""What a run is, before it runs: its command, options and inputs, and the identity of them all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from trueline.ledger.summary import Spend
from trueline.runs.options import HashPath, decisive, file_digest, settings
from trueline.runs.record import (
    Input,
    RunRecord,
    StageCount,
    command_words,
    file_inputs,
    now,
    run_identity,
    versions,
)


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

    def record(
        self,
        *,
        started: str,
        rows: int,
        rejects: int,
        stages: list[StageCount],
        status: str = "complete",
        note: str | None = None,
        spend: Sequence[Spend] = (),
    ) -> RunRecord:
        """The record of the run, which ends now."""
        return RunRecord(
            command=f"trueline {self.command}",
            argv=self.argv,
            identity=self.identity,
            settings=self.settings,
            inputs=self.inputs,
            versions=versions(),
            status=status,
            note=note,
            rows=rows,
            rejects=rejects,
            stages=stages,
            spend=list(spend),
            started=started,
            finished=now(),
        )


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
