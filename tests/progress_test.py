"""One live line a stage on a terminal; in a log a plain line now and then."""

import os
import pathlib
import re
import sys

import pytest
import terminal

from lira_jax import progress

ROOT = pathlib.Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "XLA_FLAGS": "", "PYTHONUNBUFFERED": "1"}


class Log:
    """What a log file would hold, and a clock set by hand."""

    def __init__(self, capture):
        self.now, self.capture = 1e6, capture

    def wait(self, seconds):
        self.now += seconds

    def text(self):
        return self.capture.readouterr().err


@pytest.fixture
def log(capsys, monkeypatch):
    log = Log(capsys)
    monkeypatch.setattr(progress.time, "monotonic", lambda: log.now)
    monkeypatch.setattr("tqdm.std.time", lambda: log.now)
    return log


@pytest.mark.parametrize(("seconds", "told_at"), [(29, []), (30, [30]), (100, [30, 60, 90])])
def test_a_log_has_a_line_every_thirty_seconds(log, seconds, told_at):
    with progress.bar("train", 1000 * seconds, "images", rate=True) as bar:
        for second in range(seconds):
            log.wait(1)
            bar.set_postfix_str(f"{second + 1} models", refresh=False)
            bar.update(1000)
    lines = log.text().splitlines(keepends=True)
    for line, second in zip(lines, told_at, strict=True):
        share, passed, left = 100 * second / seconds, clock(second), seconds - second
        assert line in {  # tqdm cuts off fractions of seconds
            f"train: {share:.0f}% in {passed}, 1.00k images/s, ETA {clock(left - cut)}, {second} "
            "models\n"
            for cut in (0, 1)
        }


def clock(seconds):
    return f"{seconds // 60:02}:{seconds % 60:02}"


def test_a_log_tells_of_the_work_that_each_of_nested_stages_does(log):
    with progress.bar("attack", 2, "attacks") as outer:
        for _ in range(2):
            with progress.bar("  one", 40, "targets", leave=False) as inner:
                for _ in range(40):
                    log.wait(1)
                    outer.set_postfix_str("one")
                    inner.update()
            outer.update()
    assert log.text() == (
        "attack: 0% in 00:30, 0/2 attacks, ETA ?, one\n"
        "one: 75% in 00:30, 30/40 targets, ETA 00:10\n"
        "attack: 50% in 01:00, 1/2 attacks, ETA 00:40, one\n"
        "one: 75% in 00:30, 30/40 targets, ETA 00:10\n"
    )


def test_what_was_done_before_counts_for_the_share_and_not_for_the_speed(log):
    with progress.bar("train", 100, "images", initial=40, rate=True) as bar:
        log.wait(30)
        bar.update(30)
    assert log.text() == "train: 70% in 00:30, 1.00 images/s, ETA 00:30\n"


def test_iterating_gives_every_item_and_logs_long_iterations_only(log):
    assert list(progress.each("read", "abc", "models")) == ["a", "b", "c"]
    assert log.text() == ""
    for _ in progress.each("read", range(3), "models"):
        log.wait(20)
    assert log.text() == "read: 67% in 00:40, 2/3 models, ETA 00:20\n"


def test_no_work_shows_nothing(log):
    with progress.bar("train", 0, "images") as bar:
        log.wait(60)
        bar.set_postfix_str("text")
        bar.update(0)
    assert log.text() == ""


def python(code, **environment):
    label = {progress.LABEL: " (worker 1 of 2)"}
    status, text = terminal.run(
        [sys.executable, "-c", code], env={**ENVIRONMENT, **label, **environment}
    )
    assert status == 0, text
    return text


def test_a_terminal_has_one_line_that_is_overwritten():
    text = python(
        "import time; from lira_jax import progress\n"
        "with progress.bar('train', 4, 'images', rate=True) as bar:\n"
        "    for _ in range(4): time.sleep(0.25); bar.set_postfix_str('some models'); bar.update()"
    )
    assert text.count("\n") == 1
    states = text.strip().split("\r")
    assert len(states) >= 4
    assert all(len(s) <= 120 for s in states)
    form = r"train \(worker 1 of 2\): 100%\|█+\| [\d.]+ images/s, ETA 00:00, some models"
    assert re.fullmatch(form, states[-1])


def test_a_note_goes_above_the_line_and_short_iterations_leave_nothing():
    text = python(
        "from lira_jax import progress\n"
        "with progress.bar('train', 2, 'images') as bar: bar.update(); progress.note('a note'); "
        "bar.update()\n"
        "list(progress.each('read', range(9), 'models'))"
    )
    assert re.search(r"\r +\ra note\r\n\rtrain ", text)  # the line is wiped and drawn again
    assert "read" not in text


def test_a_process_told_to_be_quiet_shows_notes_alone():
    code = (
        "from lira_jax import progress\nwith progress.bar('train', 2, 'images') as bar: "
        "bar.update(2)\n"
    )
    assert "train" in python(code)
    assert python(code + "progress.note('a note')", TQDM_DISABLE="1") == "a note\r\n"


@pytest.mark.slow
def test_each_stage_of_a_run_is_one_line(tmp_path):
    recipe = [
        "--num_models=4",
        "--hidden=8",
        "--epochs=20",
        "--num_examples=80",
        "--queries=1",
        "--log_every=10",
    ]
    stages = {
        "train": [*recipe, "--models_per_chunk=2"],
        "score": [],
        "attack": ["--attacks=loss,phi"],
    }
    shown = {}
    for stage, flags in stages.items():
        status, text = terminal.run(
            [sys.executable, "-m", f"lira_jax.cli.{stage}", f"--workdir={tmp_path}/run", *flags],
            env=ENVIRONMENT,
        )
        assert status == 0, text
        assert not re.search(r"^[IWE]\d{4} |INFO|Warning", text, re.M)  # no library speaks
        shown[stage] = [
            line.rpartition("\r")[2] for line in text.replace("\r\n", "\n").strip().split("\n")
        ]

    scaling, data, live, summary = shown["train"]
    assert scaling.startswith("--normalize=auto is pixel")
    assert data.startswith("data: 80 examples")
    speed = r"[\d.]+[kM]? images/s, ETA 00:00"
    assert re.match(
        rf"train: 100%\|█+\| {speed}, 4/4 models, epoch 20/20, (out|test) [\d.]+%, loss \d", live
    )
    assert len(live) <= 120
    assert summary.startswith("trained 4 models")
    again, live, summary = shown["score"]
    assert again == data
    assert re.fullmatch(rf"score: 100%\|█+\| {speed}, 4/4 models", live)
    assert summary.startswith("scored 4 models")
    again, note, live, left_out, header, *_ = shown["attack"]
    assert again == data
    assert left_out.startswith("left out calibrated decisions on phi: ")  # of 3 shadows, 1 out
    assert note.startswith("note: with 3 shadow models")
    assert re.fullmatch(r"attack: 100%\|█+\| 2/2 attacks, ETA 00:00, phi", live)
    assert header.startswith("attack ")
