"""How training fails, in words that say what helps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trueline.files.errors import InputError

LESS_MEMORY = (
    "Lower --batch-size and raise --gradient-accumulation by the same factor, use "
    "--gradient-checkpointing, or lower --max-length"
)
DIVERGED = (
    "the training has diverged: a loss, a gradient or a weight is not a number. Lower "
    "--learning-rate, and choose another --out"
)


@contextmanager
def memory_errors_as_input_errors(step: Callable[[], int]) -> Iterator[None]:
    """Inside, memory that runs out is an InputError that names the step."""
    import torch

    try:
        yield
    except (
        RuntimeError
    ) as error:  # torch.OutOfMemoryError is one; on a CPU there is none of its own
        full = isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
        if not full:
            raise
        raise InputError(f"out of memory at step {step() + 1}. {LESS_MEMORY}") from error
