"""The look of the course's figures."""

import matplotlib.pyplot as plt

from refsast.experiment.figures import COLOURS


def test_the_style_is_found_by_its_name_and_has_the_colours_of_all_figures():
    with plt.style.context("refsast.course"):
        cycle = plt.rcParams["axes.prop_cycle"].by_key()["color"]
        assert cycle == list(COLOURS)
        assert plt.rcParams["figure.facecolor"] == "white"  # stated: pages may be dark
        assert plt.rcParams["axes.edgecolor"] == "#444444"
