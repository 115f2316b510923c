"""Released outputs are a view of the run, attacked by one who knows the defence or does not."""

import numpy as np
import pytest
from runs.evidence_test import scored_run
from scipy import special

from lira_jax.attacks.table import ATTACKS
from lira_jax.defences import laplace, memguard, releases
from lira_jax.errors import UserError
from lira_jax.interop import arrays, release
from lira_jax.interop.evidence import read_own
from lira_jax.runs import layout
from lira_jax.runs.layout import POOL


@pytest.fixture
def run(tmp_path):
    run, e = scored_run(tmp_path / "run")
    release.release(run, e, range(e.num_models), releases.parse("temperature:4,argmax"))
    return run, e


def test_the_view_has_what_is_released_and_phi_of_it(run):
    run, e = run
    view = layout.released("temperature_4")
    for model in range(e.num_models):
        logits = run.read(POOL.signal("logits", model))
        given = run.read(view.signal("logits", model))
        np.testing.assert_allclose(given, logits / 4)
        phi = arrays.phi_from_logits(given[:, None], run.read(view.labels))
        np.testing.assert_array_equal(run.read(view.signal("phi", model)), phi)
    before = run.dumps()
    release.release(run, e, range(e.num_models), releases.parse("temperature:4"))
    assert run.dumps() == before


def test_how_long_it_took_is_written_down(run):
    view = layout.released("argmax")
    seconds = [run[0].read(view.seconds(i)) for i in range(run[1].num_models)]
    assert all(s.shape == (1,) and 0 < s[0] < 60 for s in seconds)


def test_all_saved_queries_are_released(tmp_path):
    run, e = scored_run(tmp_path)
    logits = np.random.default_rng(1).normal(size=(120, 2, 3)).astype(np.float32)
    run.write(POOL.signal("logits", 0), logits)
    release.release(run, e, [0], releases.parse("argmax"))
    view = layout.released("argmax")
    assert run.read(view.signal("phi", 0)).shape == (120, 2)
    given = run.read(view.signal("logits", 0))
    np.testing.assert_array_equal(given.argmax(-1), logits.argmax(-1))


def test_a_naive_attacker_has_all_queries_where_all_are_released(tmp_path):
    run, e = scored_run(tmp_path)
    rng = np.random.default_rng(1)
    for model in range(e.num_models):
        run.remove(POOL.signal("logits", model))
        run.write(POOL.signal("logits", model), rng.normal(size=(120, 2, 3)).astype(np.float32))
    release.release(run, e, range(e.num_models), releases.parse("temperature:4"))
    naive = read_own([(run, e)], released="temperature:4", naive=True).loaded.evidence
    assert naive.signals["phi"].shape[2] == naive.of_targets("phi").shape[2] == 2
    np.testing.assert_array_equal(naive.signals["phi"][3], run.read(POOL.signal("phi", 3)))


def test_shadow_models_release_the_same_or_nothing(run):
    run, e = run
    plain = read_own([(run, e)]).loaded.evidence
    same = read_own([(run, e)], "0,3", released="argmax").loaded
    assert (same.release, same.naive, same.targets) == ("argmax", False, [0, 3])
    assert len(np.unique(same.evidence.signals["logits"][:, 0].round())) == 2
    naive = read_own([(run, e)], "0,3", released="argmax", naive=True).loaded
    assert (naive.release, naive.naive, naive.targets) == ("argmax", True, [0, 3])
    for name in ("phi", "logits"):
        own = plain.signals[name][:, :, :1] if name == "phi" else plain.signals[name]
        np.testing.assert_array_equal(naive.evidence.signals[name], own)
        judged = naive.evidence.targets.take(lambda s, n=name: s[n], naive.evidence.signals)
        np.testing.assert_array_equal(judged, same.evidence.signals[name][[0, 3]])
    np.testing.assert_array_equal(naive.evidence.members, plain.keep[[0, 3]])
    # a target is not its own shadow: what it said itself, undefended, changes nothing
    expected = ATTACKS["lira_offline_fixed"].run(naive.evidence)
    run.remove(POOL.signal("phi", 0))
    run.write(POOL.signal("phi", 0), np.full((120, 2), 99, np.float32))
    again = read_own([(run, e)], "0,3", released="argmax", naive=True).loaded
    found = ATTACKS["lira_offline_fixed"].run(again.evidence)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-9)
    assert np.abs(found[1] - expected[1]).max() > 1


@pytest.mark.parametrize("naive", [False, True])
def test_disjoint_targets_are_judged_by_what_they_release(tmp_path, naive):
    run, e = scored_run(tmp_path, kind="disjoint")
    release.release(run, e, range(e.num_models), releases.parse("temperature:4"))
    loaded = read_own([(run, e)], released="temperature:4", naive=naive).loaded
    plain = read_own([(run, e)]).loaded
    read = lambda evidence: evidence.targets.take(lambda s: s["logits"], evidence.signals)  # noqa: E731
    np.testing.assert_allclose(read(loaded.evidence), read(plain.evidence) / 4)
    scale = 1 if naive else 4
    np.testing.assert_allclose(
        loaded.evidence.signals["logits"] * scale, plain.evidence.signals["logits"]
    )


def test_what_is_not_there_is_said(run):
    runs = [run]
    with pytest.raises(UserError, match="run lira-score --release=round:1 first"):
        read_own(runs, released="round:1")
    with pytest.raises(UserError, match="name one"):
        read_own(runs, released="argmax,round:1")
    with pytest.raises(UserError, match="not with --stop_at"):
        read_own(runs, released="argmax", stop_at="3")


@pytest.fixture
def fitted_on(monkeypatch):
    """Finds the examples that a model's g is fitted on, and whether they are called members."""

    def find(run, e, model):
        import jax

        seen = []

        def fit(logits, members, key):
            seen.append((np.asarray(logits), np.asarray(members)))
            return [(np.ones((3, 1)), np.zeros(1))]

        with jax.disable_jit():
            monkeypatch.setattr(memguard, "fit", fit)
            monkeypatch.setattr(memguard, "noisy", lambda net, z: z * 0.5)
            release.release(run, e, [model], releases.parse("memguard"))
        ((logits, members),) = seen
        saved = run.read(POOL.signal("logits", model))
        rows = [int(np.flatnonzero((saved == z).all(-1))[0]) for z in logits]
        assert len(set(rows)) == len(rows)
        return rows, members

    return find


def test_memguard_knows_its_own_members_and_half_of_the_others(fitted_on, tmp_path):
    run, e = scored_run(tmp_path)
    rows, members = fitted_on(run, e, 1)
    keep, saved = run.read(layout.KEEP)[1], run.read(POOL.signal("logits", 1))
    np.testing.assert_array_equal(keep[rows], members)
    assert members.sum() == len(members) / 2 == (~keep).sum() // 2
    given = run.read(layout.released("memguard").signal("logits", 1))
    np.testing.assert_allclose(special.softmax(given), special.softmax(saved / 2))


def test_with_disjoint_masks_it_knows_no_member_of_a_model_that_attacks_it(fitted_on, tmp_path):
    run, e = scored_run(tmp_path, kind="disjoint")
    keep, half = run.read(layout.KEEP), e.num_models // 2
    for model, others in ((0, keep[half:]), (e.num_models - 1, keep[:half])):
        rows, members = fitted_on(run, e, model)
        np.testing.assert_array_equal(keep[model, rows], members)
        assert members.sum() == len(members) / 2 > 0
        assert not others[:, rows].any()


def test_where_no_such_examples_are_left_it_is_said(tmp_path):
    run, e = scored_run(tmp_path, kind="disjoint")
    keep = run.read(layout.KEEP).copy()
    keep[0] = ~keep[e.num_models // 2 :].any(0)  # the whole of its half
    run.write(layout.KEEP, keep)
    with pytest.raises(UserError, match=r"fewer than 2 non-members, .* a lower --pkeep gives more"):
        release.release(run, e, [0], releases.parse("memguard"))


def test_laplace_sees_every_unit_that_goes_into_the_last_layer(monkeypatch, tmp_path):
    run, e = scored_run(tmp_path)
    phi = np.random.default_rng(2).normal(size=(120, 7)).astype(np.float32)
    run.write(POOL.signal("layers", 1), phi)
    seen, fit = [], laplace.fit
    monkeypatch.setattr(laplace, "fit", lambda *given: seen.append(given) or fit(*given))
    release.release(run, e, [1], releases.parse("laplace:10"))
    ((features, logits, variance),) = seen
    keep = run.read(layout.KEEP)[1]
    np.testing.assert_array_equal(features, phi[keep])
    np.testing.assert_array_equal(logits, run.read(POOL.signal("logits", 1))[keep])
    assert variance == 10


def test_memguard_takes_the_non_members_that_are_kept_apart():
    keep, apart = np.arange(50) < 20, np.arange(50) >= 35
    known = release.known_to_defender(keep, np.random.default_rng(0), apart)
    assert sorted(known[15:]) == list(range(35, 50))
    assert len(set(known[:15]) & set(range(20))) == 15


@pytest.mark.parametrize("naive", [False, True])
def test_shadow_models_of_another_run_release_the_same_or_nothing(run, tmp_path, naive):
    run, e = run
    other, _ = scored_run(tmp_path / "other", seed=3)
    shadows = str(other.path)
    if not naive:
        with pytest.raises(UserError, match="run lira-score --release=temperature:4 first"):
            read_own([(run, e)], shadows=shadows, released="temperature:4")
        release.release(other, e, range(e.num_models), releases.parse("temperature:4"))
    loaded = read_own([(run, e)], shadows=shadows, released="temperature:4", naive=naive).loaded
    assert (loaded.release, loaded.naive) == ("temperature_4", naive)
    scale = 1 if naive else 4
    for model in range(e.num_models):
        own, theirs = (r.read(POOL.signal("logits", model)) for r in (run, other))
        shadow = loaded.evidence.signals["logits"][model]
        np.testing.assert_allclose(shadow, theirs / scale, rtol=1e-6)
        np.testing.assert_allclose(loaded.evidence.of_targets("logits")[model], own / 4, rtol=1e-6)
