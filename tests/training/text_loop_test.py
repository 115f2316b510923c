"""A small language model's result does not depend on its neighbours, padding or having been
resumed, and it is scored, attacked and shown as what it is."""

import dataclasses

import jax
import numpy as np
import pytest

from lira_jax.cli import attack, flags, report, score
from lira_jax.data import load
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.models import network as networks
from lira_jax.runs import checkpoint
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import PAGE, POOL
from lira_jax.signals.score import score_models
from lira_jax.training import loop, setup

HOSTILE = '<script>alert(1)</script> & "quotes"'
WORDS = ["to", "be", "or", "not", "that", "is", "the", "question"]
M = 6


def write_text(path):
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice(WORDS, rng.integers(2, 7))) for _ in range(40)]
    path.write_text("\n".join([*dict.fromkeys(lines), HOSTILE]))
    return path


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return write_text(tmp_path_factory.mktemp("text") / "lines.txt")


def experiment(text, **more):
    e = Experiment(
        dataset="text",
        data_path=str(text),
        model="gpt_tiny",
        depth=1,
        width=16,
        num_models=M,
        epochs=4,
        batch_size=8,
        optimizer="adamw",
        learning_rate=0.03,
        clip_norm=1.0,
        dropout=0.1,
        checkpoint_every=2,
        checkpoint_minutes=0,
        queries=1,
        strategy="vmap",
        signals="phi,token_losses,token_z",
    )
    return dataclasses.replace(e, **more)


def train(path, e, ids=range(M)):
    run = RunDirectory(path)
    e = run.settle_experiment(e, {f.name for f in dataclasses.fields(e)})
    dataset, keep, found = setup.check([(run, e)])
    ((run, e),) = setup.store([(run, e)], dataset, keep, found)
    outcomes = loop.train(e, found[0], dataset, keep, run, list(ids))
    network = networks.make(e, dataset)
    score_models(e, network, dataset, run, list(ids))
    return run, outcomes


@pytest.fixture(scope="module")
def whole(text, tmp_path_factory):
    return train(tmp_path_factory.mktemp("whole") / "run", experiment(text))


def assert_same(run, expected, ids, **tolerance):
    for name in ("phi", "token_losses", "token_z"):
        for i in ids:
            a, b = (r.read(POOL.signal(name, i)) for r in (run, expected))
            np.testing.assert_allclose(a, b, **tolerance)


@pytest.mark.slow
def test_a_model_alone_equals_the_model_in_a_chunk(text, whole, tmp_path):
    run, _ = train(tmp_path / "alone", experiment(text), ids=[2])
    assert_same(run, whole[0], [2], rtol=2e-3, atol=2e-4)


class Killed(BaseException):
    pass


def test_resumed_equals_uninterrupted(text, whole, tmp_path, monkeypatch):
    save, saved = checkpoint.save, []

    def save_and_die(*arguments, **keywords):
        save(*arguments, **keywords)
        saved.append(arguments)
        raise Killed

    monkeypatch.setattr(checkpoint, "save", save_and_die)
    with pytest.raises(Killed):
        train(tmp_path / "run", experiment(text))
    monkeypatch.undo()
    assert saved
    run, _ = train(tmp_path / "run", experiment(text))
    assert_same(run, whole[0], range(M), rtol=2e-3, atol=2e-4)


def test_longer_padding_changes_no_signal(text, whole):
    """The same weights on sequences with more places after the last token."""
    run, _ = whole
    e = run.read_experiment()
    dataset = load.load("text", str(text))
    network = networks.make(e, dataset)
    like = jax.tree.map(lambda a: np.empty(a.shape, a.dtype), network.shapes)
    variables = checkpoint.load_final(run.checkpoints(), 0, like)
    x = dataset.x
    lengths = (x >= 0).sum(1)
    short = x[lengths <= 12]
    cut = short[:, :12]
    outputs = jax.jit(network.outputs)
    wide = outputs(variables, short)
    variables["params"]["positions"] = variables["params"]["positions"][:12]
    narrow = outputs(variables, cut)
    np.testing.assert_allclose(wide[:, :12][cut >= 0], narrow[cut >= 0], rtol=1e-4, atol=1e-5)


def test_perplexities_are_those_of_the_token_losses(whole):
    run, outcomes = whole
    keep = run.read("keep.npy")
    for outcome in outcomes:
        log_p = run.read(POOL.signal("token_losses", outcome.model))[:, 0].astype(np.float64)
        loss = -log_p.sum(1) / run.read("examples/num_tokens.npy")
        own = keep[outcome.model]
        np.testing.assert_allclose(outcome.train_loss, loss[own].mean(), rtol=1e-3)
        np.testing.assert_allclose(outcome.out_loss, loss[~own].mean(), rtol=1e-3)


def call(stage, *arguments):
    flags.parse([f"lira-{stage.__name__.rpartition('.')[2]}", *arguments])
    stage.main()


def test_what_needs_classes_is_refused_in_a_line(whole):
    run, _ = whole
    for stage, flag in ((score, "--release=temperature:10"), (attack, "--protocol=known")):
        with pytest.raises(UserError, match=f"{flag.partition(':')[0]}.*models of text do not"):
            call(stage, f"--workdir={run.path}", flag)


def test_it_is_attacked_and_shown(whole, capsys):
    run, outcomes = whole
    call(attack, f"--workdir={run.path}", "--attacks=fast", "--verbose")
    said = "".join(capsys.readouterr())
    assert "left out" in said
    assert "it needs logits of classes, which models of text do not have" in said
    for name in ("lira_moderated", "attack_r", "zlib", "min_k", "wbc"):
        assert f"\n{name} " in said
    call(report, f"--workdir={run.path}")
    page = (run.path / PAGE).read_text()
    assert "<script>alert" not in page
    assert "<mark>" in page
    assert '<p class="text">' in page
    assert "Class by class" not in page
    perplexity = sum(np.exp(o.train_loss) for o in outcomes) / len(outcomes)
    assert f'<th scope="row">members</th><td>{perplexity:.4g}</td>' in page
