"""Whether outputs have a gradient by its inputs; integers, such as tokens, have none."""

import jax
import jax.numpy as jnp

from lira_jax.data.dataset import Dataset
from lira_jax.errors import UserError
from lira_jax.models.network import Network


def check_gradient(network: Network, examples: Dataset) -> None:
    """Checks, on shapes alone, that the outputs depend smoothly on the normalised inputs.

    Raises:
      UserError: the model rounds its inputs to integers, as where it looks them up in a table.
    """
    shape = (2, *examples.x.shape[1:])
    if not has_gradient(network.evaluate, network.shapes, jax.ShapeDtypeStruct(shape, jnp.float32)):
        raise UserError(
            "--signals: gradient_norms_x and boundary_distance need a gradient by the input, and "
            "the model takes its inputs for integers; name gradient_norms_w instead"
        )


def has_gradient(outputs, variables, inputs) -> bool:
    """Whether outputs(variables, inputs) passes a gradient back to its inputs.

    Args:
      outputs: a function of one model.
      variables, inputs: shapes.
    """

    def pull_back(variables, inputs, cotangent):
        _, back = jax.vjp(lambda x: outputs(variables, x), inputs)
        return back(cotangent)[0]

    result = jax.eval_shape(outputs, variables, inputs)
    traced = jax.make_jaxpr(pull_back)(variables, inputs, result).jaxpr
    reached = {id(traced.invars[-1])}  # what depends on the cotangent
    for equation in traced.eqns:
        if any(id(v) in reached for v in equation.invars):
            reached.update(id(v) for v in equation.outvars)
    return any(id(v) in reached for v in traced.outvars)
