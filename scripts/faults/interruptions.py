"""A command is killed, or gets Ctrl-C or SIGTERM, at some time; then it is run again."""

import contextlib
import shutil
import signal
import time

from faults.case import Case
from faults.commands import Ended, Running

STAGES = (*("train",) * 12, *("score",) * 8, *("attack",) * 8, *("export",) * 4, "report")
COLD = 8.0  # seconds that a command takes with its imports
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}
LIMIT = 5.0  # seconds from a signal to the end


def kill(case: Case) -> None:
    """Kills a command, or its process alone and not its workers, with SIGKILL."""
    running, stage = _begin(case)
    group = case.chance.random() < 0.7
    with contextlib.suppress(ProcessLookupError):
        running.kill(group=group)
    case.words.append("kill -9 of " + ("the group" if group else "the process"))
    if running.leaves_processes():
        case.fault("orphan", f"of {running.lines}")
    _go_on(case, stage)


def stop(case: Case) -> None:
    """Stops a command by a signal: it says one line, and ends with its workers in 5 seconds."""
    running, stage = _begin(case)
    number, group = case.chance.choice(list(STATUS)), case.chance.random() < 0.5
    case.words.append(f"{number.name} to " + ("the group" if group else "the process"))
    sent = time.monotonic()
    running.send(number, group=group)
    status = running.wait(20)
    took = time.monotonic() - sent
    if status is None:
        case.fault("hang", "it goes on 20 s after the signal")
        running.kill()
    elif status not in (0, STATUS[number]):
        case.fault("traceback", f"status {status}: {running.log.read_text()[-2000:]}")
    elif took > LIMIT:
        case.fault("hang", f"it ends {took:.1f} s after the signal")
    if status:
        said = running.log.read_text().replace("\x1e", "")
        (one,) = [Ended(stage, status, said.partition("\x1d")[0])]
        if one.wrong:
            case.fault(one.wrong, one.said[-2000:])
    if running.leaves_processes():
        case.fault("orphan", f"of {running.lines}")
    _go_on(case, stage)


def _begin(case: Case) -> tuple[Running, str]:
    """Starts a stage that has work to do, and waits for some time of its work."""
    chance, whole, work = case.chance, case.whole, case.work
    stage = chance.choice(STAGES)
    cold = chance.random() < 0.1
    workers = not cold and stage in ("train", "score") and chance.random() < 0.12
    fresh = stage == "train" and chance.random() < 0.3
    if stage != "train":
        whole.copy(work)
    elif not fresh:
        shutil.copytree(f"{whole.path}.half", work)
    if stage == "score":
        for folder in ("scores", "logits"):
            shutil.rmtree(work / folder)
    line = whole.line(stage, work)
    if workers:
        line = [word for word in line if not word.startswith("--workers")] + ["--workers=2"]
    longest = whole.seconds[stage] * (1 + fresh) + (COLD if cold or workers else 0)
    seconds = longest * chance.random()
    case.words.append(f"{' '.join(line)}{' (cold)' if cold else ''}, after {seconds:.2f} s")
    running = case.start(line, cold=cold)
    # Before, a cold Python has not come to any code of ours.
    running.sleep(max(seconds, 0.4) if cold else seconds)
    return running, stage


def _go_on(case: Case, stage: str) -> None:
    """Runs the stage again and then the others; all models must be had."""
    more = ("report",) if stage == "report" else ()
    if said := case.finish(first=stage, more=more):
        case.fault("lost", f"after the kill: {said}")
