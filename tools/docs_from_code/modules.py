"""The core's modules as they import each other, in the order of the import contract."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import grimp

from docs_from_code.blocks import mermaid
from docs_from_code.tree import ROOT, toml

CORE = "runfox"

Edges = dict[str, set[str]]


def core_modules() -> str:
    """Who imports whom, the modules from the top layer down, then the libraries; less what follows from the rest."""
    contract = _contract()
    order = [module for layer in contract["layers"] for module in layer.split(" | ")]
    imports = _imports(_ignored(contract))
    inner = {module: imports[module] & set(order) for module in order}
    lines = [f"    {module}" for module in order]
    for importer in order:
        lines += [f"    {importer} --> {target}" for target in order if target in reduced(inner)[importer]]
    for importer in order:
        libraries = sorted(imports[importer] - set(order))
        lines += [f"    {importer} -.-> {library}([{library}])" for library in libraries]
    return mermaid("flowchart TD", *lines)


def reduced(edges: Mapping[str, set[str]]) -> Edges:
    """The fewest edges of a graph without cycles from which the others follow."""
    below: Edges = {}

    def reach(node: str) -> set[str]:
        if node not in below:
            below[node] = edges[node].union(*(reach(target) for target in edges[node]))
        return below[node]

    return {
        node: {target for target in targets if not any(target in reach(other) for other in targets - {target})}
        for node, targets in edges.items()
    }


def _contract() -> dict[str, Any]:
    contracts = toml(ROOT / "pyproject.toml")["tool"]["importlinter"]["contracts"]
    (layers,) = (contract for contract in contracts if contract["id"] == "layers")
    assert isinstance(layers, dict)
    return layers


def _ignored(contract: Mapping[str, Any]) -> set[tuple[str, str]]:
    pairs = (pair.split(" -> ") for pair in contract["ignore_imports"])
    return {(_part(importer), _part(target)) for importer, target in pairs}


def _part(module: str) -> str:
    """The module right below the core that a module belongs to; of others the package."""
    names = module.split(".")
    return names[1] if names[0] == CORE and len(names) > 1 else names[0]


def _imports(ignored: set[tuple[str, str]]) -> Edges:
    graph = grimp.build_graph(CORE, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None)
    edges: Edges = {}
    for module in graph.modules:
        importer = _part(module)
        targets = edges.setdefault(importer, set())
        for imported in graph.find_modules_directly_imported_by(module):
            target = _part(imported)
            if target not in {importer, CORE, *sys.stdlib_module_names} and (importer, target) not in ignored:
                targets.add(target)
    return edges
