"""From ``package:factory`` to an implementation.

Rule 1: whatever somebody else's code raises becomes one line, a ValueError; only `Unsupported` goes
        through, because it is an answer.
"""

import importlib
from functools import reduce

from refsast.crosscheck.case import Case, Factory
from refsast.crosscheck.implementation import Implementation, call_foreign, describe_error


def load_object(spec: str, name: str = "impl", kind: str = "name") -> object:
    """Return what a text such as ``package.module:name`` names.

    `name` is what the text is called where it comes from, `kind` what it names. The attribute path
    may have dots. Raises ValueError if there is no colon, the module does not import, or it has no
    such attribute.

    Examples
    --------
    >>> load_object("math:tau") > 6
    True
    >>> load_object("operator.add")
    Traceback (most recent call last):
    ValueError: impl must be written package:name, got 'operator.add'
    """
    module, colon, path = spec.partition(":")
    if not (colon and _is_attribute_path(module) and _is_attribute_path(path)):
        raise ValueError(f"{name} must be written package:{kind}, got {spec!r}")
    try:
        found = importlib.import_module(module)
    except (Exception, SystemExit) as error:
        wanted = f"{name} must name a module that can be imported"
        raise ValueError(f"{wanted}, got {module!r}: {describe_error(error)}") from error
    try:  # an attribute path may lead through classes and submodules
        return reduce(getattr, path.split("."), found)
    except AttributeError as error:
        raise ValueError(f"{name} must name something in {module}, got {path!r}") from error


def load_factory(spec: str, name: str = "impl") -> Factory:
    """Return the factory that a text names, as `load_object`; raises ValueError if it is none."""
    factory = load_object(spec, name, "factory")
    if not callable(factory):
        path, kind = spec.partition(":")[2], type(factory).__name__
        raise ValueError(f"{name} must name a callable, got {path!r}, a {kind}")
    return factory  # pyright: ignore[reportReturnType]


def build(factory: Factory, case: Case) -> Implementation:
    """Return the implementation that a factory makes for a case; a bare gradient is wrapped.

    Raises `Unsupported` if the factory does, and ValueError if it raises or returns anything else.
    """
    wanted = "factory must return an implementation or raise Unsupported"
    made = call_foreign(factory, case, wanted=wanted)
    if not isinstance(made, Implementation):
        made = Implementation(made)  # pyright: ignore[reportArgumentType]
    if not callable(made.gradient):
        kind = type(made.gradient).__name__
        raise ValueError(f"factory must return an Implementation or a callable, got {kind}")
    return made


def _is_attribute_path(path: str) -> bool:
    """Whether a text is names with dots between them."""
    return all(part.isidentifier() for part in path.split("."))
