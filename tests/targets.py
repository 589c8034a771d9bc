"""Where `mutate` plants its errors, and which tests must notice."""

from dataclasses import dataclass

EXACT = "tests/gradient/test_exact.py"
GRADIENT = (
    f"{EXACT}::test_both_gradients_are_one_in_three_layers_with",
    f"{EXACT}::test_both_gradients_are_one_on_a_single_step",
    f"{EXACT}::test_both_gradients_are_one",
    f"{EXACT}::test_both_gradients_in_the_input_are_one",
    "tests/gradient/test_batch.py::test_a_thousand_steps",
)
PATHS = tuple(f"tests/gradient/test_{name}.py" for name in ("paths", "fast_parts", "fast_doors"))
PASSES = "tests/gradient/test_sam_passes.py"
NETWORK = (
    *("spans", "logits", "run", "_pooled", "_stretch", "_bound", "deltas", "_back"),
    *("gradients", "upper", "of_layers", "_of_v", "of_readout", "_sum"),
)
PRODUCTS = (
    *(
        "times",
        "gradient",
        "times_gradient",
        "in_rows",
        "few_at_once",
        "piece",
        "_in_time",
        "_each",
    ),
    *("as_inputs", "break_even", "_spans", "_rows", "through", "flat"),
)
OPS = ("tests/autodiff/test_tape.py", "tests/autodiff/test_ops.py", "-k", "not thousand")
TAPE = ("tests/autodiff/test_tape.py", "-m", "not slow")


@dataclass(frozen=True)
class Target:
    """Functions of one file, None for the whole of it, and the tests that watch them."""

    path: str
    names: tuple[str, ...]
    tests: tuple[str, ...]


PROOFS = tuple(
    f"tests/proofs_check/test_{name}.py"
    for name in ("bounds", "equalities", "worst", "claims", "counterexamples")
)

TARGETS = (
    Target(
        "refsast/gradient/fast/in_place.py",
        ("firing", "_arctan", "_by_arctan", "_by_poles", "_to_zero", "_subtract", "_no_reset"),
        (*GRADIENT, *PATHS),
    ),
    Target("refsast/gradient/fast/layer.py", ("at_rest", "forwards", "backwards"), GRADIENT),
    Target("refsast/gradient/fast/network.py", NETWORK, (*GRADIENT, *PATHS)),
    Target("refsast/gradient/fast/products.py", PRODUCTS, (*GRADIENT, *PATHS, PASSES)),
    Target(
        "refsast/gradient/fast/sam.py",
        ("sam_gradient", "pays", "_sharing", "norm", "_scaled", "_moved"),
        (PASSES,),
    ),
    Target("refsast/model/loss.py", ("loss_and_cotangent",), (*GRADIENT, *PATHS)),
    Target(
        "refsast/autodiff/ops.py",
        ("RULES", "fit", "power", "total", "transpose", "where", "stack", "_slot", "take"),
        OPS,
    ),
    Target("refsast/autodiff/tape.py", ("_total", "pull", "_between"), TAPE),
    Target(
        "refsast/optim/sam.py",
        ("ascent_point", "_unit", "gradient", "exact_gradient"),
        ("tests/optim/test_sam.py", "-k", "not network"),
    ),
    Target(
        "refsast/optim/descent.py", ("sgd", "adam", "projected"), ("tests/optim/test_descent.py",)
    ),
    Target(
        "refsast/model/spectral.py",
        ("spectral_norm", "project", "_norm", "_scaled", "_within", "_clipped"),
        ("tests/model/test_spectral.py",),
    ),
    Target(
        "refsast/experiment/sharpness/remainder.py",
        ("curvature", "sam_remainder"),
        ("tests/experiment/test_sharpness.py", "-k", "remainder"),
    ),
    Target("refsast/model/reset.py", ("partials", "_drop"), ("tests/model/test_reset.py",)),
    Target(
        "refsast/model/surrogate.py",
        ("derivative", "second", "_decay", "_magnitude", "_sign"),
        ("tests/model/test_surrogate.py",),
    ),
    Target(
        "proofs_check/claim.py",
        ("refuted", "ratio", "check", "entries", "parts", "within", "used", "without"),
        ("tests/proofs_check/test_claim.py",),
    ),
    Target(
        "proofs_check/claims/stability.py",
        (
            *("drop", "currents", "potentials", "compact", "_limit", "compact_by_step", "upward"),
            *("saturated", "effective", "trajectory", "_distance", "distances", "contracted"),
        ),
        (*PROOFS, "-k", "1a or 1b or 1c or bounds or leak"),
    ),
    Target(
        "proofs_check/claims/lipschitz.py",
        ("readout_norm", "gains", "lipschitz", "_product", "_apart", "_reach", "input_slope"),
        (*PROOFS, "-k", "2- or bounds"),
    ),
    Target(
        "proofs_check/claims/forms.py",
        (
            *("norms_of", "loudest", "_linear_and_quadratic", "smoothness", "joint_smoothness"),
            *("loss_cells", "_bump"),
        ),
        (*PROOFS, "-k", "3a or 3b or bounds"),
    ),
    Target(
        "proofs_check/claims/sam.py",
        ("raised", "remainder", "_above", "changed", "dropped", "across", "_quarter"),
        (*PROOFS, "-k", "4a or 4b or 4c or 4d or equalities"),
    ),
    Target(
        "proofs_check/claims/convergence.py",
        (
            *("smooth", "small", "gained", "gained_sharply", "allowed", "bend_of_batches"),
            *("scatter", "bias", "bias_bound", "average"),
        ),
        (*PROOFS, "tests/proofs_check/test_convergence.py", "-k", "5 or convergence"),
    ),
    Target(
        "proofs_check/claims/mechanism.py",
        ("current_gradient", "_gaps", "smallest", "jacobians"),
        (*PROOFS, "-k", "6- or equalities"),
    ),
    Target(
        "proofs_check/transfer/certificate.py",
        ("simple", "sharp", "_reach", "_through_reset", "_row_sum", "_leads", "_cleared"),
        (*PROOFS, "tests/proofs_check/test_certificate.py", "-k", "7- or certificate or reach"),
    ),
)
