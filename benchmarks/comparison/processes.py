"""The processes of a comparison, and the folder with the data that they read."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import fmnist_fast as ff

from .. import data
from .environments import Contender
from .process import Process


class Processes:
    """Starts contenders' processes, one for each, and ends them.

    Parameters
    ----------
    environments : Path
        The folder of the virtual environments.
    limit : float
        Seconds that an answer may take.
    n_synthetic : int
        Images to draw where the published ones aren't there.
    """

    def __init__(self, environments: Path, limit: float, n_synthetic: int) -> None:
        self.environments, self.limit = environments, limit
        self.n_synthetic = n_synthetic
        self.folder = Path(tempfile.mkdtemp(prefix="comparison-"))
        self.files = self.folder  # where the .gz files are
        self.running: dict[str, Process] = {}
        self._n_started = 0

    def write_data(self) -> dict:
        """The arrays for all, and .gz files unless there are published ones.

        What is to be known of them: the name of the dataset, and how many images.
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
        """Whether its environment is there."""
        return contender.is_installed(self.environments)

    def new(self, contender: Contender) -> Process:
        """A process beside the contender's own, which the caller closes."""
        self._n_started += 1
        own = self.folder / f"{contender.name}-{self._n_started}"
        python = contender.python(self.environments)
        return Process(python, contender.file, own, self.limit)

    def of(self, contender: Contender) -> Process:
        """The contender's own; a new one after it was dropped."""
        if contender.name not in self.running:
            self.running[contender.name] = self.new(contender)
        return self.running[contender.name]

    def drop(self, name: str) -> None:
        """End the process of a contender, if it has one."""
        if name in self.running:
            self.running.pop(name).close()

    def drop_all(self) -> None:
        for name in list(self.running):
            self.drop(name)

    def close(self) -> None:
        """End all, and delete the folder."""
        self.drop_all()
        shutil.rmtree(self.folder, ignore_errors=True)
