"""The disk becomes full while a command writes; it gets more space, and the command runs again."""

import ctypes
import os
import pathlib
import shutil
import subprocess

from faults.case import Case

_CLONE_NEWNS = 0x20000
STAGES = ("train", "train", "score", "attack", "export", "report")


def why_not() -> str:
    """Why no small disk can be mounted here; empty if it can. Mounts are for this process alone."""
    if not shutil.which("mount"):
        return "there is no program mount"
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS):
        return f"unshare: {os.strerror(ctypes.get_errno())}"
    done = subprocess.run(
        ["mount", "--make-rprivate", "/"], capture_output=True, text=True, check=False
    )
    return done.stderr.strip()


def fill(case: Case) -> None:
    """Runs a stage on a tmpfs that is too small by chance."""
    chance, whole, disk = case.chance, case.whole, case.folder / "disk"
    stage = chance.choice(STAGES)
    disk.mkdir()
    _mount(disk, "size=64m")
    try:
        work = case.work.rename(disk / "run") if case.work.exists() else disk / "run"
        case.work.symlink_to(work)
        if stage != "train":
            shutil.copytree(whole.path, work)
        if stage == "score":
            for folder in ("scores", "logits"):
                shutil.rmtree(work / folder)
        used = _used(disk)
        needs = {"train": 500, "score": 80, "attack": 80, "report": 700, "export": 80}[stage]
        free = chance.randrange(needs) << 10
        _mount(disk, f"remount,size={(used + free) >> 10}k")
        case.words.append(f"{stage} with {free >> 10} KiB left")
        line = [word.replace(f"{case.work}", f"{work}") for word in whole.line(stage, case.work)]
        (ended,) = case.run(line)
        if ended.status and "disk is full" not in ended.said:
            case.fault("traceback", f"it does not tell of the disk: {ended.said[-500:]}")
        case.refused = bool(ended.status)
        _mount(disk, "remount,size=64m")
        if said := case.finish(first=stage):
            case.fault("lost", f"with more space: {said}")
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def _mount(disk: pathlib.Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], check=True)


def _used(disk: pathlib.Path) -> int:
    state = os.statvfs(disk)
    return (state.f_blocks - state.f_bfree) * state.f_frsize
