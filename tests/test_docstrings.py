"""Public docstrings say what every parameter and field is."""

import inspect
import re
from dataclasses import fields, is_dataclass

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import refsast as rs
from refsast import data, testing
from refsast.autodiff import derivatives, numeric

GRADIENTS = ("loss_and_grad", "input_grad", "straight_through")
PROMISED = {
    rs: rs.__all__,
    rs.reference: (*GRADIENTS, "hvp", "loss"),
    rs.bptt: ("loss_and_grad",),
    rs.fast: (*GRADIENTS, "sam_gradient"),
    rs.sam: ("ascent_point", "gradient", "exact_gradient"),
    rs.descent: ("sgd", "adam", "projected", "constant", "cosine", "Descent"),
    rs.sharpness: rs.sharpness.__all__,
    rs.program: rs.program.__all__,
    data: data.__all__,
    testing: testing.__all__,
    derivatives: ("value_and_grad", "vjp", "jvp", "hvp"),
    numeric: ("complex_step", "complex_step_gradient", "central_difference", "adjoint_gap"),
}
WANTED = {"PR01", "PR02", "PR03", "RT01", "GL08"}


def public(kind):
    things = (getattr(module, name) for module, names in PROMISED.items() for name in names)
    found = {f"{t.__module__}.{t.__qualname__}" for t in things if kind(t)}
    return sorted(name for name in found if "<locals>" not in name)  # strategies of Hypothesis are


@pytest.mark.parametrize("name", public(inspect.isfunction))
def test_functions_document_their_parameters(name):
    errors = [text for code, text in validate(name)["errors"] if code in WANTED]

    assert errors == []


@pytest.mark.parametrize(
    "name", public(lambda thing: is_dataclass(thing) and isinstance(thing, type))
)
def test_records_document_their_fields(name):
    module, _, cls = name.rpartition(".")
    record = getattr(__import__(module, fromlist=[cls]), cls)
    sections = NumpyDocString(inspect.cleandoc(record.__doc__))
    described = {
        part.strip()
        for entry in [*sections["Attributes"], *sections["Parameters"]]
        for part in re.split(r",", entry.name)
    }

    assert described >= {field.name for field in fields(record)}


def test_every_promised_name_has_an_example():
    """Doctests run with the other tests; a module is shown by what is in it."""
    without = public(
        lambda thing: (
            (inspect.isfunction(thing) or isinstance(thing, type))
            and ">>>" not in (thing.__doc__ or "")
        )
    )

    assert without == []


def test_an_undocumented_parameter_is_noticed():
    def undocumented(x: int) -> int:
        """Return it.

        Returns
        -------
        int
            It.
        """
        return x

    rs.undocumented = undocumented
    try:
        undocumented.__module__, undocumented.__qualname__ = "refsast", "undocumented"
        codes = {code for code, _ in validate("refsast.undocumented")["errors"]}
    finally:
        del rs.undocumented

    assert "PR01" in codes
