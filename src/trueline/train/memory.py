"""What a training run will need in memory, by a formula that is stated, against what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from transformers import PreTrainedModel

GIB = 2**30
GRADIENT = 4  # bytes for each trained weight


class Memory(Struct, frozen=True):
    """Bytes by what they are for; `available` is what the device had free before loading.

    weights: parameters at their width.  gradients: 4 for each trained weight.  optimizer: 8 for
    each (Adam's two moments).  activations, for B rows of S tokens: B·S·layers·(16·hidden +
    6·intermediate)·width, or with checkpointing B·S·hidden·(layers + one layer's share)·width;
    and 12 bytes for each output at the tokens that count (float32 logits, log-probabilities and
    their gradient).  Measured against a run, it is the right order, not the right digit.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    available: int
    device: str

    @property
    def fixed(self) -> int:
        """What no smaller batch can avoid."""
        return self.weights + self.gradients + self.optimizer

    @property
    def total(self) -> int:
        return self.fixed + self.activations

    def text(self) -> str:
        """One line for people."""
        need = {
            "weights": self.weights,
            "gradients": self.gradients,
            "optimizer": self.optimizer,
            "activations": self.activations,
        }
        parts = " + ".join(f"{name} {format_size(size)}" for name, size in need.items())
        return (
            f"memory: about {format_size(self.total)} ({parts}); "
            f"{format_size(self.available)} free on {self.device}"
        )


def format_size(size: int) -> str:
    """Bytes for people."""
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / 2**20:.0f} MiB"


def measure_free() -> tuple[int, str]:
    """Free bytes on the device that training will use, and its name."""
    import psutil
    import torch

    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0], f"cuda ({torch.cuda.get_device_name()})"
    return psutil.virtual_memory().available, "cpu"


def estimate(
    model: PreTrainedModel,
    free: tuple[int, str],
    rows: int,
    longest: int,
    counted: int,
    checkpointing: bool,
) -> Memory:
    """The need of one step on the longest batch: `rows` sequences of `longest` tokens, `counted`
    of all their tokens trained.  The weights count as still to be paid: `free` is from before."""
    config = model.config.get_text_config()
    width = 2 if free[1] != "cpu" else 4
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    head = model.get_output_embeddings()
    outputs = model.config.num_labels if head is None else config.vocab_size
    layer = 16 * config.hidden_size + 6 * inner
    layers = config.num_hidden_layers
    held = layers * config.hidden_size + layer if checkpointing else layers * layer
    return Memory(
        weights=sum(p.numel() * p.element_size() for p in model.parameters()),
        gradients=GRADIENT * trained,
        optimizer=8 * trained,
        activations=rows * longest * held * width + 12 * counted * outputs,
        available=free[0],
        device=free[1],
    )


def measure_peak() -> int:
    """The most bytes that this process has held on its device so far."""
    import resource

    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
