"""What lira-export writes, read by our reader and by a naive copy of the reference's attack."""

import errno
import json
import os
import pathlib
import platform
import subprocess
import sys

import numpy as np
import pytest
from cli.scored_run import K, M, N, scored
from scipy import stats
from sklearn.metrics import auc, roc_auc_score, roc_curve

from lira_jax.attacks import thresholds
from lira_jax.attacks.reference_lira import reference_lira
from lira_jax.audit.results import Results
from lira_jax.cli import attack as attack_lib
from lira_jax.cli import export as export_lib
from lira_jax.cli.export import export
from lira_jax.cli.flags import parse
from lira_jax.errors import UserError
from lira_jax.evaluation import roc as roc_lib
from lira_jax.interop import queries, write
from lira_jax.interop import read as layouts
from lira_jax.runs import layout as run_layout


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A run that tests only read."""
    return scored(tmp_path_factory.mktemp("shared") / "run")


def test_tf_privacy_files_are_as_the_reference_writes_them(tmp_path, shared):
    run, experiment, labels, keep = shared
    images = np.random.default_rng(1).integers(0, 256, (N, 8, 8, 1)).astype(np.uint8)
    assert export(run, experiment, tmp_path / "out", "tf_privacy", images) == list(range(M))
    order = np.argsort(queries.grid_order(18))
    expected = {"x_train.npy": images / 127.5 - 1, "y_train.npy": labels.astype(np.int64)}
    for m in range(M):
        phi, logits = (
            run.read(run_layout.POOL.signal("phi", m)),
            run.read(run_layout.POOL.signal("logits", m)),
        )
        expected[f"experiment-{m}_{M}/keep.npy"] = keep[m]
        expected[f"experiment-{m}_{M}/scores/0000000007.npy"] = phi[:, order].astype(np.float64)
        expected[f"experiment-{m}_{M}/logits/0000000007.npy"] = logits[:, None, order]
    written = {
        str(p.relative_to(tmp_path / "out")): np.load(p) for p in (tmp_path / "out").rglob("*.npy")
    }
    assert written.keys() == expected.keys()
    for name, array in expected.items():
        assert written[name].dtype == array.dtype, name
        np.testing.assert_array_equal(written[name], array)
    hparams = json.loads((tmp_path / f"out/experiment-3_{M}/hparams.json").read_text())
    reference = {
        "arch",
        "lr",
        "batch",
        "weight_decay",
        "augment",
        "seed",
        "epochs",
        "expid",
        "num_experiments",
    }
    assert hparams.keys() >= reference | {"pkeep", "save_steps", "only_subset"}
    assert (hparams["expid"], hparams["num_experiments"], hparams["epochs"]) == (3, M, 7)


@pytest.mark.parametrize(
    ("queries", "save_logits"), [(1, "plain"), (2, "all"), (18, "plain"), (18, "all")]
)
def test_what_is_exported_reads_back_the_same(tmp_path, queries, save_logits):
    run, experiment, labels, keep = scored(
        tmp_path / "run", queries=queries, save_logits=save_logits, models=4
    )
    for layout in write.FORMATS:
        export(run, experiment, tmp_path / layout, layout)
        assert layouts.recognise(tmp_path / layout) == layout
        evidence, ids = layouts.read(tmp_path / layout)
        assert ids == list(range(4))
        # In lira_pytorch they are told from scores and logits.
        np.testing.assert_array_equal(evidence.labels, labels)
        np.testing.assert_array_equal(evidence.keep, keep)
        for m in range(4):
            logits = run.read(run_layout.POOL.signal("logits", m))
            np.testing.assert_array_equal(
                evidence.signals["phi"][m], run.read(run_layout.POOL.signal("phi", m))
            )
            np.testing.assert_array_equal(
                evidence.signals["logits"][m], logits[:, 0] if logits.ndim == 3 else logits
            )


def reference_attack(logdir, target, attack):
    """AUC, accuracy and TPR at 0.1 % as the reference prints them, folders in numerical order."""
    folders = sorted(
        logdir.glob("experiment-*"), key=lambda p: int(p.name.split("-")[1].split("_")[0])
    )
    scores, keep = [], []
    for folder in folders:
        scores.append(np.load(folder / "scores" / sorted(os.listdir(folder / "scores"))[-1]))
        keep.append(np.load(folder / "keep.npy"))
    own, answers = scores.pop(target), keep.pop(target)
    num_examples, num_queries = own.shape
    lists = {}
    for bit in (True, False):
        of_examples = [
            [s[j] for s, k in zip(scores, keep, strict=True) if k[j] == bit]
            for j in range(num_examples)
        ]
        shortest = min(len(of_example) for of_example in of_examples)
        lists[bit] = np.array([of_example[:shortest] for of_example in of_examples])
    prediction = []
    for j in range(num_examples):
        terms = []
        for a in range(num_queries):
            density = {}
            for bit in (True, False):
                spread = np.std(lists[bit][j, :, a])
                if attack == "online fixed":
                    spread = np.std(lists[True])
                if attack == "offline fixed":
                    spread = np.std(lists[False])
                density[bit] = stats.norm.logpdf(
                    own[j, a], np.median(lists[bit][j, :, a]), spread + 1e-30
                )
            if attack == "global":
                terms.append(-own[j, a])
            elif attack.startswith("offline"):
                terms.append(density[False])
            else:
                terms.append(-density[True] + density[False])
        prediction.append(np.mean(terms))
    fpr, tpr, _ = roc_curve(answers, -np.array(prediction))
    return auc(fpr, tpr), np.max(1 - (fpr + (1 - tpr)) / 2), tpr[np.where(fpr < 0.001)[0][-1]]


@pytest.fixture(scope="module")
def exported(shared):
    run, experiment, *_ = shared
    out = run.path.parent / "out"
    export(run, experiment, out, "tf_privacy")
    return out


@pytest.mark.parametrize("target", [5, M - 1])
@pytest.mark.parametrize("attack", ["online", "online fixed", "offline", "offline fixed", "global"])
def test_the_reference_attack_on_an_export_prints_our_figures(exported, attack, target):
    evidence, ids = layouts.read(exported)
    row = ids.index(target)
    if attack == "global":
        scores = thresholds.phi_mean(evidence.of_targets("phi"))[row]
    else:
        form, _, fixed = attack.partition(" ")
        scores = reference_lira(
            evidence.signals["phi"], evidence.keep, [row], form=form, fixed=bool(fixed)
        )[0]
    curve = roc_lib.roc(scores, evidence.keep[row])
    ours = roc_lib.auc(curve), roc_lib.balanced_accuracy(curve), curve.tpr[curve.fpr < 0.001][-1]
    theirs = reference_attack(exported, target, attack)
    assert theirs[0] > 0.6  # there is something to find
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_diverged_models_are_left_out(tmp_path, capsys):
    run, experiment, *_ = scored(tmp_path / "run", queries=1, models=4)
    run.write(run_layout.POOL.signal("phi", 2), np.full((N, 1), np.nan, np.float32))
    assert export(run, experiment, tmp_path / "out", "tf_privacy") == [0, 1, 3]
    assert "model 2 has diverged" in capsys.readouterr().err
    assert layouts.read(tmp_path / "out")[1] == [0, 1, 3]


def test_lira_analysis_files_are_as_that_tool_writes_them(tmp_path, shared):
    run, experiment, labels, keep = shared
    assert export(run, experiment, tmp_path / "out", "lira_analysis") == list(range(M))
    order = np.argsort(queries.grid_order(18, "lira_analysis"))
    expected = {"keep_indices.npy": keep, "labels.npy": labels.astype(np.int64)}
    for m in range(M):
        phi, logits = (run.read(run_layout.POOL.signal(name, m)) for name in ("phi", "logits"))
        expected[f"model_{m}/scores/scores.npy"] = phi[:, order].astype(np.float64)
        expected[f"model_{m}/logits/logits.npy"] = logits[:, None, order]
    written = {
        str(p.relative_to(tmp_path / "out")): np.load(p) for p in (tmp_path / "out").rglob("*.npy")
    }
    assert written.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(written[name], array, strict=True)


def test_lira_analysis_numbers_models_without_gaps(tmp_path, capsys):
    """It takes the first rows of keep_indices.npy for the models of which it finds scores."""
    run, experiment, _, keep = scored(tmp_path / "run", queries=1, models=6)
    run.write(run_layout.POOL.signal("phi", 2), np.full((N, 1), np.nan, np.float32))
    assert export(run, experiment, tmp_path / "out", "lira_analysis") == [0, 1, 3, 4, 5]
    assert "model_0 to model_4 are models 0, 1, 3, 4, 5 of the run" in capsys.readouterr().err
    evidence, ids = layouts.read(tmp_path / "out")
    assert ids == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(evidence.keep, keep[[0, 1, 3, 4, 5]])
    hparams = json.loads((tmp_path / "out/model_2/hparams.json").read_text())
    assert hparams["expid"] == 3


TOOLS_FILES = {  # of lira_analysis, comprehensive_analysis/run_analysis.py
    "lira_online": "online_scores_leave_one_out.npy",
    "lira_online_fixed": "online_fixed_scores_leave_one_out.npy",
    "lira_offline": "offline_scores_leave_one_out.npy",
    "lira_offline_fixed": "offline_fixed_scores_leave_one_out.npy",
    "phi_mean": "global_scores_leave_one_out.npy",
}


@pytest.mark.parametrize("targets", ["all", "1,4"])
def test_lira_analysis_reads_the_scores_of_our_attacks(tmp_path, capsys, targets):
    run, experiment, _, keep = scored(tmp_path / "run", queries=2, models=6)
    out = f"--out={tmp_path / 'out'}"

    def call(module, *flags):
        parse(["lira", f"--workdir={run.path}", *flags])
        module.main()

    call(export_lib, out, "--format=lira_analysis")
    said = capsys.readouterr().err
    assert "--attacks=lira_online,lira_online_fixed,lira_offline,lira_offline_fixed,phi_m" in said
    names = ["rmia_online", *TOOLS_FILES]
    call(attack_lib, f"--attacks={','.join(names)}", f"--targets={targets}")
    call(export_lib, out, "--format=lira_analysis")
    assert "run_analysis.py needs" not in capsys.readouterr().err
    labels = np.load(tmp_path / "out/membership_labels.npy")
    rows = range(6) if targets == "all" else [1, 4]
    np.testing.assert_array_equal(labels, keep[list(rows)], strict=True)
    results = Results.read(run.path)
    for name in names:
        file = TOOLS_FILES.get(name, f"{name}_scores_leave_one_out.npy")
        scores = np.load(tmp_path / "out" / file)
        assert scores.shape == labels.shape
        areas = [roc_auc_score(own, s) for own, s in zip(labels, scores, strict=True)]
        assert areas == pytest.approx(results.attacks[name].metrics["auc"].per_target, abs=1e-6)
    export(run, experiment, tmp_path / "out", "tf_privacy")  # an earlier export is replaced


def test_attacks_that_make_no_guess_for_some_examples_are_not_exported(tmp_path, capsys):
    run, experiment, *_ = scored(tmp_path / "run", queries=2, models=6)
    for name in TOOLS_FILES:
        array = np.zeros((6, N), np.float32)
        run.write(run_layout.attack(name), array)
    array[0, 3] = np.nan
    run.write(run_layout.attack("lira_offline"), array)
    run.write(run_layout.attack("phi_mean"), array[:2])  # of an earlier call
    export(run, experiment, tmp_path / "out", "lira_analysis", targets=range(6))
    found = {p.name for p in (tmp_path / "out").glob("*leave_one_out.npy")}
    assert found == {TOOLS_FILES[n] for n in TOOLS_FILES if n not in ("lira_offline", "phi_mean")}
    assert "run_analysis.py needs lira_offline, phi_mean too" in capsys.readouterr().err


def test_plain_logits_beside_many_queries_are_announced(tmp_path, capsys):
    run, experiment, *_ = scored(tmp_path / "run", save_logits="plain", queries=2, models=4)
    export(run, experiment, tmp_path / "out", "tf_privacy")
    assert "without --save_logits=all" in capsys.readouterr().err
    assert np.load(tmp_path / "out/experiment-0_4/logits/0000000007.npy").shape == (N, 1, 1, K)


def content(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_an_earlier_export_is_replaced_as_a_whole(tmp_path):
    run, experiment, *_ = scored(tmp_path / "more", models=6, queries=1)
    export(run, experiment, tmp_path / "out", "tf_privacy")
    run, experiment, *_ = scored(tmp_path / "run", models=4, queries=1)
    for layout in ("tf_privacy", "lira_pytorch", "lira_analysis", "tf_privacy"):
        export(run, experiment, tmp_path / "out", layout)
        export(run, experiment, tmp_path / "new", layout)
        assert content(tmp_path / "out") == content(tmp_path / "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["more", "new", "out", "run"]


@pytest.mark.parametrize(
    "foreign",
    ["notes.txt", "experiment-0_4/keep.npy", "experiment-0_4/hparams.json", "x_train.npy"],
)
@pytest.mark.parametrize("exported_before", [False, True])
def test_a_folder_of_other_things_is_left_alone(tmp_path, foreign, exported_before):
    run, experiment, *_ = scored(tmp_path / "run", queries=1, models=4)
    out = tmp_path / "out"
    if exported_before:
        export(run, experiment, out, "tf_privacy")
        foreign = foreign.replace("experiment-0_4", "experiment-99_100").replace(
            "x_train", "z_train"
        )
    (out / foreign).parent.mkdir(parents=True, exist_ok=True)
    (out / foreign).write_text("{}")
    before = content(out)
    with pytest.raises(UserError, match="is not from an export; give a new or empty folder"):
        export(run, experiment, out, "tf_privacy")
    assert content(out) == before


def test_a_file_in_the_way_is_one_line(tmp_path, shared):
    run, experiment, *_ = shared
    (tmp_path / "out").touch()
    with pytest.raises(UserError, match="it is a file; give a folder"):
        export(run, experiment, tmp_path / "out", "tf_privacy")
    with pytest.raises(UserError, match="Not a directory; give a folder that can be made"):
        export(run, experiment, tmp_path / "out/below", "tf_privacy")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "loop", tmp_path / "loop/below"):
        with pytest.raises(UserError, match="give a folder"):
            export(run, experiment, path, "tf_privacy")


def test_what_a_killed_export_has_left_is_swept(tmp_path, shared):
    run, experiment, *_ = shared
    left = [f".{platform.node()}@99999999.{name}" for name in ("out", "out.old", "other")]
    for name in left:
        (tmp_path / name / "experiment-0_4").mkdir(parents=True)
    export(run, experiment, tmp_path / "out", "tf_privacy")
    assert sorted(p.name for p in tmp_path.iterdir()) == [left[2], "out"]


@pytest.mark.parametrize("earlier", [False, True])
def test_an_export_that_fails_changes_nothing(tmp_path, earlier):
    run, experiment, *_ = scored(tmp_path / "run", queries=1, models=4)
    if earlier:
        export(run, experiment, tmp_path / "out", "tf_privacy")
    (run.path / run_layout.POOL.signal("phi", 3)).unlink()
    before = content(tmp_path)
    with pytest.raises(
        UserError, match=r"0003.npy is missing: run the stage that writes it \(lira-score\)"
    ):
        export(run, experiment, tmp_path / "out", "tf_privacy")
    assert content(tmp_path) == before
    assert (tmp_path / "out").exists() == earlier


def test_an_earlier_export_stays_if_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    def rename(path, target):
        if path.name.endswith(".out"):
            raise OSError(errno.EBUSY, "Device or resource busy")
        os.rename(path, target)

    run, experiment, *_ = scored(tmp_path / "run", queries=1, models=4)
    export(run, experiment, tmp_path / "out", "tf_privacy")
    before = content(tmp_path)
    monkeypatch.setattr(pathlib.Path, "rename", rename)
    with pytest.raises(OSError, match="busy"):
        export(run, experiment, tmp_path / "out", "lira_pytorch")
    assert content(tmp_path) == before


def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path, shared, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    run, experiment, *_ = shared
    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", full)
    with pytest.raises(UserError, match=r"experiment-0_8/scores/0000000007.npy .* disk is full"):
        export(run, experiment, tmp_path / "out", "tf_privacy")
    assert not list(tmp_path.iterdir())


def test_an_unknown_format_is_one_line(tmp_path, shared):
    run, experiment, *_ = shared
    with pytest.raises(UserError, match="--format=lira_torch: did you mean lira_pytorch"):
        export(run, experiment, tmp_path / "out", "lira_torch")


def test_the_command(tmp_path):
    run, *_ = scored(tmp_path / "run", queries=2, models=4)

    def call(*flags):
        return subprocess.run(
            [sys.executable, "-m", "lira_jax.cli.export", f"--workdir={run.path}", *flags],
            env={**os.environ, "PYTHONPATH": str(pathlib.Path(export_lib.__file__).parents[2])},
            capture_output=True,
            text=True,
        )

    done = call(f"--out={tmp_path}/out")
    assert done.returncode == 0, done.stderr
    assert (
        done.stderr.splitlines()[-1]
        == f"wrote 4 models to {tmp_path}/out in the layout of tf_privacy"
    )
    images = np.load(tmp_path / "out/x_train.npy")  # of the digits, which are the default data set
    assert (images.shape, images.dtype) == ((N, 8, 8, 1), np.float64)
    np.testing.assert_array_equal(np.unique(images * 127.5 + 127.5) % 1, 0)
    assert layouts.read(tmp_path / "out")[1] == list(range(4))
    done = call()
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "lira-export: error: --out= is empty" in done.stderr
