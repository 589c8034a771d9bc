"""A conformance suite that ships: run it with pytest against any implementation.

``REFSAST_IMPL=package:factory pytest --pyargs refsast.crosscheck.conformance``

Levels, in this order: surrogate (one neuron, one step), one_step (whole networks), unroll (over
time), gradient, sam, hard_swap. ``docs/conformance.md`` has the rest.
"""
