"""What the local claims say of trained networks, and points of the balls to contradict them.

    python -m tools.local_bounds FILE --nmnist PATH --runs RUN ...     # writes lines of FILE, a CSV
    python -m tools.local_bounds FILE                           # draws docs/figures/local.png

A line is a ball: about a recording (input) or about the parameters of a run. `measured` is the
largest norm of a derivative that was found in it: of the logits, or the Hessian's largest
eigenvalue; `outside` counts points whose potentials, logits, loss gradient or derivative are not
where the enclosure says.
"""

import argparse
import csv
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import refsast as rs
from proofs_check.claims.lipschitz import lipschitz_constant
from proofs_check.claims.local import jacobian, loss_gradient_norms
from proofs_check.descent.objectives import Risk
from proofs_check.instances import TwoInputs
from proofs_check.local.enclosure import enclose
from proofs_check.local.lipschitz import local_lipschitz
from proofs_check.local.smoothness import local_curvature
from refsast.arrays import Array, Integers
from refsast.model.unroll import unroll
from tools.table import write_table

FIGURE = Path(__file__).resolve().parents[1] / "docs" / "figures" / "local.png"
INPUT_RADII = (0.0, 1e-3, 1e-2, 1e-1)
PARAMETER_RADII = (0.0, 1e-3, 1e-2, 1e-1)
CHUNK, STEEP_POINTS = 500, 500  # points at a time; points whose Jacobian's norm is measured
SLACK = 1.0 + 1e-9  # for the rounding of what is measured
COLUMNS = (
    *("run", "ball", "radius", "recording", "measured", "bound", "everywhere"),
    *("points", "outside", "seconds"),
)


def reduce_inputs(
    network: rs.Network, params: rs.Params, x: Array
) -> tuple[rs.Network, rs.Params, Array]:
    """Return the same runs with as many inputs as the first layer has neurons: W^1 = R' Q'."""
    q, r = np.linalg.qr(params[0].w.T)
    first = replace(params[0], w=r.T)
    sizes = (len(r), *network.sizes[1:])
    small = rs.Network(sizes, network.neuron, network.readout, network.bias, network.recurrent)
    return small, (first, *params[1:]), x @ q


def input_directions(jac: Array, points: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield chunks of vectors of length at most 1, (chunk, time * n): half of them of length 1."""
    _, _, right = np.linalg.svd(jac, full_matrices=False)
    for start in range(0, points, CHUNK):
        n = min(CHUNK, points - start)
        d = rng.standard_normal((n, jac.shape[1]))
        aligned = rng.standard_normal((n, len(right))) ** 3 @ right
        d[: n // 2] = aligned[: n // 2]  # towards the inputs that move the logits most
        d /= np.linalg.norm(d, axis=1, keepdims=True)
        d[::2] *= rng.uniform(size=(len(d[::2]), 1))
        yield d


def input_line(
    network: rs.Network, params: rs.Params, x: Array, radius: float, points: int
) -> dict[str, float]:
    """Return the bound of 2-local of one recording, (time, 1, n_0), and what was measured."""
    rng, start = np.random.default_rng(0), time.process_time()
    bounds = local_lipschitz(network, params, x, radius)
    seconds = time.process_time() - start
    found = enclose(network, params, x, radius, weights_move=False)
    small, weights, at = reduce_inputs(network, params, x)
    centre = unroll(small, weights, at).logits
    jac = jacobian(TwoInputs(small, weights, at, at))[0]
    best, outside, tried = float(np.linalg.norm(jac, 2)), 0, 0
    for d in input_directions(jac, points if radius > 0.0 else 0, rng):
        moved = at + radius * d.reshape(len(d), *at.shape[::2]).transpose(1, 0, 2)
        pair = TwoInputs(small, weights, np.broadcast_to(at, moved.shape), moved)
        trace = unroll(small, weights, moved)
        far = np.linalg.norm(trace.logits - centre, axis=1)
        bad = far > bounds.logits * radius * np.linalg.norm(d, axis=1) * SLACK + 2.0 * bounds.drift
        for steps, u in zip(found.layers, trace.u, strict=True):
            for t, step in enumerate(steps):
                bad |= (np.abs(u[t] - step.u.centre) > step.u.radius * SLACK + 1e-9).any(axis=1)
        if tried < STEEP_POINTS:  # all points at once would take K gradients of each
            norms = np.linalg.norm(jacobian(pair), 2, (1, 2))
            best = max(best, float(norms.max()))
            bad |= norms > bounds.logits * SLACK
            bad |= (loss_gradient_norms(pair) > bounds.loss * SLACK + 1e-12).any(axis=1)
        outside, tried = outside + int(bad.sum()), tried + len(d)
    everywhere = float(lipschitz_constant(network, params, len(x)))
    return _line(radius, best, bounds.logits, everywhere, tried, outside, seconds)


def parameter_line(
    network: rs.Network, params: rs.Params, x: Array, y: Integers, radius: float, points: int
) -> dict[str, float]:
    """Return the bound of 3b-local of the risk of some recordings, and what was measured."""
    rng, start = np.random.default_rng(0), time.process_time()
    bound = local_curvature(network, params, x, y, radius).constant
    seconds = time.process_time() - start
    risk, w = Risk(network, x, y), rs.flatten(params)
    _, grad = risk.value_and_grad(w)
    ends = [w] + ([rs.sam.ascent_point(w, grad, rho=radius)] if radius > 0.0 else [])
    best = max(_top_eigenvalue(network, end, x, y) for end in ends)
    outside, tried = int(best > bound * SLACK), points if radius > 0.0 else 0
    for _ in range(tried):
        # Few weights move far, or many of them a little.
        d, few = np.zeros(len(w)), int(len(w) ** rng.uniform(0.0, 0.8))
        d[rng.integers(len(w), size=few)] = rng.standard_normal(few)
        d = d + grad * rng.choice((0.0, 1.0)) * np.linalg.norm(d) / np.linalg.norm(grad)
        length = radius * rng.choice((1.0, rng.uniform()))
        d *= length / max(float(np.linalg.norm(d)), 1e-300)
        change = float(np.linalg.norm(risk.value_and_grad(w + d)[1] - grad))
        quotient = change / max(length, 1e-300)
        best = max(best, quotient)
        outside += int(quotient > bound * SLACK)
    return _line(radius, best, bound, risk.lipschitz(w, radius), tried, outside, seconds)


def _top_eigenvalue(network: rs.Network, w: Array, x: Array, y: Integers) -> float:
    found = rs.sharpness.top_eigenvalues(
        *(network, rs.unflatten(network, w), x, y),
        k=1,
        rng=np.random.default_rng(0),
        tolerance=1e-3,
        by_magnitude=True,
    )
    return float(abs(found.values[0]))


def _line(*numbers: float) -> dict[str, float]:
    names = ("radius", "measured", "bound", "everywhere", "points", "outside", "seconds")
    return dict(zip(names, numbers, strict=True))


def assess_run(run: Path, args: argparse.Namespace) -> Iterator[dict[str, float | str]]:
    """Yield the lines of one run."""
    network, params = rs.read_run(run)
    params = rs.unflatten(network, rs.flatten(params).astype(float))
    x, y = (np.asarray(a) for a in rs.load_nmnist(args.nmnist, "Test", steps=args.steps))
    chosen = np.arange(args.recordings) * len(y) // args.recordings
    x, y = x[:, chosen].astype(float), y[chosen].astype(np.int64)
    for radius in INPUT_RADII:
        for r in range(args.recordings):
            line = input_line(network, params, x[:, r : r + 1], radius, args.points)
            yield {"run": run.name, "ball": "input", "recording": int(chosen[r]), **line}
    for radius in PARAMETER_RADII if args.parameters else ():
        line = parameter_line(network, params, x, y, radius, args.points)
        yield {"run": run.name, "ball": "parameters", "recording": "all", **line}


def figure(lines: list[dict[str, str]]) -> Figure:
    """Return bound over measured, by radius: the input's ball, and the parameters'."""
    fig, axes = plt.subplots(1, 2, figsize=(8.6, 3.4), layout="constrained")
    for axis, ball, what in zip(
        axes, ("input", "parameters"), ("logits' derivative", "Hessian"), strict=True
    ):
        mine = [line for line in lines if line["ball"] == ball]
        for run in dict.fromkeys(line["run"] for line in mine):
            of = [line for line in mine if line["run"] == run]
            radii = sorted({float(line["radius"]) for line in of})
            for bound, style in (("bound", "o-"), ("everywhere", ":")):
                ratio = [
                    np.median([_ratio(a, bound) for a in of if float(a["radius"]) == radius])
                    for radius in radii
                ]
                label = f"{run}, {'local' if bound == 'bound' else 'everywhere'}"
                axis.plot([max(r, 1e-4) for r in radii], ratio, style, label=label)
        axis.set(xscale="log", yscale="log", ylabel=f"measured / bound, {what}")
        axis.set_xlabel("radius of the ball of " + ("inputs" if ball == "input" else ball))
        axis.set_xticks([1e-4, 1e-3, 1e-2, 1e-1], ["0", "0.001", "0.01", "0.1"])
        axis.legend(fontsize=7)
    return fig


def _ratio(line: dict[str, str], bound: str) -> float:
    return float(line["measured"]) / float(line[bound])


def main() -> None:
    """Measure the runs that are named, if any, and draw what is in the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--runs", nargs="*", type=Path, default=())
    parser.add_argument("--nmnist", type=Path)
    parser.add_argument("--steps", type=int, default=10, help="Time steps per recording.")
    parser.add_argument("--recordings", type=int, default=4)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--parameters", action="store_true", help="The parameters' balls, too.")
    args = parser.parse_args()
    lines: list[dict[str, str]] = []
    if args.file.exists():
        lines = list(csv.DictReader(args.file.read_text(encoding="utf-8").splitlines()))
    for run in args.runs:
        for line in assess_run(run, args):
            lines.append({name: f"{line[name]}" for name in COLUMNS})
            write_table(args.file, lines)
            print(lines[-1], flush=True)
    if not args.runs:
        figure(lines).savefig(FIGURE, dpi=110)


if __name__ == "__main__":
    main()
