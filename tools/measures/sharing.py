"""Places that share lines."""

from __future__ import annotations

import ast
from collections import defaultdict
from itertools import combinations
from typing import NamedTuple

from tools.measures.source import Function, House, Module

SHORTEST = 6  # lines


class Shared(NamedTuple):
    """Two places (path and line) and how many lines they share."""

    first: tuple[str, int]
    second: tuple[str, int]
    lines: int

    def __str__(self) -> str:
        (a, m), (b, n) = self.first, self.second
        return f"{a}:{m} and {b}:{n}, {self.lines} lines"


def shared_places(house: House) -> list[Shared]:
    """Every pair of places, each as long as the lines are equal."""
    files = {module.path: _counted_lines(module) for module in house.modules}
    starts: dict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
    for path, lines in files.items():
        texts = [text for _, text in lines]
        for at in range(len(texts) - SHORTEST + 1):
            starts[tuple(texts[at : at + SHORTEST])].append((path, at))
    found = []
    for places in starts.values():
        for (a, m), (b, n) in combinations(places, 2):
            if m and n and files[a][m - 1][1] == files[b][n - 1][1]:
                continue  # a pair that began earlier
            length = _equal_lines(files[a][m:], files[b][n:])
            if a == b:
                length = min(length, n - m)  # a place does not share lines with itself
            if length >= SHORTEST:
                found.append(Shared((a, files[a][m][0]), (b, files[b][n][0]), length))
    return sorted(found)


def _counted_lines(module: Module) -> list[tuple[int, str]]:
    """Numbers and texts, without indent, of the lines that say something of their own: no comments,
    imports or punctuation, and no signatures, which a contract makes alike."""
    left_out: set[int] = set()
    for node in module.nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, Function):
            left_out.update(range(node.lineno, node.body[0].lineno))
    stripped = ((n, line.strip()) for n, line in enumerate(module.lines, start=1))
    return [
        (n, text)
        for n, text in stripped
        if n not in left_out and not text.startswith("#") and any(map(str.isalnum, text))
    ]


def _equal_lines(left: list[tuple[int, str]], right: list[tuple[int, str]]) -> int:
    length = 0
    for (_, a), (_, b) in zip(left, right, strict=False):
        if a != b:
            break
        length += 1
    return length
