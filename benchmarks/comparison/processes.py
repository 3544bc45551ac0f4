"""The processes of a comparison, and the folder with their data."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import fmnist_fast as ff

from .. import data
from .environments import Contender
from .process import Process


class Processes:
    """The processes of the contenders, one for each.

    Parameters
    ----------
    environments : Path
        Folder of the virtual environments.
    limit : float
        Seconds that an answer may take.
    n_synthetic : int
        Number of images to draw if the published files are missing.
    """

    def __init__(self, environments: Path, limit: float, n_synthetic: int) -> None:
        self.environments, self.limit = environments, limit
        self.n_synthetic = n_synthetic
        self.folder = Path(tempfile.mkdtemp(prefix="comparison-"))
        self.files = self.folder  # where the .gz files are
        self.running: dict[str, Process] = {}
        self._n_started = 0

    def write_data(self) -> dict:
        """Write the arrays for all contenders, and .gz files if there are none.

        Returns
        -------
        dict
            Name of the dataset, and number of images.
        """
        try:
            train = ff.load("train")
            self.files = Path(str(train.source)).parent
        except FileNotFoundError:
            train = ff.synthetic(self.n_synthetic, 10)[0]
        data.save(data.Data(train.images, train.labels, self.folder))
        if not all((self.files / f"{name}.gz").exists() for name in data.FILES):
            self.files = self.folder
            data.write_gz(train.images, train.labels, self.folder)
        return {"data": train.name or "synthetic", "n_images": len(train)}

    def has(self, contender: Contender) -> bool:
        """Return whether the contender's environment exists."""
        return contender.is_installed(self.environments)

    def new(self, contender: Contender) -> Process:
        """Start another process of the contender, which the caller closes."""
        self._n_started += 1
        own = self.folder / f"{contender.name}-{self._n_started}"
        python = contender.python(self.environments)
        return Process(python, contender.file, own, self.limit)

    def of(self, contender: Contender) -> Process:
        """Return the contender's process; start one if it has none."""
        if contender.name not in self.running:
            self.running[contender.name] = self.new(contender)
        return self.running[contender.name]

    def drop(self, name: str) -> None:
        """End the process of a contender, if it has one."""
        if name in self.running:
            self.running.pop(name).close()

    def drop_all(self) -> None:
        """End the processes of all contenders."""
        for name in list(self.running):
            self.drop(name)

    def close(self) -> None:
        """End all processes, and delete the folder."""
        self.drop_all()
        shutil.rmtree(self.folder, ignore_errors=True)
