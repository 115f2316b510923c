"""One case: a folder of its own, chance of its own, and what came of it."""

import dataclasses
import pathlib
import random
import shutil

from faults import template
from faults.commands import Ended, Running
from faults.template import Template

BAD = ("silent wrong", "traceback", "hang", "lost", "orphan", "leftover")
COLUMNS = ("tried", "recovered", "refused", *BAD)


@dataclasses.dataclass
class Case:
    """What a kind of faults is given, and tells.

    Attributes:
      home: with tmp/, which is the temporary directory, and all templates.
      chance: the random numbers of this case.
      whole, other: finished runs, of --seed=0 and --seed=1.
      words: what was done.
      faults: column of the table -> what is wrong.
      refused: whether a command said no.
      begun: how many processes were started.
    """

    home: pathlib.Path
    chance: random.Random
    whole: Template
    other: Template
    words: list[str] = dataclasses.field(default_factory=list)
    faults: dict[str, str] = dataclasses.field(default_factory=dict)
    refused: bool = False
    begun: int = 0

    @property
    def work(self) -> pathlib.Path:
        """The run directory that is harmed."""
        return self.folder / "run"

    @property
    def folder(self) -> pathlib.Path:
        """Everything of the case."""
        return self.home / "case"

    def start(self, *lines: list[str], cold: bool = False) -> Running:
        """Starts commands; see `commands.Running`."""
        self.begun += 1
        log = self.home / f"log{self.begun}"
        return Running(*lines, log=log, folder=self.folder, cold=cold)

    def run(self, *lines: list[str]) -> list[Ended]:
        """Runs commands, and looks at how they end."""
        running = self.start(*lines)
        return self.look(running, running.ended())

    def look(self, running: Running, ended: list[Ended]) -> list[Ended]:
        """Notes tracebacks, hangs and orphans."""
        for one in ended:
            if one.wrong:
                self.fault(one.wrong, f"{one.stage} ends with {one.status}: {one.said[-3000:]}")
        if running.leaves_processes():
            self.fault("orphan", f"of {running.lines}")
        return ended

    def fault(self, column: str, words: str) -> None:
        """Notes the first of each kind."""
        self.faults.setdefault(column, words)

    def finish(self, first: str = "", whole: Template | None = None, more: tuple = ()) -> str:
        """Runs all stages again and compares with a run that nothing has happened to.

        Args:
          first: a stage to run before the others, after which nothing may be left over.
          whole: what to compare with.
          more: stages to run besides.

        Returns:
          What was refused; empty if all went well.
        """
        whole = whole or self.whole
        if first:
            (ended,) = self.run(whole.line(first, self.work))
            if ended.status:
                return ended.said.strip()[-500:]
            self.check_leftovers()
        stages = ("train", "score", "attack", *more)
        ended = self.run(*(whole.line(stage, self.work) for stage in (*stages, "status")))
        for one in ended[: len(stages)]:
            if one.status:
                return one.said.strip()[-500:]
        self.compare(whole)
        self.check_leftovers()
        return ""

    def compare(self, whole: Template) -> None:
        """Notes numbers that are not those of the template."""
        found, right = template.numbers(self.work), whole.numbers
        wrong = [n for n in sorted(found.keys() | right) if found.get(n) != right.get(n)]
        if wrong:
            self.fault("silent wrong", f"{', '.join(wrong[:5])} differ")

    def check_leftovers(self) -> None:
        """Notes temporary files."""
        if left := template.leftovers(self.folder, self.home / "tmp"):
            self.fault("leftover", ", ".join(left[:5]))

    def clean(self) -> None:
        """Removes everything of the case."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for log in self.home.glob("log*"):
            log.unlink()
        for left in (self.home / "tmp").iterdir():
            shutil.rmtree(left, ignore_errors=True)
            left.unlink(missing_ok=True) if not left.is_dir() else None
