"""Signals of sequences against loops over their tokens."""

import zlib

import numpy as np
import pytest

from lira_jax.attacks.shared import texts
from lira_jax.attacks.shared.signals import Fact, Signals
from lira_jax.errors import UserError

LENGTHS = np.array([2, 5, 12, 9])
BYTES = np.array([10, 40, 25, 31])
LABELS = np.zeros(4, int)


def saved(after=0.0):
    """Three models' signals of four sequences, with something after the last token."""
    rng = np.random.default_rng(0)
    within = np.arange(12) < LENGTHS[:, None]
    log_p = np.where(within, -rng.gamma(1.0, size=(3, 4, 12)), after)[:, :, None]
    z = np.where(within, rng.normal(size=(3, 4, 12)), after)[:, :, None]
    phi = rng.normal(size=(3, 4, 1))
    return {
        "phi": phi,
        "token_losses": log_p.astype(np.float32),
        "token_z": z.astype(np.float32),
        "num_tokens": Fact(LENGTHS, 3),
        "zlib_bytes": Fact(BYTES, 3),
    }


def of_tokens(function, name):
    """A function of the tokens of one sequence by one model, of all of them."""
    signal = saved()[name].astype(np.float64)
    return [[function(signal[m, i, 0, :n]) for i, n in enumerate(LENGTHS)] for m in range(3)]


def least_fifth(values):
    return np.mean(sorted(values)[: max(1, len(values) // 5)])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("token_phi", of_tokens(lambda t: np.mean(t - np.log(1 - np.exp(t))), "token_losses")),
        ("min_k", of_tokens(least_fifth, "token_losses")),
        ("min_k_plus", of_tokens(least_fifth, "token_z")),
        ("zlib", np.log(1 / (1 + np.exp(-saved()["phi"][:, :, 0]))) / BYTES),
    ],
)
def test_each_is_its_definition_whatever_stands_after_the_last_token(name, expected):
    for after in (0.0, -50.0):
        np.testing.assert_allclose(Signals(saved(after), LABELS)[name], expected, rtol=1e-5)


def test_a_token_known_by_heart_is_finite():
    arrays = {"token_losses": np.zeros((1, 1, 1, 3)), "num_tokens": np.array([[3]])}
    assert np.isfinite(texts.token_phi(arrays, LABELS)).all()


class Files:
    """Dumps that count how often each model's is read."""

    def __init__(self, array):
        self.array, self.reads = array, []

    def __len__(self):
        return len(self.array)

    def __getitem__(self, model):
        self.reads.append(int(model))
        return self.array[model]


def test_tokens_are_read_model_by_model_and_not_kept():
    arrays = saved()
    arrays["token_losses"] = Files(arrays["token_losses"])
    some = Signals(arrays, LABELS).of(models=np.array([2, 0]), examples=np.array([1, 3]))
    np.testing.assert_array_equal(
        some["min_k"], Signals(saved(), LABELS)["min_k"][[2, 0]][:, [1, 3]]
    )
    assert arrays["token_losses"].reads == [2, 0]
    _ = some["token_phi"]
    assert arrays["token_losses"].reads == [2, 0, 2, 0]


def test_facts_are_no_signals_of_models():
    signals = Signals(saved(), LABELS)
    assert signals.saved == ("phi", "token_losses", "token_z")
    assert signals.num_models == 3
    some = signals.of(models=np.array([2, 0]), examples=np.array([1, 3]))
    np.testing.assert_array_equal(some["num_tokens"], [[5, 9], [5, 9]])
    np.testing.assert_array_equal(signals.plain()["min_k"], signals["min_k"])


def test_what_is_missing_is_told():
    phi = saved()["phi"]
    with pytest.raises(UserError, match="zlib_bytes of each text, which is not known here"):
        Signals({"phi": phi}, LABELS)["zlib"]
    with pytest.raises(UserError, match=r"run lira-score --signals=phi,token_losses$"):
        Signals({"phi": phi}, LABELS)["min_k"]
    with pytest.raises(UserError, match="models of text do not have"):
        Signals(saved(), LABELS)["hinge"]


def test_zlib_is_that_of_the_bytes():
    """The reader's fact, of sequences with padding."""
    from lira_jax.data.dataset import Dataset
    from lira_jax.data.text import facts, tokenizers

    text = "to be or not to be, that is to be"
    x = np.full((2, 40), -1, np.int32)
    for row, own in zip(x, (text, "to be"), strict=True):
        row[: len(own)] = np.frombuffer(own.encode(), np.uint8)
    found = facts.of(Dataset(x, LABELS[:2], vocabulary=256, tokenizer=tokenizers.Bytes()))
    assert found["num_tokens"].tolist() == [len(text), 5]
    assert found["zlib_bytes"].tolist() == [
        len(zlib.compress(text.encode())),
        len(zlib.compress(b"to be")),
    ]
