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
PATHS = tuple(
    f"tests/gradient/test_{name}.py" for name in ("paths", "fast_parts", "fast_validation")
)
PASSES = "tests/gradient/test_sam_passes.py"
CONNECTIONS, MODEL = "tests/model/test_connections.py", "tests/model/test_glif.py"
GLIF, OBJECTIVE = "tests/gradient/test_glif.py", "tests/gradient/test_objective.py"
BLOCKS = "tests/gradient/test_blocks.py"
MIXED, ONE = "tests/gradient/test_mixed.py", ("-k", "one or halves or they_say or chunks or first")
CONV2D = """
_windows _matrices _by_group __call__ transpose weight_grad bias_grad output_shape weight_shape
"""
NETWORK = """
run_forward _run_chunk _potential_bound backward_chunks _backward_layers param_grads
upper_weight_grads layer_grads _recurrent_grad _spike_cotangents _backward_layer
"""
INPUTS = """
multiply weight_grad multiply_weight_grad signal_rows matmul_shared _steps
_fill_parts make_inputs break_even_density _pieces _convert matmul_over_time flatten_steps
"""
KERNELS = """
make_spike_kernel _arctan_kernel _numpy_arctan _rational_arctan _reset_to_zero_kernel
_subtract_kernel _no_reset_kernel
"""
FAST_SAM = """
sam_gradient sharing_is_cheaper _joint_passes global_norm _ascent_step _move
"""
RULES = "RULES unbroadcast _unbroadcast_pullback power reduce_sum reduce_max cumsum einsum _ratio"
SPECTRAL = "project _spectral_norm _normalize _satisfies_cap _clip_singular_values"
MOVES = "take scatter _is_basic _take_back transpose where stack concatenate pad broadcast gather"
OPS = (
    "tests/autodiff/test_tape.py",
    "tests/autodiff/test_ops.py",
    "tests/autodiff/test_replay.py",
    "-k",
    "not thousand and not tolerance",
)
TAPE = ("tests/autodiff/test_tape.py", "-m", "not slow")


@dataclass(frozen=True)
class Target:
    """Functions of one file, and the tests that watch them; `bounds` are made smaller only."""

    path: str
    names: tuple[str, ...]
    tests: tuple[str, ...]
    bounds: bool = False


PROOFS = tuple(
    f"tests/proofs_check/test_{name}.py"
    for name in ("bounds", "equalities", "worst", "claims", "counterexamples")
)

ATTAINED = "tests/proofs_check/test_attained.py"


def bounds(path: str, names: str, claims: str) -> Target:
    """Bounds of these claims, which the instances that attain them watch, and nothing else."""
    return Target(path, tuple(names.split()), (ATTAINED, "-k", claims), bounds=True)


TARGETS = (
    bounds(
        "proofs_check/claims/stability.py",
        "max_reset_drop current_bounds compact_bound compact_bound_by_step upper_currents "
        "saturation_bound effective_kappa contraction_bound",
        "1a or 1b or 1c",
    ),
    bounds(
        "proofs_check/claims/lipschitz.py",
        "readout_norm layer_gains lipschitz_constant _distance_bounds _gradient_bound",
        "2- or 3a",
    ),
    bounds(
        "proofs_check/claims/smoothness_constants.py",
        "layer_norms _linear_and_quadratic hessian_form joint_smoothness_constant",
        "3- or 3a or 3b",
    ),
    bounds(
        "proofs_check/claims/smoothness.py",
        "_gradient_bound _quotient_bound _product_bound _eigenvalue_bound _joint_bound",
        "3a or 3b",
    ),
    bounds("proofs_check/claims/sam.py", "_remainder_bound hessian_term_bound", "4"),
    Target(
        "proofs_check/descent/objectives.py",
        ("_ball_norms",),
        (ATTAINED, "tests/proofs_check/test_objectives.py", "-k", "4c or attains"),
        bounds=True,
    ),
    bounds(
        "proofs_check/claims/convergence.py",
        "gain_bound mean_batch_lipschitz one_batch_bias_bound",
        "5a or 5c",
    ),
    Target(
        "proofs_check/claims/reshuffling.py",
        ("epoch_bound",),
        (ATTAINED, "tests/proofs_check/test_reshuffling.py", "-k", "5d or by_hand"),
        bounds=True,
    ),
    bounds("proofs_check/descent/enumeration.py", "path_bound", "5b"),
    bounds("proofs_check/claims/mechanism.py", "_rows_bound _jacobians_bound", "6-"),
    Target(
        "refsast/gradient/bptt.py",
        ("loss_and_grad",),
        ("tests/gradient/test_bptt.py", MIXED, *ONE),
    ),
    Target("refsast/gradient/extended.py", ("loss_and_grad",), (MIXED, *ONE)),
    Target("refsast/gradient/fast/kernels.py", tuple(KERNELS.split()), (*GRADIENT, *PATHS)),
    Target("refsast/gradient/fast/layer.py", ("initial_state", "forward", "backward"), GRADIENT),
    Target("refsast/gradient/fast/records.py", ("chunks", "logits"), (*GRADIENT, *PATHS)),
    Target("refsast/gradient/fast/network.py", tuple(NETWORK.split()), (*GRADIENT, *PATHS)),
    Target("refsast/gradient/fast/inputs.py", tuple(INPUTS.split()), (*GRADIENT, *PATHS, PASSES)),
    Target("refsast/gradient/fast/sam.py", tuple(FAST_SAM.split()), (PASSES,)),
    Target("refsast/model/loss.py", ("loss_and_cotangent",), (*GRADIENT, *PATHS)),
    Target("refsast/model/connections/conv2d.py", tuple(CONV2D.split()), (CONNECTIONS,)),
    Target(
        "refsast/model/connections/dense.py",
        ("__call__", "transpose", "weight_grad", "bias_grad"),
        (CONNECTIONS,),
    ),
    Target(
        "refsast/model/connections/pool2d.py",
        ("__call__", "transpose", "_largest", "_read_sides"),
        (CONNECTIONS,),
    ),
    Target(
        "refsast/model/connections/windows.py",
        (
            *("count_windows", "window_index", "look_up", "as_images", "place_slices"),
            *("cut_windows", "add_windows"),
        ),
        (CONNECTIONS,),
    ),
    Target(
        "refsast/model/connections/chain.py",
        ("trace_values", "transpose_chain", "trace_shapes", "_next_shape"),
        (CONNECTIONS,),
    ),
    Target("refsast/model/connections/chain.py", ("row_blocks",), (BLOCKS,)),
    Target(
        "refsast/gradient/glif.py",
        ("rerun_glif", "backward_glif", "backward_step", "_synapse_back", "_zero"),
        (GLIF, MIXED, *ONE),
    ),
    Target(
        "refsast/model/glif_step.py",
        ("start_state", "glif_step", "unroll_glif", "thresholds"),
        (MODEL,),
    ),
    Target("refsast/model/synapse.py", ("synapse_step",), (MODEL,)),
    Target(
        "refsast/model/learned.py",
        ("resolve_back", "initial", "shape"),
        (GLIF, MODEL, "-k", "one or starts"),
    ),
    Target(
        "refsast/model/objective.py",
        ("objective", "step_logits", "objective_back", "_logits_back", "_steps_back"),
        (OBJECTIVE, *ONE),
    ),
    Target(
        "refsast/model/output_potential.py",
        ("output_potentials", "output_potentials_back", "first_largest", "mark_largest"),
        (OBJECTIVE, *ONE),
    ),
    Target(
        "refsast/model/readout.py",
        (
            *("time_weights", "pool", "mean_populations", "spread_populations", "affine"),
            *("pooled_logits", "pooled_back"),
        ),
        (OBJECTIVE, *ONE),
    ),
    Target(
        "refsast/model/unroll.py",
        ("layer_currents", "connection_grads", "input_currents", "_join_blocks"),
        (BLOCKS, MIXED, *ONE),
    ),
    Target("refsast/autodiff/ops.py", tuple(RULES.split()), OPS),
    Target("refsast/autodiff/moves.py", tuple(MOVES.split()), OPS),
    Target("refsast/autodiff/tape.py", ("_accumulate", "backward", "_toposort"), TAPE),
    Target(
        "refsast/optim/sam.py",
        ("ascent_point", "_norm_and_direction", "gradient", "exact_gradient"),
        ("tests/optim/test_sam.py", "-k", "not network"),
    ),
    Target(
        "refsast/optim/descent.py", ("sgd", "adam", "projected"), ("tests/optim/test_descent.py",)
    ),
    Target("refsast/model/spectral.py", tuple(SPECTRAL.split()), ("tests/model/test_spectral.py",)),
    Target(
        "refsast/experiment/sharpness/remainder.py",
        ("curvature", "sam_remainder"),
        ("tests/experiment/test_sharpness.py", "-k", "remainder"),
    ),
    Target("refsast/model/reset.py", ("partials", "_drop"), ("tests/model/test_reset.py",)),
    Target("refsast/model/reset.py", ("number_partials",), (GLIF, *ONE)),
    Target(
        "refsast/model/surrogate.py",
        ("derivative", "second", "_decay", "_magnitude", "_sign"),
        ("tests/model/test_surrogate.py",),
    ),
    Target(
        "proofs_check/claim.py",
        (
            *("refuted", "ratio", "drop_hypothesis", "check_claim", "broadcast_sides"),
            *("side_parts", "satisfies", "bound_share"),
        ),
        ("tests/proofs_check/test_claim.py",),
    ),
    Target(
        "proofs_check/claims/stability.py",
        (
            *("max_reset_drop", "current_bounds", "potential_magnitudes", "compact_bound"),
            *("compact_bound_by_step", "upper_currents", "saturation_bound", "effective_kappa"),
            *("trajectory", "_state_norm", "state_distances", "contraction_bound"),
        ),
        (*PROOFS, "-k", "1a or 1b or 1c or bounds or leak"),
    ),
    Target(
        "proofs_check/claims/lipschitz.py",
        (
            *("readout_norm", "layer_gains", "lipschitz_constant", "_logit_distances"),
            *("_distance_bounds", "input_gradient_norm"),
        ),
        (*PROOFS, "-k", "2- or bounds"),
    ),
    Target(
        "proofs_check/claims/smoothness_constants.py",
        (
            *("layer_norms", "peak_input_norm", "_linear_and_quadratic", "smoothness_constant"),
            *("joint_smoothness_constant", "loss_derivative_cells"),
        ),
        (*PROOFS, "-k", "3a or 3b or bounds"),
    ),
    Target(
        "proofs_check/claims/sam.py",
        (
            *("ascent_point", "first_order_remainder", "_excess", "gradient_change"),
            *("hessian_term", "hessian_term_bound", "_remainder_bound"),
        ),
        (*PROOFS, "-k", "4a or 4b or 4c or 4d or equalities"),
    ),
    Target(
        "proofs_check/claims/convergence.py",
        (
            *("step_hypotheses", "step_gain", "sharp_step_gain", "gain_bound"),
            *("mean_batch_lipschitz", "one_batch_bias", "one_batch_bias_bound"),
            "mean_squared_gradient",
        ),
        (*PROOFS, "tests/proofs_check/test_convergence.py", "-k", "5 or convergence"),
    ),
    Target(
        "proofs_check/claims/mechanism.py",
        ("current_gradient", "_identity_errors", "smallest_singular_value", "jacobians"),
        (*PROOFS, "-k", "6- or equalities"),
    ),
    Target(
        "proofs_check/transfer/certificate.py",
        ("simple_certificate", "_layer_error", "_max_reset_slope", "_max_row_sum"),
        (*PROOFS, "tests/proofs_check/test_certificate.py", "-k", "7- or certificate or reach"),
    ),
    Target(
        "refsast/certify/sharp.py",
        ("compare_boxes", "hard_leads", "zero_own_class"),
        (*PROOFS, "tests/proofs_check/test_certificate.py", "-k", "7- or certificate or reach"),
    ),
)
