"""Which common files of `train` are cut for the training methods of today."""

from __future__ import annotations

import ast
import re
from collections import defaultdict

from tools.measures.families import FAMILIES, members
from tools.measures.source import House, Module, defined_names, imported_names

CAUSAL = re.compile(r"AutoModelForCausalLM|CAUSAL_LM|[gG]eneration_?[cC]onfig|vocab_size")
CLASSIFIER = re.compile(r"SequenceClassification|SEQ_CLS|num_labels|[\"'](classifier|causal)[\"']")


def fixed_files(house: House) -> dict[str, str]:
    """The files of `train`, the methods' own left out, that a method of another shape would have
    to touch, and the reasons (`tools/house.py` defines them)."""
    room = [module for module in house.modules if module.room == "train"]
    own = members(house, FAMILIES["training method"])
    methods = [module for module in room if module.path in own]
    common = [module for module in room if not module.path.startswith("train/methods/")]
    classes = {n.name for m in room for n in m.nodes if isinstance(n, ast.ClassDef)}
    of_all = set().union(*(_fields(module) for module in common))
    of_some = set().union(*(_fields(module) for module in methods)) - of_all
    found = {}
    for module in common:
        nodes, text = module.nodes, "\n".join(module.lines)
        reasons = {
            "tells rows apart": any(_asks_class(node, classes) for node in nodes),
            "options by name": any(_asks_option(node, of_some, of_all) for node in nodes),
            "causal only": CAUSAL.search(text) and not CLASSIFIER.search(text),
            "a part for each method": len(_methods_served(module, methods, common)) > 1,
        }
        if why := ", ".join(reason for reason, holds in reasons.items() if holds):
            found[module.path] = why
    return found


def _fields(module: Module) -> set[str]:
    """The fields of the option structs in a module."""
    return {
        field.target.id
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and node.name.endswith("Options")
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }


def _asks_class(node: ast.AST, classes: set[str]) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="isinstance"), args=[_, kind]):
            return any(isinstance(n, ast.Name) and n.id in classes for n in ast.walk(kind))
        case ast.MatchClass(cls=ast.Name(id=name)):
            return name in classes
    return False


def _asks_option(node: ast.AST, of_some: set[str], of_all: set[str]) -> bool:
    """Whether a node asks if there is an option, takes one that some methods have, or stands in a
    list of options with one."""
    match node:
        case ast.Call(func=ast.Name(id="getattr"), args=[source, ast.Constant(), _]):
            return ast.unparse(source).endswith("options")
        case ast.Attribute(value=source, attr=attr):
            return attr in of_some and ast.unparse(source).endswith("options")
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            words = {e.value for e in elements if isinstance(e, ast.Constant)}
        case ast.Constant(value=str(text)):
            words = set(text.split())
        case _:
            return False
    return bool(words & of_some and words & of_all) and words <= of_some | of_all


def _methods_served(module: Module, methods: list[Module], common: list[Module]) -> set[str]:
    """The methods for each of which the module has a part that nothing else uses."""
    users: dict[str, set[str]] = defaultdict(set)
    for user in (*methods, *common):
        for dotted in _used(user):
            users[dotted].add(user.path)
    served = set()
    for name in defined_names(module):
        by = users[f"{module.name}.{name}"]
        if len(by) == 1 and by <= {method.path for method in methods}:
            served |= by
    return served


def _used(module: Module) -> set[str]:
    """What a module uses of ours, itself included, by dotted names."""
    names = {name: f"{module.name}.{name}" for name in defined_names(module)}
    names |= dict(imported_names(module.tree))
    used = set()
    for node in module.nodes:
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in names:
                used.add(f"{names[name]}.{attr}")
            case ast.Name(id=name, ctx=ast.Load()) if name in names:
                used.add(names[name])
    return used
