"""What has to be touched to add a member to a family: recipes, labellers, formats, …"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from tools.measures.source import House, Module, defined_names, imported_names


class Family(NamedTuple):
    """Its members are the files, in one of the folders, that define one of some names at their top
    level; or files or folders with the names that are given; or the folders' TOML files."""

    folders: tuple[str, ...]
    defines: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    not_in: str = "-"  # a room in which the names mean something else


FAMILIES = {
    "recipe": Family(("build/recipes", "recipes/kinds"), defines=("build", "RECIPE")),
    # "refusal" is no name to look for: it is a question's as well
    "labeller kind": Family(
        ("labellers", "labellers/kinds"),
        names=("judge", "classifier", "guard", "grader"),
        not_in="train",
    ),
    "format": Family(("records/formats", "formats/kinds"), defines=("FORMAT",)),
    "benchmark": Family(("evaluate/suite", "evaluate/benchmarks/suite")),
    "check": Family(("evaluate/checks", "labellers/checks"), defines=("check", "CHECK")),
    "training method": Family(("train/methods",), defines=("METHOD",)),
}
LITERAL = ast.Constant | ast.Tuple | ast.List | ast.Set | ast.Dict


def members(house: House, family: Family) -> dict[str, set[str]]:
    """The files of the members, and the names under which each could be asked for."""
    found: dict[str, set[str]] = {}
    typed = _typed_words(house)
    if not family.defines and not family.names:
        for folder in family.folders:
            for path in (house.folder / folder).glob("*.toml"):
                found[path.relative_to(house.folder).as_posix()] = {path.stem}
    for module in house.modules:
        folder, _, file = module.path.rpartition("/")
        stem = file.removesuffix(".py")
        if folder in family.folders and set(family.defines) & defined_names(module):
            found[module.path] = {stem, stem.replace("_", "-")} - typed
        for name in family.names:
            places = [f"{parent}/{name}" for parent in family.folders]
            if f"{folder}/{stem}" in places or folder in places:
                found[module.path] = {name}
    return found


def asking_files(house: House, family: Family) -> dict[str, set[str]]:
    """The other files that ask for members by name, and for which."""
    ours = members(house, family)
    names = set().union(*ours.values()) if ours else set()
    modules = {module.name: ours[module.path] for module in house.modules if module.path in ours}
    found = {}
    for module in house.modules:
        asked = {*_asked_names(module, names), *_registered_names(module, modules)}
        if asked and module.path not in ours and module.room != family.not_in:
            found[module.path] = asked
    return found


@cache
def _typed_words(house: House) -> set[str]:
    """The values of the package's `Literal` types: words that may stand for something else."""
    return {
        word
        for module in house.modules
        for node in module.nodes
        if isinstance(node, ast.Subscript) and _name_of(node.value) == "Literal"
        for word in _words(node.slice)
    }


def _asked_names(module: Module, names: set[str]) -> Iterator[str]:
    """The names that a module asks for in an expression."""
    constants = {
        target.id: _words(node.value)
        for node in module.nodes
        if isinstance(node, ast.Assign) and isinstance(node.value, LITERAL)
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    def asked(*nodes: ast.AST | None) -> set[str]:
        words = set().union(*(_words(node) for node in nodes if node))
        for node in nodes:
            if isinstance(node, ast.Name):
                words |= constants.get(node.id, set())
        return {word.partition(":")[0] for word in words} & names

    for node in module.nodes:
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                sides = [right] if isinstance(op, ast.In | ast.NotIn) else [left, right]
                other = {a.attr for a in (left, right) if isinstance(a, ast.Attribute)}
                if not other & {"kind", "id", "question"}:
                    yield from asked(*sides)
            case ast.MatchValue(value=value):
                yield from asked(value)
            case ast.Call(func=ast.Attribute(attr="startswith"), args=[prefix]):
                yield from asked(prefix)
            case ast.Dict(keys=keys):
                yield from asked(*keys)


def _registered_names(module: Module, modules: dict[str, set[str]]) -> Iterator[str]:
    """The members whose modules stand in a literal, or are imported inside an `if`."""

    def member(dotted: str) -> set[str]:
        return modules.get(dotted) or modules.get(dotted.rpartition(".")[0]) or set()

    aliases = {alias: member(dotted) for alias, dotted in imported_names(module.tree)}
    for node in module.nodes:
        if isinstance(node, LITERAL):
            elements = node.values if isinstance(node, ast.Dict) else getattr(node, "elts", [])
            for element in elements:
                root = element.value if isinstance(element, ast.Attribute) else element
                yield from aliases.get(_name_of(root), ())
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            for statement in (*node.body, *node.orelse):
                for _, dotted in imported_names(statement):
                    yield from member(dotted)


def _words(node: ast.AST) -> set[str]:
    """The strings in an expression that could be names; text with spaces is for people."""
    values = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
    return {value for value in values if isinstance(value, str) and " " not in value}


def _name_of(node: ast.AST | None) -> str:
    return node.id if isinstance(node, ast.Name) else ""
