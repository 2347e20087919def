"""What can be changed in a tree, one small edit each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = "src/trueline"
OPPOSITE: dict[type, str] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
    ast.And: "or", ast.Or: "and", ast.Add: "-", ast.Sub: "+",
}  # fmt: skip
SWAPPED = {"min": "max", "max": "min", "any": "all", "all": "any"}
NO_BEHAVIOUR = ("annotation", "returns", "decorator_list", "type_params")
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Place(NamedTuple):
    """Text in a file: lines from 1; columns in characters, without the indent of their line."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


class Mutant(NamedTuple):
    place: Place
    kind: str
    before: str
    after: str

    @property
    def key(self) -> str:
        return f"{self.place.file}:{self.place.line}:{self.place.column} {self.kind} {self.after}"


def change(node: ast.AST) -> tuple[str, ast.AST, str] | None:
    """A kind of edit, the node that it replaces, and the new text; None if the node has none."""
    text = ast.unparse
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return "comparison", node, f"({text(left)} {OPPOSITE[type(op)]} {text(right)})"
        case ast.BoolOp(op=op, values=values):
            joined = f" {OPPOSITE[type(op)]} ".join(f"({text(value)})" for value in values)
            return "and/or", node, f"({joined})"
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            return "+/-", node, f"(({text(left)}) {OPPOSITE[type(op)]} ({text(right)}))"
        case ast.AugAssign(target=target, op=ast.Add() | ast.Sub() as op, value=value):
            return "+/-", node, f"{text(target)} {OPPOSITE[type(op)]}= {text(value)}"
        case ast.If(test=test) | ast.IfExp(test=test) if text(test) != "TYPE_CHECKING":
            return "negated if", test, f"(not ({text(test)}))"
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return "dropped not", node, f"(bool({text(operand)}))"
        case ast.Constant(value=value) if type(value) is int and value in (0, 1):
            return "0/1", node, str(1 - value)
        case ast.Return(value=ast.expr() as value) if text(value) != "None":
            return "return None", node, "return None"
        case ast.Expr(value=ast.Call() | ast.Await(value=ast.Call())):
            return "dropped call", node, "pass"
        case ast.Call(func=ast.Name(id=name)) if name in SWAPPED:
            return "min/max/any/all", node.func, SWAPPED[name]
        case ast.Continue():
            return "continue", node, "break"
    return None


def functions(tree: ast.AST) -> list[Function]:
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def code_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes in the body of a function; annotations, defaults and f-strings are left out."""
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            skipped = field in NO_BEHAVIOUR or isinstance(child, ast.JoinedStr | ast.arguments)
            if isinstance(child, ast.AST) and not skipped:
                yield child
                yield from code_nodes(child)


def mutants(root: Path) -> list[Mutant]:
    """Every mutant of the package, in the order of files and lines."""
    by_key: dict[str, Mutant] = {}  # a nested function is walked twice
    for path in sorted((root / PACKAGE).rglob("*.py")):
        file, source = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
        lines = source.splitlines()
        for function in functions(ast.parse(source)):
            for node in code_nodes(function):
                if (edit := change(node)) is not None:
                    kind, target, after = edit
                    before = ast.get_source_segment(source, target) or ""
                    mutant = Mutant(_place(file, lines, target), kind, before, after)
                    by_key[mutant.key] = mutant
    return sorted(by_key.values())


def mutate(source: str, place: Place, after: str) -> str:
    """The source with other text at the place."""
    lines = source.splitlines(keepends=True)
    first, last = lines[place.line - 1], lines[place.end_line - 1]
    head = first[: _indent(first) + place.column]
    tail = last[_indent(last) + place.end_column :]
    lines[place.line - 1 : place.end_line] = [head + after + tail]
    return "".join(lines)


def _place(file: str, lines: list[str], node: Any) -> Place:
    def column(line: int, offset: int) -> int:
        text = lines[line - 1]
        return len(text.encode()[:offset].decode()) - _indent(text)

    first, last = node.lineno, node.end_lineno
    starts, ends = column(first, node.col_offset), column(last, node.end_col_offset)
    return Place(file, first, starts, last, ends)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
