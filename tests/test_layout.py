"""The package keeps its layout, and the checks detect every kind of violation."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import layout
from helpers.import_graph import Package, dotted
from helpers.layout import LAYER_OF, LAYERS

ROOT = Path(__file__).parents[1]
PACKAGE = Package(ROOT)

LAZY_INIT = """
import importlib
from .dataset import Dataset
from .synthetic import synthetic
_MODULES = {"load": "_load.load"}
def __getattr__(name):
    return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
def __dir__():
    return []
"""
LAZY_AUGMENT = """
import importlib
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from .crop import RandomCrop
_NAMES = {"tone": "ColorJitter"}
def __getattr__(name):
    return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
"""
SOUND = {
    "fmnist_fast/__init__.py": LAZY_INIT,
    "fmnist_fast/__main__.py": "from ._cli.main import main\n",
    "fmnist_fast/_checks.py": "from . import _core\nfrom ._version import __version__",
    "fmnist_fast/_cli/__init__.py": "",
    "fmnist_fast/_cli/main.py": "def main():\n    from ..loader import Loader\n",
    "fmnist_fast/_core.pyi": "def idx_header() -> None: ...\n",
    "fmnist_fast/_io/__init__.py": "",
    "fmnist_fast/_io/files.py": "import os\nfrom . import lock\n",
    "fmnist_fast/_io/lock.py": "from ..errors import FormatError\n",
    "fmnist_fast/_load/__init__.py": "",
    "fmnist_fast/_load/load.py": "from ..dataset import Dataset\n",
    "fmnist_fast/_show/__init__.py": "",
    "fmnist_fast/_show/sheets.py": "",
    "fmnist_fast/_version.py": "__version__ = '1'\n",
    "fmnist_fast/augment/__init__.py": LAZY_AUGMENT,
    "fmnist_fast/augment/crop.py": "from . import tone\n",
    "fmnist_fast/augment/tone.py": "from .._checks import checked_flag\n",
    "fmnist_fast/dataset.py": "import numpy as np\nfrom ._io import files\n",
    "fmnist_fast/errors.py": "class FormatError(ValueError): ...\n",
    "fmnist_fast/idx.py": "import fmnist_fast._io.files\n",
    "fmnist_fast/loader.py": "from fmnist_fast import augment, dataset\n",
    "fmnist_fast/synthetic.py": "from . import idx\ndef synthetic(): ...\n",
    "src/_core.pyx": "import numpy as np\nfrom fmnist_fast.errors import FormatError\n",
    "docs/modules.md": "`fmnist_fast.dataset`, fmnist_fast.loader, "
    "`fmnist_fast.augment`, `fmnist_fast.augment.crop`, fmnist_fast.augment.tone",
    "README.md": "`fmnist_fast`, `from fmnist_fast.errors import FormatError`\n"
    "`fmnist_fast.synthetic.synthetic()`, fmnist_fast.idx. `fmnist_fast.__version__`",
    "examples/train.py": "import fmnist_fast as ff\nff.Loader\n",
    "benchmarks/micro/bench.py": "from fmnist_fast import _core\n_core.cpu_levels\n",
}
SHEETS, CROP = "fmnist_fast/_show/sheets.py", "fmnist_fast/augment/crop.py"


def write(root, path, text):
    """Write a file of a checkout, and create its folder."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """Return a checkout that has no fault between tests."""
    root = tmp_path_factory.mktemp("checkout")
    for path, text in SOUND.items():
        write(root, path, text)
    return root


@pytest.fixture
def plant(checkout):
    """Return a function that writes a file and returns the faults of a check."""
    planted = []

    def plant(check, path="README.md", text=SOUND["README.md"]):
        planted.append(path)
        write(checkout, path, text)
        return list(check(Package(checkout)))

    yield plant
    for path in planted:
        (checkout / path).unlink(missing_ok=True)
        if path in SOUND:
            write(checkout, path, SOUND[path])


@pytest.mark.parametrize("check", layout.CHECKS, ids=lambda check: check.__name__)
def test_the_package_keeps_its_layout(check):
    faults = list(check(PACKAGE))
    assert not faults, "\n".join(["", *faults])


def test_the_table_names_every_module():
    assert set(LAYER_OF) == set(PACKAGE.top_level)
    assert sum(map(len, LAYERS)) == len(LAYER_OF), "a name must be in one layer only"


def test_the_page_of_modules_has_the_table():
    page = (ROOT / "docs/modules.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```\n(.*?)```", page, re.DOTALL)
    layers = [re.findall(r"\w+", line) for line in block.splitlines()]
    assert layers == [list(layer) for layer in LAYERS]


def test_contributing_names_every_module():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    words = re.findall(r"\w+", text.partition("## Layout")[2])
    paths = [source.path for source in PACKAGE.sources]
    missing = [str(path) for path in paths if path.stem not in ("__init__", *words)]
    assert not missing, f"CONTRIBUTING.md must describe {', '.join(missing)}"


@pytest.mark.parametrize("check", layout.CHECKS, ids=lambda check: check.__name__)
def test_a_sound_checkout_has_no_fault(plant, check):
    assert plant(check) == []


# Ways to import fmnist_fast.loader, with the line of the import.
FORMS = {
    "from ..loader import Loader": 1,
    "from .. import loader": 1,
    "from .. import loader as other, idx": 1,
    "from fmnist_fast.loader import (\n    Loader,\n)": 1,
    "from fmnist_fast import loader": 1,
    "import fmnist_fast.loader": 1,
    "import numpy, fmnist_fast.loader as other": 1,
    "def f():\n    from ..loader import Loader": 2,
    "class A:\n    async def f(self):\n        import fmnist_fast.loader": 3,
    "try:\n    from ..loader import Loader\nexcept ImportError:\n    pass": 2,
    "if TYPE_CHECKING:\n    from ..loader import Loader": 2,
    "import_module('..loader', __package__)": 1,
    "import_module(name='...loader', package=__name__)": 1,
    "importlib.import_module('fmnist_fast.loader')": 1,
    "importlib.import_module('.loader', 'fmnist_fast')": 1,
    "x = lambda: importlib.import_module(f'{__package__[0]}')": 0,
    "__import__('fmnist_fast' + '.loader')": 1,
}


@pytest.mark.parametrize("statement", FORMS)
@pytest.mark.parametrize("suffix", [".py", ".pyi"])
def test_an_import_of_a_layer_above_is_found(plant, statement, suffix):
    path = f"fmnist_fast/_show/planted{suffix}"
    (fault,) = plant(layout.upward_imports, path, statement)
    line = FORMS[statement]
    if line:
        assert fault.startswith(
            f"{path}:{line}: fmnist_fast._show.planted imports fmnist_fast.loader, "
            "which is in a layer above. Pass the object as an argument, or move "
        )
    else:
        assert "imports a module by a name that the source does not give" in fault


@pytest.mark.parametrize("statement", [form for form in FORMS if FORMS[form]])
def test_an_import_of_a_layer_below_is_no_fault(plant, statement):
    assert plant(layout.upward_imports, "fmnist_fast/_cli/show.py", statement) == []


@pytest.mark.parametrize(
    "path, statement, imported, where",
    [
        ("idx.py", "from . import config", "config", "its own layer"),
        (SHEETS, "from .._dataset.rows import checked", "_dataset.rows", "its own"),
        ("errors.py", "from ._version import __version__", "_version", "its own"),
        ("_core.pyi", "from ._checks import checked", "_checks", "a layer above"),
        ("_cli/main.py", "from .. import Dataset", "", "a layer above"),
        ("_cli/main.py", "from .. import synthetic", "", "a layer above"),
        ("_cli/main.py", "import fmnist_fast", "", "a layer above"),
        ("augment/__init__.py", "from ..loader import Loader", "loader", "a layer"),
        ("__main__.py", "from . import load", "", "its own layer"),
    ],
)
def test_other_imports_in_the_wrong_direction_are_found(
    plant, path, statement, imported, where
):
    plant(layout.upward_imports, "fmnist_fast/config.py", "")
    plant(layout.upward_imports, "fmnist_fast/_dataset/rows.py", "")
    path = "fmnist_fast/" + path.removeprefix("fmnist_fast/")
    (fault,) = plant(layout.upward_imports, path, statement)
    module = f"fmnist_fast.{imported}".rstrip(".")
    assert f"{path}:1: " in fault
    assert f" imports {module}, which is in {where}" in fault


def test_an_init_may_name_its_own_modules_only(plant):
    package = "fmnist_fast/augment/__init__.py"
    other = LAZY_AUGMENT.replace("{__name__}.", "fmnist_fast.")
    (fault,) = plant(layout.upward_imports, package, other)
    assert "__init__.py:8: fmnist_fast.augment imports a module by a name" in fault
    other = LAZY_AUGMENT.replace('"tone"', '".loader"')
    (fault,) = plant(layout.upward_imports, package, other)
    assert "__init__.py:8: fmnist_fast.augment imports fmnist_fast.loader" in fault


LAZY = """
def lazy(package, table):
    return lambda name: importlib.import_module(f".{table[name]}", package)
"""


def test_a_module_may_name_its_neighbors_in_a_table(plant, checkout):
    text = "TABLE = {'A': 'crop'}\nimport_module(f'.{TABLE[name]}', __package__)"
    assert plant(layout.upward_imports, "fmnist_fast/augment/_text.py", text) == []
    arrows = Package(checkout).arrows["fmnist_fast.augment._text"]
    assert arrows == {"fmnist_fast.augment.crop"}
    (fault,) = plant(layout.upward_imports, "fmnist_fast/idx.py", text)
    assert fault.startswith("fmnist_fast/idx.py:2: fmnist_fast.idx imports a module by")


@pytest.mark.parametrize(
    "table, imported",
    [("{'A': 'tone'}", "augment.tone"), ("{'A': '.loader'}", "loader")],
)
def test_a_table_given_to_a_lazy_function(plant, checkout, table, imported):
    assert plant(layout.upward_imports, "fmnist_fast/_names.py", LAZY) == []
    (fault,) = plant(layout.upward_imports, "fmnist_fast/_checks.py", LAZY)
    assert "_checks.py:3: fmnist_fast._checks imports a module by a name" in fault
    plant(layout.upward_imports, "fmnist_fast/_checks.py", "")
    text = f"from .._names import lazy\n__getattr__ = lazy(__name__, {table})"
    faults = plant(layout.upward_imports, "fmnist_fast/augment/__init__.py", text)
    assert len(faults) == (imported == "loader")
    arrows = Package(checkout).arrows["fmnist_fast.augment"]
    assert arrows == {"fmnist_fast._names", f"fmnist_fast.{imported}"}


@pytest.mark.parametrize(
    "path, statement, cycle",
    [
        ("_io/lock.py", "from .files import replacing", "_io.files -> _io.lock"),
        ("_io/lock.py", "def f():\n    from . import files", "_io.files -> _io.lock"),
        ("_io/lock.py", "from .lock import locked", "_io.lock"),
        ("augment/tone.py", "from . import ColorJitter", "augment -> augment.tone"),
        ("augment/tone.py", "from . import crop", "augment.crop -> augment.tone"),
        ("idx.py", "if TYPE_CHECKING:\n    from .synthetic import draw", ""),
        ("dataset.py", "import fmnist_fast.loader", "dataset -> loader"),
        ("_load/load.py", "from .. import Dataset", " -> _load.load"),
    ],
)
def test_a_cycle_is_found(plant, path, statement, cycle):
    (fault,) = plant(layout.import_cycles, f"fmnist_fast/{path}", statement)
    names = re.findall(r"import cycle: ([^(]*) \(\d modules import each", fault)
    cycle = cycle or "idx -> synthetic"
    modules = [f"fmnist_fast.{name}".rstrip(".") for name in cycle.split(" -> ")]
    assert names == [" -> ".join([*modules, modules[0]])]
    lines = fault.splitlines()[1:]
    assert len(lines) == len(modules)
    for line, module in zip(lines, modules):
        assert re.match(rf" +fmnist_fast/[\w/]+\.py:\d+: {module} imports fmn", line)


@pytest.mark.parametrize("path", ["rooms.py", "rooms.pyi", "rooms/__init__.py"])
def test_a_module_without_a_layer_is_found(plant, path):
    (fault,) = plant(layout.unknown_modules, f"fmnist_fast/{path}", "")
    assert fault.startswith(f"fmnist_fast/{path}: fmnist_fast.rooms has no layer. Move")


@pytest.mark.parametrize("path", ["plot.py", "augment/warp.py", "photos/__init__.py"])
def test_a_public_module_that_no_page_names_is_found(plant, path):
    module = dotted(Path("fmnist_fast", path))
    (fault,) = plant(layout.undocumented_modules, f"fmnist_fast/{path}", "")
    assert fault.startswith(f"fmnist_fast/{path}: {module} is public, but no page")
    check = layout.undocumented_modules
    assert plant(check, "docs/a.md", f"{module}x x.{module} {module[12:]}") == [fault]
    assert plant(check, "docs/a.md", f"`{module}.name`") == []
    assert plant(check, "fmnist_fast/augment/_text.py", "") == []


@pytest.mark.parametrize(
    "text, line, name",
    [
        ("see `fmnist_fast._io.files`", 1, "fmnist_fast._io.files"),
        ("\nfrom fmnist_fast._io.files import a\n", 2, "fmnist_fast._io.files.a"),
        ("from fmnist_fast.idx import _a", 1, "fmnist_fast.idx._a"),
        ("from fmnist_fast import (\n    b,\n    _io as c,\n)", 1, "fmnist_fast._io"),
        ("    import fmnist_fast._io.files", 1, "fmnist_fast._io.files"),
        (">>> import fmnist_fast._io as c", 1, "fmnist_fast._io"),
        ("# >>> ff.Loader._pipeline", 1, "fmnist_fast.Loader._pipeline"),
        ("import fmnist_fast as fm\n# fm._io", 2, "fmnist_fast._io"),
        ("# from fmnist_fast import idx as i\ni._a()", 2, "fmnist_fast.idx._a"),
        ("import fmnist_fast.idx as i\n#\ni._a()", 3, "fmnist_fast.idx._a"),
        ("run('from fmnist_fast._io.a import b')", 1, "fmnist_fast._io.a.b"),
        ("import_module('fmnist_fast._io')", 1, "fmnist_fast._io"),
    ],
)
@pytest.mark.parametrize(
    "path", ["README.md", "docs/a/b.md", "examples/a/b.py", "benchmarks/b.py"]
)
def test_a_private_name_outside_of_the_package_is_found(plant, path, text, line, name):
    (fault,) = plant(layout.private_names, path, text)
    assert fault.startswith(f"{path}:{line}: {name} is private. Use a public name")


def test_names_that_are_not_private(plant):
    text = "from fmnist_fast import _core, __version__\nbenchmarks.fmnist_fast._a _b"
    assert plant(layout.private_names, "benchmarks/b.py", text) == []


@pytest.mark.parametrize(
    "line",
    [
        "from fmnist_fast.idx import read_idx",
        "    from fmnist_fast import errors",
        "cimport numpy, fmnist_fast._io.files",
        "import fmnist_fast as ff",
        "from .errors import FormatError",
        "importlib.import_module('fmnist_fast.idx')",
    ],
)
def test_an_import_by_the_core_is_found(plant, line):
    text = SOUND["src/_core.pyx"] + line
    (fault,) = plant(layout.imports_by_the_core, "src/_core.pyx", text)
    assert fault.startswith(f"src/_core.pyx:3: `{line.strip()}`: the core may import")


@pytest.mark.parametrize(
    "statement",
    [
        "import benchmarks",
        "from benchmarks.comparison import command",
        "importlib.import_module('benchmarks.comparison')",
        "def f():\n    from tests.helpers import server",
    ],
)
def test_an_import_from_outside_is_found(plant, statement):
    (fault,) = plant(layout.imports_from_outside, SHEETS, statement)
    assert re.match(
        rf"{SHEETS}:[12]: fmnist_fast._show.sheets imports (benchmarks|tests)", fault
    )


def test_long_files_and_functions_are_found(plant):
    body = '    """Do it.\n\n    At length.\n    """\n' + "    pass\n" * 39
    text = f"class A:\n  async def f():\n{body}    pass\n"
    (fault,) = plant(layout.too_long, SHEETS, text)
    assert fault.startswith(f"{SHEETS}:2: f has 41 lines without its docstring, at")
    assert plant(layout.too_long, SHEETS, f"def f():\n{body}") == []
    assert plant(layout.too_long, SHEETS, "\n" * 450) == []
    (fault,) = plant(layout.too_long, SHEETS, "\n" * 451)
    assert fault.startswith(f"{SHEETS}: 451 lines, at most 450. Split it")


@pytest.mark.parametrize("code", ["def f(): ...", "if x:\n  class f: ..."])
def test_an_init_with_code_is_found(plant, code):
    path = "fmnist_fast/augment/__init__.py"
    (fault,) = plant(layout.inits_with_code, path, LAZY_AUGMENT + code)
    assert re.match(rf"{path}:\d+: f is defined in an __init__", fault)
    assert plant(layout.inits_with_code, path, LAZY_AUGMENT) == []


HEADER = """
/* int comment(void); */
#define FM_LATE(x) \\
    static int other(void)
#define fm_tone_first(x) ((x)[0])
typedef void fm_other_fn(int n);
enum fm_status fm_tone_check(const uint8_t *pixels,
                             size_t n);
FM_TARGET_AVX2
FM_INLINE uint8_t fm_tone_cut(float x)
{
    return cut(x);
}
"""
MISNAMED = {
    "void fill(int n);": 1,
    "static inline int fm_tones_cut(float x)\n{\n}": 1,
    "FM_TARGET_AVX2\nFM_INLINE int\ncut(float x,\n        int n)\n{\n}": 3,
    "const uint8_t *fm_tone(void);": 1,
    "#define cut(x) ((x) < 0 ? 0 : (x))": 1,
}


@pytest.mark.parametrize("text", MISNAMED)
def test_a_misnamed_function_is_found(plant, text):
    path = "src/augment/tone.h"
    assert plant(layout.misnamed_functions, path, HEADER) == []
    (fault,) = plant(layout.misnamed_functions, path, text + HEADER)
    assert re.match(rf"{path}:{MISNAMED[text]}: .* start with fm_tone_, got", fault)


def test_only_static_functions_have_any_name(plant):
    check, path = layout.misnamed_functions, "src/tone.c"
    assert plant(check, path, "static void fill(int n)\n{\n}") == []
    assert plant(check, path, "FM_INLINE void fill(int n)\n{\n}") == []
    (fault,) = plant(check, path, "\nvoid fill(int n)\n{\n}")
    assert fault == (
        f"{path}:2: the name of a function must start with fm_tone_, got fill. Rename "
        "it, or make it static."
    )


def test_figures(plant, checkout):
    plant(layout.too_long, "fmnist_fast/_io/lock.py", "from . import files")
    figures = layout.figures(Package(checkout))
    assert figures["modules at the top level"] == 8
    assert figures["packages at the top level"] == 5
    assert figures["layers of the table"] == len(LAYERS)
    assert figures["longest chain of imports"] == 8  # from __main__ to _core
    assert figures["modules of the largest cycle"] == figures["imports inside cycles"]
    assert figures["import cycles"] == 1 and figures["upward imports"] == 0
    assert figures["lines"] == sum(
        len(path.read_text(encoding="utf-8").splitlines())
        for path in checkout.glob("fmnist_fast/**/*.py")
    )


def test_figures_of_a_tree_without_layers(plant, checkout):
    plant(layout.too_long, "fmnist_fast/rooms.py", "")
    program = [sys.executable, layout.__file__, "--root", checkout]
    printed = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    assert re.search(r"^upward imports +- \(1 modules have no layer\)$", printed, re.M)
    assert re.search(r"^import cycles +0$", printed, re.M)


CORE = sorted(path for path in (ROOT / "src").rglob("*.*") if path.suffix != ".so")


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_files_and_lines_of_the_core_are_short(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= layout.MAX_FILE
    assert [i for i, line in enumerate(lines, 1) if len(line) > 88] == []
