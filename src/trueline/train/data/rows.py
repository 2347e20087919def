"""What every method trains on: rows of segments, each one sequence of tokens and which count."""

from __future__ import annotations

from msgspec import Struct


class UnusableRow(Exception):
    """An Example that gives no row; the message is the reason under which it is counted."""


class Segment(Struct, frozen=True):
    """One sequence as the model reads it, from its first token to its last.

    `mask` is true where the loss looks: at tokens that are learnt, or at the one where a score is
    read.
    """

    name: str
    ids: list[int]
    mask: list[bool]


class TrainingRow(Struct, frozen=True):
    """The sequences that are trained on together: one for a completion, two for a pair, which
    begin with the same prompt.

    `targets` are the numbers that a loss compares with (a sign, a margin, the labels of a head);
    `truncated` says that a segment lost its end.
    """

    segments: tuple[Segment, ...]
    targets: dict[str, float] = {}
    truncated: bool = False

    @property
    def length(self) -> int:
        """Tokens of the longest segment: the width that the row takes in a batch."""
        return max(len(segment.ids) for segment in self.segments)


def truncate(row: TrainingRow, max_tokens: int) -> TrainingRow:
    """The row with segments of at most `max_tokens` tokens, cut at their ends.

    Raises UnusableRow if a segment would have nothing left that counts, or if two are the same.
    """
    cut = row.length > max_tokens
    segments = row.segments
    if cut:
        segments = tuple(Segment(s.name, s.ids[:max_tokens], s.mask[:max_tokens]) for s in segments)
        if not all(any(segment.mask) for segment in segments):
            raise UnusableRow(
                f"too long: nothing that counts lies within --max-length {max_tokens}"
            )
    if len({tuple(segment.ids) for segment in segments}) < len(segments):
        raise UnusableRow(f"the answers are the same within --max-length {max_tokens}")
    return TrainingRow(segments, row.targets, cut)
