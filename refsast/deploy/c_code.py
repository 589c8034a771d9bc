"""An integer network as C: its numbers as a header, and a program of about fifty lines."""

from importlib.resources import files
from pathlib import Path

import numpy as np

from refsast.deploy.accumulators import require_accumulator
from refsast.deploy.formats import Ints
from refsast.deploy.network import IntegerLayer, IntegerNetwork, require_dense
from refsast.files import write_atomic
from refsast.model.reset import NoReset, Subtract, ToZero

MOST_COUNT = 255  # of an input in C, which is a byte

HEADER = """\
/* A network in integers. Written by refsast; run.c runs it. */
#define STEPS {steps}
#define INPUTS {inputs}
#define LAYERS {layers}
#define WIDEST {widest}
#define PART {part} /* units of the last place in a weight step */
#define LOWEST ({lowest})
#define HIGHEST {highest}
#define WRAP {wrap}
enum reset {{ TO_ZERO, SUBTRACT, SUBTRACT_LEAKED, NO_RESET }};
struct layer {{
  int inputs, n;
  const int16_t *w, *v; /* row by row; v is 0 where no weights are recurrent */
  const int32_t *b, *threshold;
  int64_t factor, offset; /* leak: (factor u + offset) >> shift, rounded down */
  int shift;
  enum reset reset;
  int32_t *u;
  uint8_t *spike;
}};
"""


def write_c(made: IntegerNetwork, folder: str | Path, *, steps: int) -> tuple[Path, Path]:
    """Write an integer network as C: ``network.h``, and ``run.c``, which runs it.

    The program reads recordings of ``steps * n_0`` counts, one byte each, from standard input, and
    writes a line per recording: the spikes of all layers, step by step, as 0 and 1. They are those
    of `run`. Its only library is C99's. The readout is left to its user, who counts the last
    layer's spikes.

    Parameters
    ----------
    made : IntegerNetwork
        The network.
    folder : path
        Where both files go; it is made if it is missing.
    steps : int
        Steps of a recording. Positive.

    Returns
    -------
    header, program : Path
        The files.

    Raises
    ------
    ValueError
        If the network has other than dense layers, if `steps` is not positive, if inputs of 255
        could exceed 32 bits in a sum, or if the files cannot be written.

    Examples
    --------
    >>> import refsast as rs
    >>> from tempfile import TemporaryDirectory
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> made = rs.deploy.to_integers(network, rs.init(network, 0))
    >>> with TemporaryDirectory() as folder:
    ...     header, program = rs.deploy.write_c(made, folder, steps=20)
    ...     print(header.read_text().splitlines()[1])
    #define STEPS 20
    """
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise ValueError(f"steps must be a positive integer, got {steps!r}")
    require_dense(made, "a C program")
    require_accumulator(made.layers[0], 1, MOST_COUNT, made.formats)
    potentials = made.formats.potentials
    head = HEADER.format(
        steps=steps,
        inputs=made.network.sizes[0],
        layers=len(made.layers),
        widest=max(made.network.sizes[1:]),
        part=2**potentials.fraction_bits,
        lowest=potentials.lowest,
        highest=potentials.highest,
        wrap=int(potentials.overflow == "wrap"),
    )
    body = [_write_layer(i, layer) for i, layer in enumerate(made.layers)]
    rows = ",\n".join(_write_record(i, layer) for i, layer in enumerate(made.layers))
    text = "\n".join([head, *body, f"static struct layer layers[LAYERS] = {{\n{rows}\n}};", ""])
    folder = Path(folder)
    header, program = folder / "network.h", folder / "run.c"
    write_atomic(header, text.encode())
    write_atomic(program, files("refsast.deploy").joinpath("run.c").read_bytes())
    return header, program


def _write_layer(i: int, layer: IntegerLayer) -> str:
    """The arrays of a layer."""
    n = len(layer.w)
    arrays = [_write_array("int16_t", f"w{i}", layer.w)]
    if layer.v is not None:
        arrays.append(_write_array("int16_t", f"v{i}", layer.v))
    arrays.append(_write_array("int32_t", f"b{i}", layer.b))
    arrays.append(_write_array("int32_t", f"threshold{i}", layer.threshold))
    arrays.append(f"static int32_t u{i}[{n}];\nstatic uint8_t spike{i}[{n}];")
    return "\n".join(arrays)


def _write_array(kind: str, name: str, numbers: Ints) -> str:
    words = ", ".join(map(str, np.ravel(numbers).tolist()))
    return f"static const {kind} {name}[{numbers.size}] = {{{words}}};"


def _write_record(i: int, layer: IntegerLayer) -> str:
    """The record of a layer, which points to its arrays."""
    match layer.reset:
        case ToZero():
            reset = "TO_ZERO"
        case Subtract(leaked=leaked):
            reset = "SUBTRACT_LEAKED" if leaked else "SUBTRACT"
        case NoReset():
            reset = "NO_RESET"
    n, inputs = layer.w.shape
    v, leak = "0" if layer.v is None else f"v{i}", layer.leak
    numbers = f"{leak.factor}, {leak.offset}, {leak.shift}"
    return f"  {{{inputs}, {n}, w{i}, {v}, b{i}, threshold{i}, {numbers}, {reset}, u{i}, spike{i}}}"
