"""Which form of a convolution is fastest for gradients of single examples, and in a compiled loop.

    python scripts/bench_gradients.py [--forms=plain,patches,onednn] [--images=32] [--block=8]

Of one small CNN (--width filters, images of 32 x 32 x 3), milliseconds for the seven norms of the
gradients by the weights of all images, at once and in blocks of --block (a compiled loop, as
lira-score makes them where memory asks for it); and for gradients by the input of the whole batch,
one and --steps of them in a compiled loop, as the signal boundary_distance makes them. The least of
--rounds calls. On a CPU the form onednn needs pip install 'lira_jax[onednn]'.
"""

import argparse
from collections.abc import Callable

import alternate
import jax
import jax.numpy as jnp
import numpy as np
from bench_train import CLASSES, SHAPES

from lira_jax.data.dataset import Dataset
from lira_jax.ensemble import hardware, lift
from lira_jax.experiment import Experiment
from lira_jax.models import conv, network
from lira_jax.signals.gradient_norms import COPIES, gradient_norms_w
from lira_jax.signals.measure import Measurement
from lira_jax.signals.phi import loss

COLUMNS = ("w, at once", "w, in blocks", "x, one", "x, in a loop")


def runs(form: str, a: argparse.Namespace) -> dict[str, Callable[[], object]]:
    """What is timed of a form, compiled, by the columns of the table."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (a.images, *SHAPES["cnn"]), dtype=np.uint8)
    dataset = Dataset(x, np.arange(a.images, dtype=np.int32) % CLASSES, num_classes=CLASSES)
    model = network.make(Experiment(model="cnn", width=a.width, conv_form=form), dataset)
    variables = jax.jit(model.init)(jax.random.key(0))
    weights = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    inputs, labels = jnp.asarray(x), jnp.asarray(dataset.y)

    def by_weights(block: int) -> Callable[[], object]:
        room = COPIES * 4 * weights * block
        norms = jax.jit(
            lambda variables, x, y: gradient_norms_w(Measurement(model, variables, x, y, room))
        )
        return lambda: norms(variables, inputs, labels)

    def by_input(steps: int) -> Callable[[], object]:
        gradient = jax.grad(lambda v, x: loss(model.evaluate(v, x), labels).sum(), argnums=1)

        @jax.jit
        def climb(variables, x):
            if steps == 1:
                return gradient(variables, x)
            return jax.lax.fori_loop(0, steps, lambda _, x: x + gradient(variables, x), x)

        start = model.normalizer(inputs)
        return lambda: climb(variables, start)

    made = by_weights(a.images), by_weights(a.block), by_input(1), by_input(a.steps)
    for run in made:
        jax.block_until_ready(run())  # compiles
    return dict(zip(COLUMNS, made, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--forms", default="plain,shifted,patches,unrolled,onednn", help="of --conv_form")
    add("--images", type=int, default=32, help="examples (default 32)")
    add("--block", type=int, default=8, help="examples in a block (default 8)")
    add("--steps", type=int, default=4, help="gradients in the loop (default 4)")
    add("--width", type=int, default=16, help="filters of the first layer (default 16)")
    add("--rounds", type=int, default=3, help="calls of which the least counts (default 3)")
    a = parser.parse_args()
    print(f"JAX {jax.__version__}, {hardware.describe(lift.mesh())}, milliseconds")
    print(f"{'':10}" + "".join(f"{column:>14}" for column in COLUMNS))
    for form in a.forms.split(","):
        if form not in conv.FORMS:
            parser.error(f"--forms={form}: it is one of {', '.join(conv.FORMS)}")
        took = [
            min(
                alternate.seconds(lambda run=run: jax.block_until_ready(run()))
                for _ in range(a.rounds)
            )
            for run in runs(form, a).values()
        ]
        print(f"{form:10}" + "".join(f"{1000 * seconds:14.0f}" for seconds in took), flush=True)


if __name__ == "__main__":
    main()
