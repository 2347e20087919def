"""The modules of one checkout, and questions that every measure asks of a syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = "trueline"
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module(NamedTuple):
    path: str  # in the package's folder
    lines: list[str]
    tree: ast.Module
    nodes: list[ast.AST]  # of the tree, as `ast.walk` gives them

    @property
    def room(self) -> str:
        return self.path.partition("/")[0] if "/" in self.path else "(top)"

    @property
    def name(self) -> str:
        dotted = self.path.removesuffix(".py").replace("/", ".")
        return f"{PACKAGE}.{dotted}".removesuffix(".__init__")

    def functions(self) -> list[Function]:
        return [node for node in self.nodes if isinstance(node, Function)]


class House:
    """The package of a checkout."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "src" / PACKAGE
        if not self.folder.is_dir():
            raise SystemExit(f"{root}: there is no src/{PACKAGE} in it")
        self.modules = []
        for path in sorted(self.folder.rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            name = path.relative_to(self.folder).as_posix()
            tree = ast.parse(text)
            self.modules.append(Module(name, text.splitlines(), tree, list(ast.walk(tree))))


def own_imports(tree: ast.AST, package: str = PACKAGE) -> list[ast.Import | ast.ImportFrom]:
    """The statements under a node that import the package, or from within it."""
    imports: list[ast.Import | ast.ImportFrom] = []
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(level=level, module=module):
                names = ["" if level else module or ""]
                if level or names[0].partition(".")[0] == package:
                    imports.append(node)
            case ast.Import(names=aliases):
                if any(alias.name.partition(".")[0] == package for alias in aliases):
                    imports.append(node)
    return imports


def imported_names(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Names that a module gives to what it imports of ours, and where these are from."""
    for node in own_imports(tree):
        for alias in node.names:
            start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            yield alias.asname or alias.name, start + alias.name


def defined_names(module: Module) -> set[str]:
    """The names that a module defines at its top level."""
    names = set()
    for node in module.tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names
