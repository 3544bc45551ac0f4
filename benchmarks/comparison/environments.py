"""The contenders that environments.toml lists, and their virtual environments."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
OURS, FLOOR = "fmnist_fast", "probe"


@dataclass(frozen=True)
class Contender:
    """A contender: its file, and the virtual environment of its process.

    environments.toml describes most attributes. `environment` is None for the
    environment that runs the comparison.
    """

    name: str
    title: str
    kind: str
    file: Path
    environment: str | None
    requires: list[str] = field(default_factory=list)
    without_dependencies: list[str] = field(default_factory=list)
    apt: list[str] = field(default_factory=list)
    note: str = ""

    def python(self, folder: Path) -> Path:
        """Return the interpreter of the contender; environments are in `folder`."""
        if self.environment is None:
            return Path(sys.executable)
        return folder / self.environment / "bin" / "python"

    def is_installed(self, folder: Path) -> bool:
        """Return whether the environment exists in `folder`."""
        return self.python(folder).exists()

    def pip_lines(self, require: dict[str, str]) -> list[list[str]]:
        """Return the arguments of each call of pip.

        `require` replaces requirements by name. Replaced requirements are installed
        first, so that the other packages accept their versions.
        """
        first = [require[name] for name in self.requires if name in require]
        rest = [name for name in self.requires if name not in require]
        last = [require.get(name, name) for name in self.without_dependencies]
        build = ["--no-build-isolation"] if self.apt else []
        lines = [["install", *first]] if first else []
        lines += [["install", *rest]] if rest else []
        return lines + ([["install", "--no-deps", *build, *last]] if last else [])

    def how_to_install(self) -> str:
        """Return the command that installs the contender."""
        name = self.environment or self.name
        return f"python -m benchmarks --install {name}"


def read_contenders() -> dict[str, Contender]:
    """Return all contenders by name, in the order of environments.toml."""
    entries = tomllib.loads((HERE / "environments.toml").read_text(encoding="utf-8"))
    contenders = {}
    for name, entry in entries.items():
        environment = entry.pop("environment", name) or None
        file = HERE / "contenders" / f"{name}.py"
        contenders[name] = Contender(
            name=name, file=file, environment=environment, **entry
        )
    return contenders


def default_folder() -> Path:
    """Return the folder of the environments without --environments."""
    return Path(os.environ.get("FMNIST_FAST_BENCH_ENVS") or HERE / ".environments")


def chosen(names: list[str] | None) -> list[Contender]:
    """Return the contenders of these names, or all.

    fmnist_fast and the memory floor are always among them.
    """
    known = read_contenders()
    for name in names or ():
        if name not in known:
            raise ValueError(
                f"contender must be one of {', '.join(known)}, got {name!r}"
            )
    selected = {OURS, FLOOR, *(names or known)}
    return [contender for name, contender in known.items() if name in selected]


def install(names: list[str] | None, folder: Path, require: dict[str, str]) -> int:
    """Create the environments of these contenders, or of all; return how many failed.

    An environment that several contenders use is created for the one with its name.
    """
    to_install = [c for c in chosen(names) if c.requires]
    used = {c.environment for c in chosen(names)}
    to_install += [
        c for c in read_contenders().values() if c.name in used and c not in to_install
    ]
    n_failed = 0
    for contender in (c for c in to_install if c.environment == c.name):
        target = folder / contender.name
        print(f"{contender.title}: {target}", flush=True)
        if contender.apt:
            print(f"  needs the Debian packages {' '.join(contender.apt)}", flush=True)
        if not contender.is_installed(folder):
            venv.create(target, with_pip=True)
        for line in contender.pip_lines(require):
            print(f"  pip {shlex.join(line)}", flush=True)
            pip = [str(contender.python(folder)), "-m", "pip", *line, "--quiet"]
            if subprocess.run(pip, check=False).returncode:
                n_failed += 1
                print(f"  FAILED: {contender.title} could not be installed", flush=True)
                break
    return n_failed
