"""The comparison: settings are searched, output checked, epochs timed in turns.

In every round ours runs before and after each contender, A/B/A, so that a busy minute
of the machine hits both: a ratio is a contender's time over the mean of ours around it.
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

ROUND_SECONDS = 0.1  # a round has as many epochs as this takes, at least one
PART = 0.1  # of the images, to tell how slow a setting is
SLOW_SECONDS = 0.5  # of an epoch: no more time is spent on such a setting
N_FAVOURITES = 3  # settings of the plain work that are tried at other batch sizes
START_ROUNDS = 5


@dataclass
class Options:
    """How much is measured.

    `limit` are the seconds that a contender may take for an answer; `part` is how large
    the data of a check is, of what tells most; `n_synthetic` are the images drawn where
    the real ones are not there.
    """

    rounds: int = 5
    works: tuple[str, ...] = tuple(WORKS)
    limit: float = 180
    part: float = 1.0
    start_rounds: int = START_ROUNDS
    n_synthetic: int = 60_000


class Comparison:
    """Run contenders, whose environments are in the folder `environments`.

    `result` grows as it goes on, and can be written as JSON at any time.
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
        """Write the data, and start whoever is installed."""
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
        """End all processes, and delete what they wrote."""
        self.processes.close()

    # ---- works --------------------------------------------------------------------

    def ready(self) -> list[Contender]:
        """Those that have started, ours first."""
        about = self.result["contenders"]
        return [one for one in self.contenders if "versions" in about[one.name]]

    def run_work(self, work: Work) -> Iterator[tuple[str, dict]]:
        """Search, check and time `work`; each contender's entry when it is known."""
        entries: dict[str, dict] = self.result["works"].setdefault(work.name, {})
        running = []
        for contender in self.ready():
            entry = entries[contender.name] = self._prepare(contender, work)
            if "setting" in entry:
                running.append(contender)
            else:
                yield contender.name, entry
        if OURS not in [contender.name for contender in running]:
            return  # there is nothing to be compared with
        for _ in range(self.options.rounds):
            self._run_round(running, entries)
        for contender in running:
            yield contender.name, entries[contender.name]

    def _prepare(self, contender: Contender, work: Work) -> dict:
        """Find the fastest setting whose output is right, and open it."""
        entry: dict[str, Any] = {}
        try:
            settings = self._settings(contender, work)
            if not settings:
                return {"none": "not what it is for"}
            tried = entry["tried"] = []
            for setting in settings:
                tried.append(self._try(contender, work, setting))
                said = [one.get("error") for one in tried[-2:]]
                if len(said) == 2 and said[0] and said[0] == said[1]:
                    raise ContenderError(said[0])  # it isn't the setting
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
        """Those to try: what was best with batches of 128, or all.

        The floor's all, which take no time: what is best depends on the size.
        """
        plain = self.result["works"].get("plain", {}).get(contender.name, {})
        is_like_plain = work.name.startswith("plain_") and "setting" in plain
        if is_like_plain and contender.name != FLOOR:
            right = [one for one in plain["tried"] if "error" not in one]
            best = sorted(right, key=lambda one: one["seconds"])
            return [one["setting"] for one in best[:N_FAVOURITES]]
        return self.processes.of(contender).ask("settings", work=work.to_json())

    def _try(self, contender: Contender, work: Work, setting: dict) -> dict:
        """Time a setting: with a part of the images, scaled up, if all take long."""
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
        """The fastest whose output is right; raises what the fastest failed by."""
        timed = [one for one in tried if "error" not in one]
        order = sorted(timed, key=lambda one: one["seconds"])
        for one in order:
            try:
                if contender.name != FLOOR:
                    self.processes.of(contender).ask(
                        "check",
                        work=work.to_json(),
                        setting=one["setting"],
                        part=self.options.part,
                    )
                return one
            except ContenderError as error:
                self.processes.drop(contender.name)
                one["error"] = str(error)
        raise ContenderError((order or tried)[0]["error"])

    def _run_round(self, running: list[Contender], entries: dict[str, dict]) -> None:
        ours = self.processes.running[OURS]

        def time_ours() -> float:
            one = ours.ask("time", seconds=ROUND_SECONDS)
            entries[OURS]["seconds"].append(one["seconds"])
            entries[OURS]["cpu"].append(one["cpu"])
            return one["seconds"]

        before = time_ours()
        for contender in running:
            entry = entries[contender.name]
            if contender.name == OURS or "error" in entry:
                continue
            try:
                one = self.processes.running[contender.name].ask(
                    "time", seconds=ROUND_SECONDS
                )
            except ContenderError as error:
                entry["error"] = str(error)
                self.processes.drop(contender.name)
                continue
            after = time_ours()
            entry["seconds"].append(one["seconds"])
            entry["cpu"].append(one["cpu"])
            entry["ours"].append((before + after) / 2)
            before = after

    # ---- start and memory ---------------------------------------------------------

    def run_start(self) -> Iterator[tuple[str, dict]]:
        """New processes: seconds to the first batch, memory after the first epoch."""
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
                            made = [] if entry["cached"] else [(None, str(cache))]
                            cache.mkdir(exist_ok=True)
                            plan += [*made, ("cached", str(cache))]
        except ContenderError as error:
            entry["error"] = str(error)
