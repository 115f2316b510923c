"""Every family by name: published parameter counts, number formats, options, and errors."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lira_jax.errors import UserError
from lira_jax.models.conv import Conv
from lira_jax.models.table import FAMILIES, create, has_convolution

HEAVY = ("inception_v3",)  # half a minute of tracing for nothing that others do not show
LEAST = {"inception_v3": 75, "xception": 71}  # pixels, where 32 are too few
SHALLOW = {
    "densenet": {"depth": 10},
    "resnet_cifar": {"depth": 8},
    "resnet_cifar_bottleneck": {"depth": 11},
}


def _names(families):
    return [
        pytest.param(name, marks=pytest.mark.slow) if name in HEAVY else name for name in families
    ]


OF_IMAGES = _names(name for name, family in FAMILIES.items() if not family.text)
CONVOLUTIONAL = _names(name for name, family in FAMILIES.items() if family.convolution)


def _shapes(name, num_classes, shape, **options):
    model = create(name, num_classes, **options)
    x = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    return model, jax.eval_shape(functools.partial(model.init, train=True), jax.random.key(0), x)


def _values(shapes, seed, lead=()):
    """Arrays of these shapes, large enough to matter; variances stay positive."""
    rng = np.random.default_rng(seed)
    values = jax.tree.map(
        lambda s: rng.uniform(0.1, 0.6, (*lead, *s.shape)).astype(s.dtype), shapes
    )
    values["params"] = jax.tree.map(
        lambda p: p * rng.choice([-1, 1], p.shape).astype(p.dtype), values["params"]
    )
    return values


def _compile(function):
    """Compiles cheaply: these programs run a few times."""
    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})


def _count(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize(
    ("name", "options", "shape", "num_classes", "parameters"),
    [
        ("mlp", {"hidden": (128,)}, (600,), 100, 600 * 128 + 128 + 128 * 100 + 100),
        ("mlp", {}, (28, 28, 1), 10, 784 * 512 + 512 + 512 * 256 + 256 + 256 * 10 + 10),
        ("cnn", {"width": 16}, (32, 32, 3), 10, 157_466),
        ("cnn", {}, (32, 32, 3), 10, 605_226),
        ("cnn_max", {"width": 64}, (32, 32, 3), 10, 2_371_658),
        ("wide_resnet", {}, (32, 32, 3), 10, 1_467_610),
        ("wide_resnet", {"width": 10}, (32, 32, 3), 10, 36_479_194),
        ("wide_resnet", {"depth": 16, "width": 4}, (32, 32, 3), 10, 2_748_890),
        ("wide_resnet", {"depth": 40, "width": 2}, (32, 32, 3), 10, 2_243_546),
        ("resnet", {}, (32, 32, 3), 10, 11_173_962),
        ("resnet", {"depth": 34}, (32, 32, 3), 10, 21_282_122),
        ("resnet", {"depth": 50}, (32, 32, 3), 10, 23_520_842),
        ("resnet_imagenet", {"depth": 18}, (224, 224, 3), 1000, 11_689_512),
        ("resnet_imagenet", {}, (224, 224, 3), 1000, 25_557_032),
        ("resnet_cifar", {"depth": 20}, (32, 32, 3), 10, 272_474),
        pytest.param(
            *("resnet_cifar", {"depth": 110}, (32, 32, 3), 10, 1_730_714), marks=pytest.mark.slow
        ),
        pytest.param(
            *("resnet_cifar_bottleneck", {}, (32, 32, 3), 10, 1_704_154), marks=pytest.mark.slow
        ),
        ("resnet9", {}, (32, 32, 3), 10, 6_573_120 + 10),  # counted in resnet9_test.py
        ("densenet", {}, (32, 32, 3), 10, 769_162),
        pytest.param(  # the 25.6 million of Huang et al. 2017
            *("densenet", {"depth": 190, "width": 40}, (32, 32, 3), 10, 25_624_430),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("densenet", {"depth": 190, "width": 40}, (32, 32, 3), 100, 25_821_620),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("inception_v3", {}, (299, 299, 3), 1000, 23_817_352), marks=pytest.mark.slow
        ),
        ("xception", {}, (299, 299, 3), 1000, 22_855_952),
        ("lenet_3x3", {}, (28, 28, 1), 10, 60_074),
        ("efficientnet", {}, (32, 32, 3), 10, 3_598_598),
        ("efficientnet_imagenet", {}, (224, 224, 3), 1000, 5_288_548),
        ("lenet", {}, (28, 28, 1), 10, 61_706),
        ("lenet", {}, (32, 32, 1), 10, 61_706),
        ("alexnet", {}, (32, 32, 3), 10, 2_472_266),
        ("salem_cnn", {"activation": "tanh"}, (32, 32, 3), 10, 291_626),
    ],
)
def test_parameter_count_is_the_published_one(name, options, shape, num_classes, parameters):
    _, variables = _shapes(name, num_classes, shape, **options)
    assert _count(variables["params"]) == parameters


@functools.cache
def _in_bfloat16(name):
    side = LEAST.get(name, 32)
    return _shapes(name, 10, (side, side, 3), dtype="bfloat16", **SHALLOW.get(name, {}))


@pytest.mark.parametrize("name", OF_IMAGES)
def test_bfloat16_computes_but_neither_stores_nor_answers(name):
    model, variables = _in_bfloat16(name)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    side = LEAST.get(name, 32)
    x = jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32)
    program, logits = jax.make_jaxpr(
        functools.partial(model.apply, train=False), return_shape=True
    )(variables, x)
    assert (logits.shape, logits.dtype) == ((2, 10), jnp.dtype("float32"))
    products = [
        e for e in program.eqns if e.primitive.name in ("conv_general_dilated", "dot_general")
    ]
    *inner, last = [{operand.aval.dtype for operand in e.invars} for e in products]
    assert inner
    assert all(dtypes == {jnp.dtype("bfloat16")} for dtypes in inner)
    assert last == {jnp.dtype("float32")}


@pytest.mark.parametrize("name", OF_IMAGES)
def test_convolution_column_tells_the_truth(name):
    _, variables = _in_bfloat16(name)
    assert has_convolution(variables["params"]) == FAMILIES[name].convolution


def test_train_mode_moves_running_statistics_and_eval_mode_leaves_them():
    model, shapes = _shapes("wide_resnet", 3, (8, 8, 1), depth=10, width=1)
    before = _values(shapes, seed=0)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 8, 8, 1)), jnp.float32)
    train, score = (
        _compile(functools.partial(model.apply, train=train, mutable=["batch_stats"]))
        for train in (True, False)
    )
    logits, after = train(before, x)
    for old, new in zip(
        jax.tree.leaves(before["batch_stats"]), jax.tree.leaves(after["batch_stats"]), strict=True
    ):
        assert jnp.all(old != new)
    scored, same = score(before, x)
    jax.tree.map(np.testing.assert_array_equal, same["batch_stats"], before["batch_stats"])
    # Scoring does not depend on what else is in the batch; training does.
    other = x.at[1:].add(1.0)
    np.testing.assert_allclose(score(before, other)[0][0], scored[0], rtol=1e-5)
    assert np.abs(train(before, other)[0][0] - logits[0]).max() > 1e-3 * np.abs(logits[0]).max()


def _step(model):
    def step(variables, x, y):
        def loss(params):
            logits, new = model.apply(
                {**variables, "params": params}, x, train=True, mutable=["batch_stats"]
            )
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), (
                logits,
                dict(new),
            )

        gradients, rest = jax.grad(loss, has_aux=True)(variables["params"])
        return gradients, rest

    return step


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("mlp", {"hidden": (16, 8), "activation": "tanh"}, 1e-5),
        ("cnn", {"width": 4}, 1e-4),
        ("cnn", {"width": 4, "conv_form": "unrolled"}, 1e-4),
        ("wide_resnet", {"depth": 10, "width": 1}, 1e-4),
    ],
)
def test_models_together_equal_each_alone(name, options, tolerance):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, 3, 8, 8, 1)), jnp.float32)
    y = jnp.asarray(rng.integers(0, 5, size=(2, 3)))
    model, shapes = _shapes(name, 5, (8, 8, 1), **options)
    plain = create(name, 5, **{k: v for k, v in options.items() if k != "conv_form"})
    variables = _values(shapes, seed=1, lead=(2,))
    found = _compile(jax.vmap(_step(model)))(variables, x, y)
    alone = _compile(_step(plain))
    for m in range(2):
        wanted = alone(jax.tree.map(lambda leaf, m=m: leaf[m], variables), x[m], y[m])
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
            assert np.linalg.norm(a[m] - b) <= tolerance * np.linalg.norm(b)


def _of_smallest_images(name, **options):
    """The least image side that a family takes, as its own error says, and `_shapes` for it."""
    smallest = 1
    try:
        return smallest, *_shapes(name, 3, (1, 2, 1), **options)
    except UserError as error:
        smallest = int(re.search(r"at least (\d+)x\1 pixels", str(error))[1])
    return smallest, *_shapes(name, 3, (smallest, smallest + 1, 1), **options)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_small_images_give_logits_or_a_plain_error(name):
    options = SHALLOW.get(name, {})
    smallest, model, variables = _of_smallest_images(name, **options)
    x = jax.ShapeDtypeStruct((2, smallest, smallest + 1, 1), jnp.float32)
    assert jax.eval_shape(functools.partial(model.apply, train=False), variables, x).shape == (2, 3)
    family = name
    for variant in ("_max", "_imagenet", "_bottleneck", "_3x3"):
        family = family.removesuffix(variant)
    with pytest.raises(
        UserError, match=rf"--model: {family} takes images, not examples of shape \[30\]"
    ):
        _shapes(name, 3, (30,))
    if smallest > 1:
        with pytest.raises(
            UserError,
            match=f"{family} .* least {smallest}x{smallest} pixels, not {smallest - 1}x{smallest}",
        ):
            _shapes(name, 3, (smallest - 1, smallest, 1))


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_every_convolution_is_handed_the_form(name):
    options, side = SHALLOW.get(name, {}), LEAST.get(name, 32)
    model, variables = _shapes(name, 10, (side, side, 3), conv_form="patches", **options)
    x = jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32)
    program = jax.make_jaxpr(functools.partial(model.apply, train=False))(variables, x)
    assert not [e for e in program.eqns if e.primitive.name == "conv_general_dilated"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("wide_resnt", {}, "--model=wide_resnt: did you mean wide_resnet"),
        ("wide_resnet", {"depth": 30}, "--depth=30: .* the nearest is 28"),
        ("densenet", {"depth": 101}, "--depth=101: .* the nearest is 100"),
        ("resnet", {"depth": 19}, "--depth=19: it is one of 18, 34, 50"),
        ("resnet_cifar", {"depth": 19}, "--depth=19: resnet_cifar has 6n .* nearest is 20"),
        ("resnet_cifar_bottleneck", {"depth": 32}, "--depth=32: .* 9n .* the nearest is 29"),
        ("cnn", {"initial": "glorot_uniform"}, "--initial=glorot_uniform: --model=cnn has no such"),
        ("resnet", {"width": 2}, "--width=2: --model=resnet has no such option"),
        ("mlp", {"depth": 3}, "--depth=3: --model=mlp has no such option"),
        ("cnn", {"hidden": (64, 32)}, "--hidden=64,32: --model=cnn has no such option"),
        (
            "alexnet",
            {"activation": "tanh"},
            "--activation=tanh: --model=alexnet has no such option",
        ),
        ("mlp", {"activation": "rleu"}, "--activation=rleu: did you mean relu"),
        ("mlp", {"dtype": "float16"}, "--compute_dtype=float16: .*float32, bfloat16"),
        ("cnn", {"conv_form": "shift"}, "--conv_form=shift: did you mean shifted"),
    ],
)
def test_options_a_family_cannot_honour_are_refused(name, options, message):
    with pytest.raises(UserError, match=message):
        create(name, 10, **options)


_OWN = """
import flax.linen as nn
import jax.numpy as jnp

class Linear(nn.Module):
    num_classes: int
    dtype: object

    @nn.compact
    def __call__(self, x, train):
        logits = nn.Dense(self.num_classes, dtype=self.dtype)(x.reshape(len(x), -1))
        return logits.astype(jnp.float32)

def linear(num_classes, dtype):
    return Linear(num_classes, dtype)

def number(num_classes, dtype):
    return 3

def other(classes):
    return Linear(classes, None)

constant = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "my_models.py").write_text(_OWN)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("own")
def test_a_model_of_your_own():
    model, variables = _shapes("my_models:linear", 7, (4, 4, 3), dtype="bfloat16")
    assert type(model).__name__ == "Linear"
    assert model.dtype == jnp.bfloat16
    assert _count(variables) == 48 * 7 + 7
    assert not has_convolution(variables["params"])


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("no_such_module:f", {}, "cannot import 'no_such_module'.*PYTHONPATH"),
        (":f", {}, "cannot import ''"),
        (".models:f", {}, "cannot import '.models'"),
        ("my_models:missing", {}, "my_models has no function 'missing'"),
        ("my_models:constant", {}, "my_models has no function 'constant'"),
        (
            "my_models:number",
            {},
            r"must return a flax.linen Module, not int; of an NNX .*to_linen\(Net, num_classes\)",
        ),
        ("my_models:other", {}, "must take num_classes= and dtype="),
        (
            "my_models:linear",
            {"depth": 3},
            "--depth=3: --model=my_models:linear has no such option",
        ),
    ],
)
def test_a_model_of_your_own_that_does_not_work(name, options, message):
    with pytest.raises(UserError, match=message) as raised:
        create(name, 10, **options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["mlp", "cnn", "salem_cnn"])
def test_dropout_is_random_in_training_and_off_in_evaluation(name):
    module = create(name, 3, dropout=0.5, **({"width": 2} if name == "cnn" else {}))
    x = jnp.ones((2, 8, 8, 1))
    variables = module.init(jax.random.key(0), x, train=False)

    def outputs(key, train):
        return np.asarray(module.apply(variables, x, train=train, rngs={"dropout": key}))

    one, other = jax.random.split(jax.random.key(1))
    assert np.abs(outputs(one, True) - outputs(other, True)).max() > 1e-4
    np.testing.assert_array_equal(outputs(one, False)[0], outputs(other, False)[1])


def test_a_family_without_dropout_says_so():
    with pytest.raises(UserError, match=r"--dropout=0\.5: --model=lenet has no such option"):
        create("lenet", 3, dropout=0.5)
    with pytest.raises(UserError, match=r"--drop_connect=0\.2: --model=resnet"):
        create("resnet", 3, drop_connect=0.2)


@pytest.mark.parametrize(("name", "text"), [("mlp", True), ("gpt_tiny", False)])
def test_a_family_of_other_data_is_refused_with_those_that_fit(name, text):
    with pytest.raises(UserError, match=f"--model={name}: not for"):
        create(name, 10, text=text)


def test_glorot_uniform_weights_are_keras_own():
    model = create("mlp", 5, hidden=(40, 30), initial="glorot_uniform")
    params = model.init(jax.random.key(0), jnp.zeros((1, 20)), train=False)["params"]
    for name, sides in (("Dense_0", (20, 40)), ("Dense_1", (40, 30)), ("logits", (30, 5))):
        kernel, bound = params[name]["kernel"], np.sqrt(6 / sum(sides))
        assert 0.95 * bound < np.abs(kernel).max() <= bound
        assert kernel.std() == pytest.approx(bound / np.sqrt(3), rel=0.15)


def test_a_convolution_need_not_be_square():
    layer = Conv(5, (1, 7))
    x = jax.ShapeDtypeStruct((2, 9, 9, 3), jnp.float32)
    kernel = jax.eval_shape(layer.init, jax.random.key(0), x)["params"]["kernel"]
    assert kernel.shape == (1, 7, 3, 5)
    assert jax.eval_shape(layer.apply, {"params": {"kernel": kernel}}, x).shape == (2, 9, 9, 5)
