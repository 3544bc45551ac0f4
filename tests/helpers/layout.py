"""The layers of the package, and checks of its layout.

`python tests/helpers/layout.py [--root CHECKOUT]` prints figures of the layout, so that
two checkouts can be compared.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.import_graph import (
    FUNCTION,
    NAME,
    UNKNOWN,
    Package,
    cycles,
    depth,
    files_of,
    shortest_cycle,
    top,
)

# The modules and packages at the top level, the lowest layer first. Each may import
# lower layers and its own modules, but nothing else of its layer or above.
LAYERS = (
    ("errors", "_equivalents", "_version"),
    ("_core",),
    ("_checks",),
    ("_names",),
    ("_io",),
    ("_registry", "config", "idx"),
    ("_dataset", "_show"),
    ("dataset",),
    ("_loader", "augment", "_download"),
    ("_device", "loader", "_load"),
    ("frameworks", "photos", "plot", "_synthetic"),
    ("synthetic",),
    ("_cli",),
    ("__init__", "__main__"),
)
LAYER_OF = {name: layer for layer, names in enumerate(LAYERS) for name in names}
TABLE = "LAYERS in tests/helpers/layout.py"
OUTSIDE = ("benchmarks", "examples", "tests")
MAX_FILE, MAX_FUNCTION = 450, 40  # lines; a function's docstring isn't counted


# ---- checks, which yield a message for each fault ---------------------------------


def upward_imports(package: Package) -> Iterator[str]:
    """Find imports of the same layer or a layer above, and imports of unknown names."""
    for item in package.imports:
        importer, module = item.source.name, item.module
        if UNKNOWN in module:
            yield (
                f"{item.place}: {importer} imports a module by a name that the source "
                "does not give. Write the name as a literal."
            )
        if module not in package.modules or top(importer) == top(module):
            continue
        own, other = LAYER_OF.get(top(importer)), LAYER_OF.get(top(module))
        if own is None or other is None or other < own:
            continue
        where = "its own layer" if other == own else "a layer above"
        yield (
            f"{item.place}: {importer} imports {module}, which is in {where}. Pass "
            f"the object as an argument, or move it to a lower layer ({TABLE})."
        )


def import_cycles(package: Package) -> Iterator[str]:
    """Find modules that import each other, directly or indirectly."""
    for group in cycles(package.arrows):
        path = shortest_cycle(package.arrows, group)
        places = [
            next(
                f"{item.place}: {module} imports {imported}"
                for item in package.imports
                if (item.source.name, item.module) == (module, imported)
            )
            for module, imported in pairwise(path)
        ]
        yield "\n    ".join(
            [
                f"import cycle: {' -> '.join(path)} ({len(group)} modules import each "
                "other). Move the shared code to a module that imports none of them.",
                *places,
            ]
        )


def unknown_modules(package: Package) -> Iterator[str]:
    """Find modules at the top level that have no layer."""
    for name, path in package.top_level.items():
        if name not in LAYER_OF:
            yield (
                f"{path}: {NAME}.{name} has no layer. Move it into one of the "
                f"packages, or add it to {TABLE} and to docs/modules.md."
            )


def undocumented_modules(package: Package) -> Iterator[str]:
    """Find public modules whose full name is on no page of the documentation."""
    named = set()
    for path in _pages(package.root):
        text = (package.root / path).read_text(encoding="utf-8")
        for name in re.findall(rf"(?<![\w.]){NAME}(?:\.\w+)*", text):
            named.add(package.known(name))
    for source in package.sources:
        if not re.search(r"\._", source.name) and source.name not in named:
            yield (
                f"{source.path}: {source.name} is public, but no page has its full "
                "name. Describe it in docs/modules.md, or give it an underscore."
            )


def private_names(package: Package) -> Iterator[str]:
    """Find private names of the package in pages, examples and benchmarks."""
    root = package.root
    programs = [
        *files_of(root, "examples", ".py"),
        *files_of(root, "benchmarks", ".py"),
    ]
    for path in [*_pages(root), *programs]:
        text = (root / path).read_text(encoding="utf-8")
        mentioned = sorted(set(_mentioned(text, package.modules)))
        for (line, name), following in zip(mentioned, [*mentioned[1:], (0, "")]):
            if line == following[0] and following[1].startswith(f"{name}."):
                continue  # `from name import following`
            parts = name.removeprefix(f"{NAME}._core").split(".")
            if any(re.match(r"_(?!_)", part) for part in parts):
                yield (
                    f"{path}:{line}: {name} is private. Use a public name, or make it "
                    "public."
                )


def _pages(root: Path) -> list[Path]:
    """Return README and the pages of the documentation, relative to `root`."""
    readme = [Path("README.md")] if (root / "README.md").exists() else []
    return [*readme, *files_of(root, "docs", ".md")]


def _mentioned(text: str, modules: set[str]) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name wherever a text names a part of the package."""
    aliases = {NAME: NAME, "ff": NAME}
    for match in re.finditer(rf"\bimport\s+({NAME}[\w.]*)\s+as\s+(\w+)", text):
        aliases[match[2]] = match[1]
    pattern = rf"\bfrom\s+({NAME}[\w.]*)\s+import\s+(\([^)]*\)|.*)"
    for match in re.finditer(pattern, text):
        names = re.sub(r"#.*|[(>]", "", match[2])
        for name, alias in re.findall(r"(?:^|,)\s*(\w+)(?:\s+as\s+(\w+))?", names):
            module = f"{match[1]}.{name}"
            yield text.count("\n", 0, match.start()) + 1, module
            if module in modules:
                aliases[alias or name] = module
    pattern = rf"(?<![\w./])({'|'.join(aliases)})((?:\.\w+)+)"
    for match in re.finditer(pattern, text):
        line = text.count("\n", 0, match.start()) + 1
        yield line, aliases[match[1]] + match[2]


def imports_by_the_core(package: Package) -> Iterator[str]:
    """Find imports of the package by the native core, except of its exceptions."""
    for path in files_of(package.root, "src", ".pyx", ".pxd", ".pxi"):
        lines = (package.root / path).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            code = line.partition("#")[0]
            names = re.findall(rf"\b{NAME}[\w.]*|\bfrom\s+(?=\.)", code)
            if re.search("import", code, re.I) and set(names) - {f"{NAME}.errors"}:
                yield (
                    f"{path}:{number}: `{line.strip()}`: the core may import only "
                    f"{NAME}.errors from the package. Pass the object as an argument."
                )


def imports_from_outside(package: Package) -> Iterator[str]:
    """Find imports of the checkout's other folders, which are not installed."""
    for item in package.imports:
        if item.module.partition(".")[0] in OUTSIDE:
            yield (
                f"{item.place}: {item.source.name} imports {item.module}, which is "
                "not installed. Move the code into the package."
            )


def too_long(package: Package) -> Iterator[str]:
    """Find files and functions that are too long."""
    for source in package.sources:
        n_lines = len(source.text.splitlines())
        if n_lines > MAX_FILE:
            yield (
                f"{source.path}: {n_lines} lines, at most {MAX_FILE}. Split it by "
                "topic."
            )
        for node in source.nodes:
            if isinstance(node, FUNCTION) and _n_lines(node) > MAX_FUNCTION:
                yield (
                    f"{source.path}:{node.lineno}: {node.name} has {_n_lines(node)} "
                    f"lines without its docstring, at most {MAX_FUNCTION}. Split it."
                )


def _n_lines(node: ast.AST) -> int:
    """Return the number of lines of a function without its docstring."""
    n_lines = node.end_lineno - node.lineno + 1
    if ast.get_docstring(node, clean=False) is None:
        return n_lines
    return n_lines - (node.body[0].end_lineno - node.body[0].lineno + 1)


def inits_with_code(package: Package) -> Iterator[str]:
    """Find `__init__` files that do more than export."""
    for source in package.sources:
        for node in source.nodes if source.is_init else ():
            name = getattr(node, "name", "")
            if isinstance(node, (*FUNCTION, ast.ClassDef)):
                if name not in ("__getattr__", "__dir__"):
                    yield (
                        f"{source.path}:{node.lineno}: {name} is defined in an "
                        "__init__, which may only export. Move it to another module."
                    )


def misnamed_functions(package: Package) -> Iterator[str]:
    """Find C functions that are seen outside of their file under another name.

    They are the functions of headers, and all functions that are not static. Macros
    that look like functions follow the same rule.
    """
    for path in files_of(package.root, "src", ".c", ".h"):
        text = (package.root / path).read_text(encoding="utf-8")
        for line, specifiers, name in _c_functions(text):
            is_static = {"static", "FM_INLINE"} & set(specifiers.split())
            if path.suffix == ".c" and is_static:
                continue
            if not re.match(rf"fm_{path.stem}_[a-z]", name):
                yield (
                    f"{path}:{line}: the name of a function must start with "
                    f"fm_{path.stem}_, got {name}. Rename it, or make it static."
                )


def _c_functions(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, specifiers and name of the functions of a C file, in that order."""

    def blank(match: re.Match[str]) -> str:
        return "\n" * match[0].count("\n")

    text = re.sub(r"/\*.*?\*/", blank, text, flags=re.DOTALL)
    for match in re.finditer(r"^#define ([a-z]\w*)\(", text, re.M):
        yield text.count("\n", 0, match.start()) + 1, "macro", match[1]
    text = re.sub(r"^#(?:.*\\\n)*.*", blank, text, flags=re.M)
    pattern = r"^((?:\w+[ \n*]+)+)(\w+)\([^;{}]*\)\s*[{;]"
    for match in re.finditer(pattern, text, re.M):
        if "typedef" not in match[1].split():
            yield text.count("\n", 0, match.start(2)) + 1, match[1], match[2]


CHECKS = (
    upward_imports,
    import_cycles,
    unknown_modules,
    undocumented_modules,
    private_names,
    imports_by_the_core,
    imports_from_outside,
    too_long,
    inits_with_code,
    misnamed_functions,
)


def figures(package: Package) -> dict[str, object]:
    """Return figures of a checkout by name.

    The table of layers does not fit an old checkout, whose figures of it are "-".
    """
    groups, arrows = cycles(package.arrows), package.arrows
    paths = [v for k, v in package.top_level.items() if k not in LAYERS[-1]]
    n_packages = sum(path.stem == "__init__" for path in paths)
    unknown = len(list(unknown_modules(package)))
    upward: object = len(list(upward_imports(package)))
    return {
        "modules at the top level": len(paths) - n_packages,
        "packages at the top level": n_packages,
        "layers of the table": "-" if unknown else len(LAYERS),
        "upward imports": f"- ({unknown} modules have no layer)" if unknown else upward,
        "longest chain of imports": depth(arrows),
        "imports between modules": sum(map(len, arrows.values())),
        "import cycles": len(groups),
        "modules of the largest cycle": len(groups[0]) if groups else 0,
        "imports inside cycles": sum(
            len(arrows[module].intersection(group))
            for group in groups
            for module in group
        ),
        "lines": sum(
            len(source.text.splitlines())
            for source in package.sources
            if source.path.suffix == ".py"
        ),
        "public names": _n_public_names(package.root),
    }


def _n_public_names(root: Path) -> str:
    """Return the number of names that the package exports, as text."""
    code = f"import {NAME}; print(len({NAME}.__all__))"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True)
    return result.stdout.strip() or "- (the core is not built)"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="Print figures of the layout.")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[2])
    for name, value in figures(Package(parser.parse_args().root)).items():
        print(f"{name:30} {value}")


if __name__ == "__main__":
    main()
