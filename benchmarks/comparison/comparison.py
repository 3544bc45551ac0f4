"""The comparison: search settings, check the output, and time epochs in turns.

In every round fmnist_fast runs before and after each contender (A/B/A), so that other
load on the machine affects both. A ratio is the contender's time divided by the mean of
the two times of fmnist_fast around it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import machine
from ..work import WORKS, Work
from .environments import FLOOR, OURS, Contender
from .process import ContenderError
from .processes import Processes

ROUND_SECONDS = 0.1  # a round has as many epochs as fit in, at least one
PART = 0.1  # share of the images that shows how slow a setting is
SLOW_SECONDS = 0.5  # a setting with slower epochs is not timed with all images
N_BEST = 3  # settings of the plain workload that are tried at other batch sizes
START_ROUNDS = 5


@dataclass
class Options:
    """Options that say how much is measured.

    Attributes
    ----------
    rounds : int
        Number of rounds.
    works : tuple of str
        Names of the workloads.
    limit : float
        Seconds that a contender may take for an answer.
    part : float
        Size of the data of a check, as a share of the full size.
    start_rounds : int
        Number of rounds of start and memory.
    n_synthetic : int
        Number of images to draw if the published files are missing.
    """

    rounds: int = 5
    works: tuple[str, ...] = tuple(WORKS)
    limit: float = 180
    part: float = 1.0
    start_rounds: int = START_ROUNDS
    n_synthetic: int = 60_000


class Comparison:
    """A comparison of contenders, whose environments are in a folder `environments`.

    `result` grows during the comparison, and can be written as JSON at any time.
    """

    def __init__(
        self, contenders: list[Contender], environments: Path, options: Options
    ) -> None:
        self.contenders, self.options = contenders, options
        self.processes = Processes(environments, options.limit, options.n_synthetic)
        self.result: dict[str, Any] = {
            "machine": machine.describe(),
            "rounds": options.rounds,
            "contenders": {},
            "works": {},
            "start": {},
        }

    def start(self) -> None:
        """Write the data, and start the contenders that are installed."""
        self.result |= self.processes.write_data()
        for contender in self.contenders:
            about = {key: getattr(contender, key) for key in ("title", "kind", "note")}
            self.result["contenders"][contender.name] = about
            if not self.processes.has(contender):
                about["missing"] = contender.how_to_install()
                continue
            try:
                about["versions"] = self.processes.of(contender).ask("versions")
            except ContenderError as error:
                about["error"] = str(error)

    def close(self) -> None:
        """End all processes, and delete their files."""
        self.processes.close()

    # ---- workloads ----------------------------------------------------------------

    def ready(self) -> list[Contender]:
        """Return the contenders that have started, fmnist_fast first."""
        about = self.result["contenders"]
        return [c for c in self.contenders if "versions" in about[c.name]]

    def run_work(self, work: Work) -> Iterator[tuple[str, dict]]:
        """Search, check and time `work`; yield the name and entry of each contender."""
        entries: dict[str, dict] = self.result["works"].setdefault(work.name, {})
        running = []
        for contender in self.ready():
            entry = entries[contender.name] = self._prepare(contender, work)
            if "setting" in entry:
                running.append(contender)
            else:
                yield contender.name, entry
        if OURS not in [contender.name for contender in running]:
            return  # a ratio needs the time of fmnist_fast
        for _ in range(self.options.rounds):
            self._run_round(running, entries)
        for contender in running:
            yield contender.name, entries[contender.name]

    def _prepare(self, contender: Contender, work: Work) -> dict:
        """Find the fastest setting with correct output, and open it."""
        entry: dict[str, Any] = {}
        try:
            settings = self._settings(contender, work)
            if not settings:
                return {"none": "not supported"}
            tried = entry["tried"] = []
            for setting in settings:
                tried.append(self._try(contender, work, setting))
                errors = [attempt.get("error") for attempt in tried[-2:]]
                if len(errors) == 2 and errors[0] and errors[0] == errors[1]:
                    # The same error twice does not depend on the setting.
                    raise ContenderError(errors[0])
            best = self._fastest_right(contender, work, tried)
            process, setting = self.processes.of(contender), best["setting"]
            process.ask("open", work=work.to_json(), setting=setting, part=1)
            if best["seconds"] < 1:
                process.ask("time", seconds=0)  # warm-up
            entry |= {"setting": setting, "seconds": [], "cpu": [], "ours": []}
        except ContenderError as error:
            self.processes.drop(contender.name)
            entry["error"] = str(error)
        return entry

    def _settings(self, contender: Contender, work: Work) -> list[dict]:
        """Return the settings to try.

        At other batch sizes these are the fastest with batches of 128. The memory floor
        tries all, because its best setting depends on the batch size and each takes
        little time.
        """
        plain = self.result["works"].get("plain", {}).get(contender.name, {})
        is_like_plain = work.name.startswith("plain_") and "setting" in plain
        if is_like_plain and contender.name != FLOOR:
            correct = [entry for entry in plain["tried"] if "error" not in entry]
            best = sorted(correct, key=lambda entry: entry["seconds"])
            return [entry["setting"] for entry in best[:N_BEST]]
        return self.processes.of(contender).ask("settings", work=work.to_json())

    def _try(self, contender: Contender, work: Work, setting: dict) -> dict:
        """Time a setting, with all images only if a part of them is fast."""
        process, fields = self.processes.of(contender), work.to_json()
        try:
            process.ask("open", work=fields, setting=setting, part=PART)
            process.ask("time", seconds=0)  # warm-up
            seconds = process.ask("time", seconds=0)["seconds"] / PART
            if seconds < SLOW_SECONDS:
                process.ask("open", work=fields, setting=setting, part=1)
                process.ask("time", seconds=0)
                seconds = process.ask("time", seconds=2 * ROUND_SECONDS)["seconds"]
        except ContenderError as error:
            self.processes.drop(contender.name)
            return {"setting": setting, "error": str(error)}
        return {"setting": setting, "seconds": seconds}

    def _fastest_right(
        self, contender: Contender, work: Work, tried: list[dict]
    ) -> dict:
        """Return the fastest entry with correct output, or raise the first's error."""
        timed = [entry for entry in tried if "error" not in entry]
        order = sorted(timed, key=lambda entry: entry["seconds"])
        for entry in order:
            try:
                if contender.name != FLOOR:
                    self.processes.of(contender).ask(
                        "check",
                        work=work.to_json(),
                        setting=entry["setting"],
                        part=self.options.part,
                    )
                return entry
            except ContenderError as error:
                self.processes.drop(contender.name)
                entry["error"] = str(error)
        raise ContenderError((order or tried)[0]["error"])

    def _run_round(self, running: list[Contender], entries: dict[str, dict]) -> None:
        """Time each contender once, and fmnist_fast before and after it."""
        ours = self.processes.running[OURS]

        def time_ours() -> float:
            times = ours.ask("time", seconds=ROUND_SECONDS)
            entries[OURS]["seconds"].append(times["seconds"])
            entries[OURS]["cpu"].append(times["cpu"])
            return times["seconds"]

        before = time_ours()
        for contender in running:
            entry = entries[contender.name]
            if contender.name == OURS or "error" in entry:
                continue
            try:
                times = self.processes.running[contender.name].ask(
                    "time", seconds=ROUND_SECONDS
                )
            except ContenderError as error:
                entry["error"] = str(error)
                self.processes.drop(contender.name)
                continue
            after = time_ours()
            entry["seconds"].append(times["seconds"])
            entry["cpu"].append(times["cpu"])
            entry["ours"].append((before + after) / 2)
            before = after

    # ---- start and memory ---------------------------------------------------------

    def run_start(self) -> Iterator[tuple[str, dict]]:
        """Measure seconds to the first batch and memory, in new processes."""
        plain = self.result["works"].get("plain", {})
        entries = self.result["start"]
        able = [c for c in self.ready() if "setting" in plain.get(c.name, {})]
        able = [c for c in able if c.name != FLOOR and "error" not in plain[c.name]]
        self.processes.drop_all()
        for contender in able:
            entries[contender.name] = {"cold": [], "cached": [], "memory": []}
        for _ in range(self.options.start_rounds):
            for contender in able:
                if "error" not in entries[contender.name]:
                    self._start_once(
                        contender,
                        plain[contender.name]["setting"],
                        entries[contender.name],
                    )
        yield from entries.items()

    def _start_once(self, contender: Contender, setting: dict, entry: dict) -> None:
        """Measure a start from the .gz files and, if there is a cache, one from it."""
        cache = self.processes.folder / f"{contender.name}-cache"
        plan = [("cold", None)]
        try:
            for key, used in plan:
                start = time.perf_counter()
                with contextlib.closing(self.processes.new(contender)) as process:
                    process.ask(
                        "first_batch",
                        work=WORKS["plain"].to_json(),
                        setting=setting,
                        files=str(self.processes.files),
                        cache=used,
                    )
                    seconds = time.perf_counter() - start
                    if key is not None:
                        entry[key].append(seconds)
                    if key == "cold":
                        entry["memory"].append(process.ask("memory"))
                        if process.ask("keeps_cache"):
                            # In the first round, a start without a key fills the cache.
                            fill = [] if entry["cached"] else [(None, str(cache))]
                            cache.mkdir(exist_ok=True)
                            plan += [*fill, ("cached", str(cache))]
        except ContenderError as error:
            entry["error"] = str(error)
