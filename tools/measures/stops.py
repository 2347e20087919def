"""The way of one value through functions: who is given the options of a recipe."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Sequence

from tools.measures.source import Function, House, Module, imported_names


class Calls:
    """Our functions by dotted name, and what a call in a module means."""

    def __init__(self, house: House) -> None:
        self.functions: dict[str, tuple[Module, Function]] = {}
        self._methods: dict[str, list[str]] = defaultdict(list)
        self._names: dict[str, dict[str, str]] = {}
        for module in house.modules:
            names = dict(imported_names(module.tree))
            for node in module.tree.body:
                if isinstance(node, Function | ast.ClassDef):
                    names[node.name] = f"{module.name}.{node.name}"
                self._enter(module, node)
            self._names[module.name] = names

    def _enter(self, module: Module, node: ast.stmt) -> None:
        if isinstance(node, Function):
            self.functions[f"{module.name}.{node.name}"] = module, node
        elif isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, Function):
                    name = f"{module.name}.{node.name}.{method.name}"
                    self.functions[name] = module, method
                    self._methods[method.name].append(name)

    def called(self, caller: str, call: ast.expr) -> str | None:
        """The function that an expression in `caller` names; None if it is not ours."""
        module = self.functions[caller][0].name
        target = self._names[module]
        match call:
            case ast.Name(id=name):
                dotted = target.get(name, "")
            case ast.Attribute(value=ast.Name(id="self"), attr=attr):
                dotted = f"{caller.rpartition('.')[0]}.{attr}"
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in target:
                dotted = f"{target[name]}.{attr}"
            case ast.Attribute(attr=attr) if len(self._methods[attr]) == 1:
                dotted = self._methods[attr][0]
            case _:
                return None
        return next((d for d in (dotted, f"{dotted}.__init__") if d in self.functions), None)


def stops(house: House, path: str, kind: str = "Options", fields: bool = False) -> list[str]:
    """The functions, by path and dotted name, that get the value which the functions of a file
    take as `kind`; with `fields`, also those that get one of its fields."""
    calls = Calls(house)
    queue = [
        (name, parameter.arg)
        for name, (module, function) in calls.functions.items()
        for parameter in (*function.args.args, *function.args.kwonlyargs)
        if module.path == path and _text(parameter.annotation) == kind
    ]
    seen: set[tuple[str, str]] = set()
    while queue:
        stop = queue.pop()
        if stop not in seen:
            seen.add(stop)
            queue += _next_stops(calls, *stop, fields)
    return sorted({f"{calls.functions[name][0].path}: {name}" for name, _ in seen})


def _next_stops(calls: Calls, name: str, value: str, fields: bool) -> Iterator[tuple[str, str]]:
    """Where a function takes the value, `value` being what it is called there."""
    function = calls.functions[name][1]
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Name(id="partial"), args=[callee, *rest], keywords=keywords):
                yield from _given(calls, name, callee, rest, keywords, value, fields)
            case ast.Call(func=callee, args=rest, keywords=keywords):
                yield from _given(calls, name, callee, rest, keywords, value, fields)
            case ast.Assign(targets=[target], value=source):
                for kept in _kept(target, source, value):
                    owner = name.rpartition(".")[0] + "."
                    for method, (_, body) in calls.functions.items():
                        reads = any(kept == _text(part) for part in ast.walk(body))
                        if method.startswith(owner) and method != name and reads:
                            yield method, kept


def _given(
    calls: Calls,
    caller: str,
    callee: ast.expr,
    arguments: Sequence[ast.expr],
    keywords: Sequence[ast.keyword],
    value: str,
    fields: bool,
) -> Iterator[tuple[str, str]]:
    name = calls.called(caller, callee)
    if name is None:
        return
    parameters = calls.functions[name][1].args
    names = [a.arg for a in (*parameters.posonlyargs, *parameters.args)]
    names = names[1:] if names[:1] in (["self"], ["cls"]) else names
    pairs = [(names[n], a) for n, a in enumerate(arguments) if n < len(names)]
    pairs += [(k.arg, k.value) for k in keywords if k.arg]
    for parameter, given in pairs:
        if _text(given) == value or (fields and _text(given).startswith(f"{value}.")):
            yield name, parameter


def _kept(target: ast.expr, source: ast.expr, value: str) -> Iterator[str]:
    """The attributes of `self` that an assignment, also one of tuples, sets to the value."""
    both = [(target, source)]
    if isinstance(target, ast.Tuple) and isinstance(source, ast.Tuple):
        both = list(zip(target.elts, source.elts, strict=False))
    for left, right in both:
        if _text(right) == value and _text(left).startswith("self."):
            yield _text(left)


def _text(node: ast.AST | None) -> str:
    """A name or an attribute of a name as it is written; empty for all else."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            return f"{name}.{attr}"
    return ""
