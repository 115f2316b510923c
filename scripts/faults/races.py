"""Two or three commands are started together, the same ones or with other flags."""

import json
import shutil
import time

from faults.case import Case

STAGES = (*("train",) * 5, *("score",) * 4, *("attack",) * 4, "report")
OTHER = {"train": "--seed=1", "score": "--queries=1", "attack": "--targets=0", "report": ""}


def race(case: Case) -> None:
    """At least one of them succeeds or can be run again; the run is of one experiment alone."""
    chance, whole, work = case.chance, case.whole, case.work
    stage = chance.choice(STAGES)
    if stage != "train":
        whole.copy(work)
    if stage == "score":
        for folder in ("scores", "logits"):
            shutil.rmtree(work / folder)
        entries = json.loads((work / "manifest.json").read_text())
        gone = ("scores", "logits", "sha256")
        kept = {n: e for n, e in entries.items() if not n.startswith(gone)}
        (work / "manifest.json").write_text(json.dumps(kept))
    running = []
    for number in range(chance.choice((2, 2, 3))):
        line = whole.line(stage, work)
        if number and OTHER[stage] and chance.random() < 0.4:
            line.append(OTHER[stage])
        elif stage in ("train", "score") and chance.random() < 0.3:
            line.append(f"--model_ids={chance.choice(('0:2', '2:4', '1:3', '0,3'))}")
        case.words.append(" ".join(line))
        running.append(case.start(line))
        time.sleep(chance.choice((0, chance.random() * whole.seconds[stage])))
    ended = [case.look(one, one.ended())[0] for one in running]
    case.refused = any(one.status for one in ended)
    if not any(one.status == 0 for one in ended):
        case.fault("lost", f"none of them succeeded: {[one.said[-300:] for one in ended]}")
    stored = json.loads((work / "experiment.json").read_text())["experiment"]
    if stored["queries"] != 2:
        _check_one_query(case)
        return
    if said := case.finish(whole=(whole, case.other)[stored["seed"]]):
        case.fault("lost", f"after the race: {said}")


def _check_one_query(case: Case) -> None:
    """Of a run that was scored with --queries=1: what else it computes is that of the template."""
    line = ["score", f"--workdir={case.work}"]
    if case.run(line)[0].status:
        case.fault("lost", "it cannot be scored to the end")
    import numpy as np

    for model in range(4):
        of, ours = (np.load(p / f"scores/{model:04d}.npy") for p in (case.whole.path, case.work))
        if not np.allclose(of[:, :1], ours, rtol=0, atol=1e-5):
            case.fault("silent wrong", f"scores/{model:04d}.npy is of shape {ours.shape}")
    case.check_leftovers()
