import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lira_jax.errors import UserError
from lira_jax.models import table
from lira_jax.models import tokens as tokens_lib
from lira_jax.models.gpt import attention, rotated


@pytest.fixture(scope="module", params=["learned", "rotary"])
def model(request):
    module = table.create("gpt_tiny", 11, depth=1, width=16, positions=request.param, text=True)
    tokens = np.random.default_rng(0).integers(0, 11, (3, 6)).astype(np.int32)
    variables = module.init(jax.random.key(1), tokens, train=False)
    return jax.jit(lambda x: module.apply(variables, x, train=False)), tokens


def test_a_token_changes_what_is_said_of_later_ones_alone(model):
    apply, tokens = model
    before = np.array(apply(tokens))
    assert before.shape == (3, 6, 11)
    for t in range(6):
        other = tokens.copy()
        other[:, t] = (other[:, t] + 1) % 11
        changed = (np.array(apply(other)) != before).any((0, 2))
        assert not changed[: t + 1].any()
        assert changed[t + 1 :].all()


def test_padding_says_nothing(model):
    apply, tokens = model
    padded = tokens.copy()
    padded[:, 4:] = -1
    np.testing.assert_array_equal(apply(padded)[:, :4], apply(tokens)[:, :4])


def test_rotary_attention_knows_differences_of_positions_alone():
    rng = np.random.default_rng(0)
    q, k = (rng.normal(size=8).astype(np.float32) for _ in "qk")
    at = [rotated(jnp.tile(a, (1, 7, 1, 1)))[0, :, 0] for a in (q, k)]
    products = np.array(at[0] @ at[1].T)
    for shift in range(1, 4):
        np.testing.assert_allclose(np.diagonal(products, shift), products[0, shift], rtol=1e-4)
    assert abs(products[0, 1] - products[0, 3]) > 1e-2


def test_rotary_positions_are_no_parameter():
    x = jnp.zeros((1, 6), jnp.int32)
    for positions in ("learned", "rotary"):
        module = table.create("gpt_tiny", 11, positions=positions, text=True)
        shapes = jax.eval_shape(lambda m=module: m.init(jax.random.key(0), x, train=False))
        assert ("positions" in shapes["params"]) == (positions == "learned")


@pytest.mark.parametrize(("width", "positions"), [(70, "rotary"), (100, "learned"), (33, "rotary")])
def test_a_width_that_heads_do_not_share_out_is_refused(width, positions):
    module = table.create("gpt_tiny", 11, width=width, positions=positions, text=True)
    with pytest.raises(UserError, match=f"--width={width}: .*give a multiple of 32"):
        jax.eval_shape(
            lambda: module.init(jax.random.key(0), jnp.zeros((1, 6), jnp.int32), train=False)
        )


def loss_and_slope(variables, tokens, **options):
    module = table.create("gpt_tiny", 11, width=16, text=True, **options)

    def loss(params):
        rngs = {"dropout": jax.random.key(3)}
        logits = module.apply({"params": params}, tokens, train=True, rngs=rngs)
        return tokens_lib.mean_loss(logits, tokens)[0].mean()

    return jax.jit(jax.value_and_grad(loss))(variables["params"])


@pytest.fixture(scope="module")
def tiny():
    tokens = np.random.default_rng(0).integers(0, 11, (3, 6)).astype(np.int32)
    module = table.create("gpt_tiny", 11, width=16, text=True)
    return module.init(jax.random.key(1), tokens, train=False), tokens


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_activations_that_are_computed_again_change_nothing(tiny, dropout):
    kept = loss_and_slope(*tiny, dropout=dropout)
    again = loss_and_slope(*tiny, dropout=dropout, remat=True)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), kept, again)


def test_dropout_is_of_training_alone(tiny):
    variables, tokens = tiny
    plain, _ = loss_and_slope(variables, tokens)
    dropped, _ = loss_and_slope(variables, tokens, dropout=0.5)
    assert abs(plain - dropped) > 1e-3
    scored = [
        table.create("gpt_tiny", 11, width=16, text=True, dropout=d).apply(
            variables, tokens, train=False
        )
        for d in (0.0, 0.5)
    ]
    np.testing.assert_array_equal(*scored)


def test_attention_with_nothing_dropped_is_jaxs_own():
    rng = np.random.default_rng(0)
    q, k, v = (jnp.array(rng.normal(size=(2, 5, 3, 4)), jnp.float32) for _ in "qkv")
    own = jax.nn.dot_product_attention(q, k, v, is_causal=True)
    np.testing.assert_allclose(attention(q, k, v, lambda w: w), own, rtol=1e-5, atol=1e-6)


def test_weights_of_attention_are_dropped():
    """With values that are all alike, only a weight that is gone changes what is attended to."""
    ones = jnp.ones((1, 6, 1, 4))
    halves = attention(ones, ones, ones, lambda w: w.at[..., ::2].set(0))
    np.testing.assert_allclose(halves[0, :, 0, 0], [0, 1 / 2, 1 / 3, 2 / 4, 2 / 5, 3 / 6], 1e-6)


def test_dropout_lets_no_later_token_through(tiny):
    """By the gradient, in training: what is said of a token depends on earlier ones alone."""
    variables, tokens = tiny
    module = table.create("gpt_tiny", 11, width=16, text=True, dropout=0.3)

    def said(tokens):
        rngs = {"dropout": jax.random.key(3)}
        return module.apply(variables, tokens, train=True, rngs=rngs)

    before = np.array(said(tokens))
    for t in range(6):
        other = tokens.copy()
        other[:, t] = (other[:, t] + 1) % 11
        changed = (np.array(said(other)) != before).any((0, 2))
        assert not changed[: t + 1].any()
        assert changed[t + 1 :].all()


def test_bfloat16_computes_while_weights_and_their_gradients_are_float32(tiny):
    variables, tokens = tiny
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    loss, slope = loss_and_slope(variables, tokens, dtype="bfloat16")
    exact, exact_slope = loss_and_slope(variables, tokens)
    assert {leaf.dtype for leaf in jax.tree.leaves((loss, slope))} == {jnp.dtype("float32")}
    assert loss != exact
    np.testing.assert_allclose(loss, exact, rtol=1e-2)
    for a, b in zip(jax.tree.leaves(slope), jax.tree.leaves(exact_slope), strict=True):
        np.testing.assert_allclose(a, b, atol=0.05 * np.abs(b).max())
    module = table.create("gpt_tiny", 11, width=16, text=True, dtype="bfloat16")
    program = jax.make_jaxpr(lambda v: module.apply(v, tokens, train=False))(variables)
    products = [e for e in program.eqns if e.primitive.name == "dot_general"]
    assert products
    assert {v.aval.dtype for e in products for v in e.invars} == {jnp.dtype("bfloat16")}


def test_gpt2_small_has_the_published_size():
    """124.4 M with 1024 positions and a vocabulary of 50257 (Radford et al. 2019)."""
    module = table.create("gpt2_small", 50257, text=True)
    shapes = jax.eval_shape(
        lambda: module.init(jax.random.key(0), jnp.zeros((1, 1024), jnp.int32), train=False)
    )
    count = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    assert count - 768 == 124_439_808  # less the vector that stands before the first token
