"""Read the package from its source: its modules, and the graph of their imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

NAME = "fmnist_fast"
UNKNOWN = "?"  # a part of a module's name that the source does not show
# The module with tables of names that are imported when they are first used, and its
# function that makes the `__getattr__` of a package from such a table.
LAZY_MODULE, LAZY_FUNCTION = f"{NAME}._names", "lazy"
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Source:
    """A file of the package, with its path relative to the checkout."""

    name: str
    path: Path
    text: str

    @property
    def nodes(self) -> list[ast.AST]:
        """Return all nodes of the syntax tree."""
        return _nodes(self.text)

    @property
    def is_init(self) -> bool:
        """Return whether the file is the `__init__` of a package."""
        return self.path.stem == "__init__"

    @property
    def package(self) -> str:
        """Return the package that relative imports of the file start from."""
        return self.name if self.is_init else self.name.rpartition(".")[0]

    def absolute(self, name: str, package: str | None = None) -> str:
        """Return the absolute form of a name, which may be relative to `package`."""
        rest = name.lstrip(".")
        if rest == name:
            return name
        parts = (package or self.package).split(".")
        parts = parts[: len(parts) - (len(name) - len(rest) - 1)]
        return ".".join([*parts, rest] if rest else parts)

    def literal(self, node: ast.AST | None) -> str:
        """Return the string value of an expression, with UNKNOWN for variable parts."""
        if isinstance(node, ast.Constant):
            return str(node.value)
        if isinstance(node, ast.Name):
            known = {"__name__": self.name, "__package__": self.package}
            return known.get(node.id, UNKNOWN)
        if isinstance(node, ast.JoinedStr):
            return "".join(map(self.literal, node.values))
        if isinstance(node, ast.FormattedValue):
            return self.literal(node.value)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self.literal(node.left) + self.literal(node.right)
        return UNKNOWN


@dataclass(frozen=True)
class Import:
    """An import of `module` by `source`, also a lazy one or one for types only."""

    source: Source
    line: int
    module: str

    @property
    def place(self) -> str:
        """Return path and line, as in messages."""
        return f"{self.source.path}:{self.line}"


class Package:
    """The package of the checkout `root`: its sources and their imports."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.sources = [
            Source(dotted(path), path, (self.root / path).read_text(encoding="utf-8"))
            for path in files_of(self.root, NAME, ".py", ".pyi")
        ]
        self.modules = {source.name for source in self.sources} | {f"{NAME}._core"}
        self._bound: dict[str, set[str]] = {}  # names in an __init__, without modules
        for source in self.sources:
            if source.is_init:
                self._bound[source.name] = set(self._names_bound(source))
        self.imports = sorted(
            {
                Import(source, node.lineno, self.known(module))
                for source in self.sources
                for node in source.nodes
                for module in self._imported(source, node)
            },
            key=lambda item: (str(item.source.path), item.line, item.module),
        )
        self.arrows: dict[str, set[str]] = {name: set() for name in self.modules}
        for item in self.imports:
            if item.module in self.modules:
                self.arrows[item.source.name].add(item.module)

    @property
    def top_level(self) -> dict[str, Path]:
        """Return the files at the top level by name, for packages the `__init__`."""
        tops = {}
        for source in self.sources:
            tops.setdefault(top(source.name), source.path)
        return tops

    def _names_bound(self, source: Source) -> Iterator[str]:
        """Yield the names that a file defines, or imports from other files."""
        for node in source.nodes:
            if isinstance(node, FUNCTION):
                yield node.name
            elif isinstance(node, ast.ImportFrom):
                base = source.absolute("." * node.level + (node.module or ""))
                if base != source.name:  # otherwise they are the package's modules
                    yield from (alias.asname or alias.name for alias in node.names)

    def _imported(self, source: Source, node: ast.AST) -> Iterator[str]:
        """Yield the modules that a node imports."""
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = source.absolute("." * node.level + (node.module or ""))
            for alias in node.names:
                module = f"{base}.{alias.name}"
                bound = alias.name in self._bound.get(base, ())
                yield module if module in self.modules and not bound else base
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("import_module", "__import__"):
                yield from self._imported_by_call(source, node)
            elif called == LAZY_FUNCTION and source.is_init:
                yield from self._named(source)

    def _imported_by_call(self, source: Source, call: ast.Call) -> Iterator[str]:
        """Yield the modules that a call of import_module imports."""
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        name, package = [*call.args[:2], None, None][:2]
        package = package or keywords.get("package")
        module = source.absolute(
            source.literal(name or keywords.get("name")),
            source.literal(package) if package else None,
        )
        inside = source.is_init or source.package != NAME
        if inside and module == f"{source.package}.{UNKNOWN}":
            yield from self._named(source)
        elif (source.name, module) != (LAZY_MODULE, f"{UNKNOWN}.{UNKNOWN}"):
            yield module

    def _named(self, source: Source) -> Iterator[str]:
        """Yield the modules of its package that a file imports by names in tables."""
        for table in self.sources:
            for node in table.nodes if table.name in (source.name, LAZY_MODULE) else ():
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    module = source.absolute(f".{node.value}")
                    if node.value.strip(".") and module in self.modules:
                        yield module

    def known(self, module: str) -> str:
        """Return the module that has a dotted name; names of other packages stay."""
        if module.partition(".")[0] != NAME or UNKNOWN in module:
            return module
        while module not in self.modules and "." in module:
            module = module.rpartition(".")[0]
        return module


def files_of(root: Path, folder: str, *suffixes: str) -> list[Path]:
    """Return the files below a folder of `root`, relative to `root`."""
    paths = sorted((root / folder).rglob("*"))
    return [path.relative_to(root) for path in paths if path.suffix in suffixes]


@cache
def _nodes(text: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse(text)))


def dotted(path: Path) -> str:
    """Return the name of the module in a file."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def top(module: str) -> str:
    """Return the module or package at the top level that contains a module."""
    return module.split(".")[1] if "." in module else "__init__"


def cycles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that all import each other, largest first."""
    reached = {module: _reached(arrows, module) for module in arrows}
    groups = {
        tuple(sorted(other for other in reached[module] if module in reached[other]))
        for module in arrows
        if module in reached[module]
    }
    return sorted(map(list, groups), key=lambda group: (-len(group), group))


def _reached(arrows: dict[str, set[str]], start: str) -> set[str]:
    """Return the modules that `start` imports, directly or indirectly."""
    reached, todo = set(), [start]
    while todo:
        new = arrows[todo.pop()] - reached
        reached |= new
        todo.extend(new)
    return reached


def shortest_cycle(arrows: dict[str, set[str]], group: list[str]) -> list[str]:
    """Return the shortest path from a module of a group back to itself."""
    return min((_cycle_of(arrows, module) for module in group), key=len)


def _cycle_of(arrows: dict[str, set[str]], start: str) -> list[str]:
    """Return the shortest path from a module back to itself."""
    paths, reached = [[start]], set()
    for path in paths:  # the loop appends to this list
        for module in sorted(arrows[path[-1]] - reached):
            if module == start:
                return [*path, start]
            reached.add(module)
            paths.append([*path, module])
    raise ValueError(f"{start} is in no cycle")


def depth(arrows: dict[str, set[str]]) -> int:
    """Return the length of the longest chain of imports; a cycle counts as 1."""
    group_of = {module: frozenset([module]) for module in arrows}
    for group in cycles(arrows):
        group_of.update(dict.fromkeys(group, frozenset(group)))
    depths: dict[frozenset[str], int] = {}

    def of(group: frozenset[str]) -> int:
        if group not in depths:
            below = {group_of[m] for module in group for m in arrows[module]} - {group}
            depths[group] = 1 + max(map(of, below), default=0)
        return depths[group]

    return max(map(of, group_of.values()), default=0)
