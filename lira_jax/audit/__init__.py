"""The protocol that all attacks share; and, as `lira_jax.audit(x, y, ...)`, an audit in one call.

Python sets `lira_jax.audit` to this package as soon as a module of it is imported, so the function
of that name in the public API can only be the package itself.
"""

import importlib
import sys
import types


class _Callable(types.ModuleType):
    def __call__(self, *arguments, **settings):
        # By name, for the rest of this package stands below the API and knows nothing of it.
        return importlib.import_module("lira_jax.api").audit(*arguments, **settings)


sys.modules[__name__].__class__ = _Callable
