"""What one lira-attack has found, as a set of files that take their names together.

    attacks/manifest.json           whose results they are, and the sha256 of each file of the set
    attacks/NAME.npy, exposure.npy  scores
    results.csv, results.json       what was found of them, where the membership is known
    accusations.csv                 whom they accuse, where it is not, with --fdr

The files wait under temporary names until all are there. Then the set's manifest is written first
and the run's manifest last: a process that is killed in between leaves files that do not match,
which `check` finds.
"""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from lira_jax import progress
from lira_jax.errors import UserError
from lira_jax.runs import files
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import (
    ACCUSATIONS,
    EPOCHS_TABLE,
    EXPOSURE,
    LT_IQR,
    RESULT_SET,
    RESULTS,
    RESULTS_TABLE,
    VARIANTS_TABLE,
    attack_of,
)

_MISSING = {
    "used_queries": 0,
    "stop_at": "",
    "release": "",
    "shadows_defence": "",
}  # what it means that an earlier version did not write it
_TABLES = (RESULTS_TABLE, VARIANTS_TABLE, EPOCHS_TABLE)
"""Made from results.json for other programs, which may rewrite them: nothing here reads them."""


class ResultSet:
    """Collects the files of a set. Used as a context, it leaves nothing that was not switched."""

    def __init__(self, run: RunDirectory, about: Mapping[str, Any]):
        """Touches nothing on the disk.

        Args:
          run: where results go.
          about: whose results they are, entries of results.json. Scores that were made of the same
            before stay in the set; those of others leave it.
        """
        self.run, self.about = run, dict(about)
        self.waiting: dict[str, dict] = {}
        self.switched: dict[str, dict] = {}

    def adopt(self) -> None:
        """Takes the scores that are here for those of this set."""
        self.switched = scores(self.run)

    def __enter__(self) -> "ResultSet":
        return self

    def __exit__(self, *error) -> None:
        for name in self.waiting:
            self._temporary(name).unlink(missing_ok=True)

    def save(self, name: str, array: np.ndarray) -> None:
        """Keeps scores for the next switch."""
        with files.replacing(self._temporary(name)) as file:
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)
        self._wait(name)

    def switch(self, texts: Mapping[str, str]) -> None:
        """Gives all that was kept its name.

        Args:
          texts: results.json and its tables, or accusations.csv; those of an earlier set that are
            not among them are removed.

        Raises:
          UserError: the disk is full; the set before it is still whole.
        """
        for name, text in texts.items():
            with files.replacing(self._temporary(name)) as file:
                file.write(text.encode())
            self._wait(name)
        with self.run.locked():
            new = self.switched | self.waiting
            others = {n: e for n, e in scores(self.run).items() if n not in new}
            foreign = [] if _about(self.run, self.about) == self.about else list(others)
            whole = {n: e for n, e in others.items() if n not in foreign} | new
            hashes = {n: e["sha256"] for n, e in whole.items() if n not in _TABLES}
            self.run.write_checked_json(
                RESULT_SET, {**self.about, "sha256_of": dict(sorted(hashes.items()))}
            )
            for name in self.waiting:
                os.replace(self._temporary(name), self.run.path / name)
            for name in [*foreign, *({RESULTS, ACCUSATIONS, *_TABLES} - set(texts))]:
                self.run.remove(name)
            dumps = {n: e for n, e in new.items() if n not in texts}
            self.run.enter(dumps, without=foreign)
        if foreign:
            progress.note(
                f"note: {self.run.path} had scores of {len(foreign)} attacks on other targets or "
                "by other models; the new results have replaced them"
            )
        self.switched, self.waiting = dumps, {}

    def _wait(self, name: str) -> None:
        path = self._temporary(name)
        self.waiting[name] = {"sha256": files.sha256(path), "bytes": path.stat().st_size}

    def _temporary(self, name: str):
        return files.temporary_name(self.run.path / name)


def check(run: RunDirectory) -> None:
    """Checks that results.json, or accusations.csv, and all scores are of one set.

    Raises:
      UserError: they are not.
    """
    if not (run.path / RESULT_SET).exists():  # of an earlier version
        return
    said = run.read_json(RESULT_SET, "lira-attack")
    known = {name: entry["sha256"] for name, entry in scores(run).items()}
    of = said.get("sha256_of", {}) if isinstance(said, dict) else {}
    for name in (RESULTS, ACCUSATIONS):
        # Earlier versions wrote accusations apart from the set.
        if (run.path / name).exists() and (name in of or name == RESULTS):
            known[name] = files.sha256(run.path / name)
    for name in sorted(of.keys() | known.keys()):
        if of.get(name) != known.get(name):
            raise UserError(
                f"{run.path / name} is not what {RESULT_SET} says: it is of another lira-attack "
                "than the rest, one that was killed or is just ending; run lira-attack again"
            )


def scores(run: RunDirectory) -> dict[str, dict]:
    """The entries of all dumps that lira-attack writes."""
    own = (EXPOSURE, LT_IQR)
    return {n: e for n, e in run.dumps().items() if n in own or attack_of(n) is not None}


def _about(run: RunDirectory, entries: Mapping[str, Any]) -> dict[str, Any] | None:
    """Whose results are here, as far as it can be told: earlier versions had no set's manifest."""
    for name in (RESULT_SET, RESULTS):
        if (run.path / name).exists():
            try:
                stored = run.read_json(name, "lira-attack")
            except UserError:
                continue
            return {entry: stored.get(entry, _MISSING.get(entry)) for entry in entries}
    return None
