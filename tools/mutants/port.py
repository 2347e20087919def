"""Where the code of the old tree stands in the new one."""

from __future__ import annotations

import ast
import random
from collections import defaultdict
from difflib import SequenceMatcher
from pathlib import Path

from tools.mutants.edits import PACKAGE, Mutant, Place, functions, mutants

ALIKE = 0.6  # share of equal lines from which two functions are the same one
NEIGHBOURS = 3  # lines above and below that decide between places with equal lines


class Sources:
    """The package of one checkout: its stripped lines, and the functions around them."""

    def __init__(self, root: Path) -> None:
        self.lines: dict[str, list[str]] = {}
        self.places: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self._spans: dict[str, list[tuple[int, int]]] = {}
        for path in sorted((root / PACKAGE).rglob("*.py")):
            file, source = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
            self.lines[file] = [line.strip() for line in source.splitlines()]
            self._spans[file] = [
                (f.lineno, f.end_lineno or f.lineno) for f in functions(ast.parse(source))
            ]
            for number, line in enumerate(self.lines[file], start=1):
                self.places[line].append((file, number))

    def function(self, file: str, line: int) -> list[str]:
        """The lines of the innermost function around a line; none outside of functions."""
        first, last = max((s for s in self._spans[file] if s[0] <= line <= s[1]), default=(1, 0))
        return self.lines[file][first - 1 : last]

    def around(self, file: str, line: int) -> list[str]:
        return self.lines[file][max(0, line - 1 - NEIGHBOURS) : line + NEIGHBOURS]


def port(mutant: Mutant, old: Sources, new: Sources) -> Place | None:
    """The place of the mutant in the new tree; None if its lines or their function are gone, or
    if two places are equally near."""
    place = mutant.place
    text = old.lines[place.file][place.line - 1 : place.end_line]
    function, around = old.function(place.file, place.line), old.around(place.file, place.line)
    ranked = []
    for file, line in new.places[text[0]]:
        if new.lines[file][line - 1 : line - 1 + len(text)] == text:
            alike = _alike(function, new.function(file, line))
            if alike >= ALIKE:
                ranked.append((alike, _alike(around, new.around(file, line)), file, line))
    ranked.sort(reverse=True)
    if not ranked or (len(ranked) > 1 and ranked[0][:2] == ranked[1][:2]):
        return None
    _, _, file, line = ranked[0]
    return place._replace(file=file, line=line, end_line=line + place.end_line - place.line)


def choose(
    old: Path, new: Path, seed: int, count: int, unmoved: bool = False
) -> list[tuple[Mutant, Place]]:
    """The first `count` mutants of the seeded order that port, at most one for each line; unless
    `unmoved`, none of a file that has the same bytes at the same path in both trees."""
    candidates, before, after = mutants(old), Sources(old), Sources(new)
    random.Random(seed).shuffle(candidates)
    chosen: dict[tuple[str, int], tuple[Mutant, Place]] = {}
    for mutant in candidates:
        file, line = mutant.place.file, mutant.place.line
        if (file, line) in chosen or not (unmoved or _moved(old / file, new / file)):
            continue
        if (place := port(mutant, before, after)) is not None:
            chosen[file, line] = mutant, place
        if len(chosen) == count:
            break
    return list(chosen.values())


def _moved(old: Path, new: Path) -> bool:
    return not new.is_file() or old.read_bytes() != new.read_bytes()


def _alike(left: list[str], right: list[str]) -> float:
    return SequenceMatcher(None, left, right, autojunk=False).ratio()
