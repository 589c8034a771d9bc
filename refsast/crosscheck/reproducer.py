"""A case as Python text that can be pasted, run, and gives the same case to the bit."""

from dataclasses import MISSING, fields, is_dataclass

import numpy as np

from refsast.crosscheck.case import Case


def case_source(case: Case) -> str:
    """Return statements that bind ``case``; what has its default value is left out.

    A case holds records and arrays only; its spikes must be the library's own.

    Examples
    --------
    >>> import refsast as rs
    >>> neuron = rs.LIF(0.5, 1.0, rs.Arctan(2.0))
    >>> network = rs.Network((1, 2), neuron, rs.SpikeRate(4.0), bias=False)
    >>> case = rs.Case(network, (rs.Layer(np.ones((2, 1))),), np.zeros((1, 1, 1)), [1])
    >>> print(case_source(case))
    import numpy as np
    import refsast as rs
    <BLANKLINE>
    case = rs.Case(
        network=rs.Network(
            sizes=(1, 2),
            neuron=rs.LIF(leak=0.5, threshold=1.0, spike=rs.Arctan(slope=2.0)),
            readout=rs.SpikeRate(gain=4.0),
            bias=False,
        ),
        params=(rs.Layer(w=np.array([[1.0], [1.0]])),),
        x=np.array([[[0.0]]]),
        y=np.array([1]),
    )
    """
    return f"import numpy as np\nimport refsast as rs\n\ncase = {format_value(case)}"


WIDTH = 88  # of a line, before its parts go on lines of their own


def format_value(value: object, indent: str = "") -> str:
    """Return a record, an array, a tuple or a number as Python spells it with `np` and `rs`."""
    if isinstance(value, np.ndarray):
        return f"np.array({value.tolist()!r})"
    deeper = indent + "    "
    if is_dataclass(value) and not isinstance(value, type):
        given = [
            (f.name, getattr(value, f.name)) for f in fields(value) if not _is_default(f, value)
        ]
        parts = [f"{name}={format_value(part, deeper)}" for name, part in given]
        return _format_call(f"rs.{type(value).__name__}(", parts, ")", indent)
    if isinstance(value, tuple):
        parts = [format_value(part, deeper) for part in value]
        return _format_call("(", parts, ",)" if len(parts) == 1 else ")", indent)
    return repr(value)


def _is_default(field: object, value: object) -> bool:
    """Whether a field of a record has the value that it has when it is left out."""
    now = getattr(value, getattr(field, "name", ""))
    factory = getattr(field, "default_factory", MISSING)
    # An array is never left out: a comparison of arrays is an array, and none has a default.
    default = getattr(field, "default", MISSING) if factory is MISSING else factory()
    return default is not MISSING and not isinstance(now, np.ndarray) and now == default


def _format_call(start: str, parts: list[str], end: str, indent: str) -> str:
    """The parts on one line, or one on each."""
    line = f"{start}{', '.join(parts)}{end}"
    if len(line) + len(indent) <= WIDTH and "\n" not in line:
        return line
    if not any("\n" in part or len(part) > WIDTH for part in parts) and len(parts) == 1:
        return line
    body = "".join(f"{indent}    {part},\n" for part in parts)
    return f"{start}\n{body}{indent}{end.removeprefix(',')}"
