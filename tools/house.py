"""Figures of the house: what it takes to add to it, and how it is cut.

    python tools/house.py [CHECKOUT …] [--verbose]      # a Markdown table, one column a checkout

All of them are computed from `src/trueline`; tests are not read.  `--verbose` lists what was
counted.

files to add a …    1 (the new file; its test comes on top) + the other files that ask for several
    members of the family by name, into which a new one must be entered too.  In brackets, how many
    ask for one member alone: an exception that a new member may share.  A file asks by name if it
    compares with a member's name or looks it up: `==`, `in` with the name on the right, `case`,
    `startswith`, the keys of a dict, also through a literal that the file gave a name; or if it has
    members' modules in a literal, or imports one inside an `if`.  Naming a member to use it is no
    asking, nor is a comparison with a `.kind`, `.id` or `.question`, nor a name that is as well
    the value of a `Literal`; for labellers a list of names is given instead, and in `train` they
    mean models.  `measures/families.py` says how members are recognised.
files to add a training method    as above, + the files of `train` outside `methods` that
    - tell rows apart by `isinstance` with a class of the room, or
    - name options that only some methods have, or ask with `getattr` whether there is one, or
    - are fixed to causal models: name what only these have, and tell no kinds of models apart, or
    - hold parts of several methods, each used by one method alone.
`Any`    uses of the name, imports left out.
own imports in functions    `import trueline…` or `from trueline…` inside a function, by room.
places that share lines    pairs of places with six or more equal lines, each pair as long as it
    goes.  Indents do not count; blank lines, comments, imports, signatures and punctuation are
    left out.
stops of `options`    functions that get the options of the Safer-Instruct recipe, from those of its
    own file on: as an argument, or from `self` if the constructor put them there; in the second
    row also those that get one of its fields, under whatever name.  Calls are followed by name; a
    method of an unknown object only if one class alone has a method of that name.
"""

from __future__ import annotations

import argparse
import ast
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # it is run as a script
from tools.measures.families import FAMILIES, asking_files, members
from tools.measures.methods import fixed_files
from tools.measures.sharing import shared_places
from tools.measures.source import House, Module, own_imports
from tools.measures.stops import stops

LONG = 45  # lines of a function from which on it is long
UNKNOWN = "?"  # what should be counted is not where it is looked for


class Figure(NamedTuple):
    """A row of the table: its value, and what was counted."""

    name: str
    value: str
    items: Sequence[object] = ()


def figures(house: House) -> list[Figure]:
    """Every figure of a checkout, in the order of the table."""
    return [*_additions(house), *_typing(house), *_imports(house), *_shape(house)]


def _additions(house: House) -> list[Figure]:
    found = []
    for name, family in FAMILIES.items():
        asked = asking_files(house, family)
        several = {
            path: ", ".join(sorted(names)) for path, names in asked.items() if len(names) > 1
        }
        single = {path: names for path, names in asked.items() if len(names) == 1}
        if name == "training method":
            several |= fixed_files(house)
        value = f"{1 + len(several)}" + (f" (+{len(single)})" if single else "")
        value = value if members(house, family) else UNKNOWN
        listed = [f"{path}: {why}" for path, why in several.items()]
        listed += [f"{path}: {one} alone" for path, (one,) in single.items()]
        found.append(Figure(f"files to add a {name}", value, listed))
    return found


def _typing(house: House) -> list[Figure]:
    counts = {module.path: _any_uses(module) for module in house.modules}
    listed = [f"{path}: {n}" for path, n in counts.items() if n]
    train = [line for line in listed if line.startswith("train/")]
    in_train = sum(n for path, n in counts.items() if path.startswith("train/"))
    return [
        Figure("`Any` in `train`", f"{in_train}", train),
        Figure("`Any` in all", f"{sum(counts.values())}", listed),
    ]


def _any_uses(module: Module) -> int:
    return sum(isinstance(node, ast.Name) and node.id == "Any" for node in module.nodes)


def _imports(house: House) -> list[Figure]:
    places, rooms = [], Counter[str]()
    for module in house.modules:
        lines = {node.lineno for f in module.functions() for node in own_imports(f)}
        places += [f"{module.path}:{line}" for line in sorted(lines)]
        rooms[module.room] += len(lines)
    by_room = ", ".join(f"{room} {n}" for room, n in rooms.most_common() if n) or "none"
    return [
        Figure("own imports in functions", f"{len(places)}", places),
        Figure("… by room", by_room),
    ]


def _shape(house: House) -> list[Figure]:
    shared = shared_places(house)
    modules = {module.path: len(module.lines) for module in house.modules}
    functions = {
        f"{module.path}:{f.lineno} {f.name}": (f.end_lineno or f.lineno) - f.lineno + 1
        for module in house.modules
        for f in module.functions()
    }
    long = {name: n for name, n in functions.items() if n > LONG}
    return [
        Figure("pairs of places that share 6+ lines", f"{len(shared)}", shared),
        Figure("lines in them", f"{sum(place.lines for place in shared)}"),
        *_way_of_options(house),
        Figure("modules: number", f"{len(modules)}"),
        Figure("modules: median / p90 / max lines", _spread(modules), _longest(modules)),
        Figure("functions: number", f"{len(functions):,}"),
        Figure("functions: median / p90 / max lines", _spread(functions)),
        Figure(f"functions over {LONG} lines", f"{len(long)}", _longest(long)),
        Figure("lines in all", f"{sum(modules.values()):,}"),
    ]


def _way_of_options(house: House) -> list[Figure]:
    paths = [module.path for module in house.modules]
    recipes = [p for p in paths if "recipes" in p and p.endswith("/safer_instruct.py")]
    found = []
    for name, fields in (("stops of `options`", False), ("… or of one of its fields", True)):
        way = [stop for path in recipes for stop in stops(house, path, fields=fields)]
        files = {stop.partition(":")[0] for stop in way}
        value = f"{len(way)} functions in {len(files)} files" if way else UNKNOWN
        found.append(Figure(name, value, way))
    return found


def _spread(lengths: dict[str, int]) -> str:
    values = sorted(lengths.values())
    ninth = values[min(len(values) - 1, len(values) * 9 // 10)]
    return f"{statistics.median_low(values)} / {ninth} / {values[-1]}"


def _longest(lengths: dict[str, int]) -> list[str]:
    order = sorted(lengths.items(), key=lambda item: -item[1])
    return [f"{name}: {n}" for name, n in order[:20]]


def table(names: list[str], columns: list[list[Figure]]) -> str:
    """The figures of several checkouts side by side."""
    rows = [["", *names], ["---"] * (len(names) + 1)]
    rows += [[row[0].name, *(f.value for f in row)] for row in zip(*columns, strict=True)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkouts", nargs="*", type=Path, default=[Path()])
    parser.add_argument("--verbose", action="store_true", help="list what was counted")
    args = parser.parse_args()
    columns = [figures(House(root)) for root in args.checkouts]
    names = [root.resolve().name for root in args.checkouts]
    print(table(names, columns))
    if args.verbose:
        for name, column in zip(names, columns, strict=True):
            for figure in column:
                if figure.items:
                    print(f"\n### {name}: {figure.name}: {figure.value}\n")
                    print("\n".join(f"- {item}" for item in figure.items))


if __name__ == "__main__":
    main()
