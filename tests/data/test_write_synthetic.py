"""A set of synthetic recordings is written whole or not at all."""

import numpy as np
import pytest

from refsast.data import write_synthetic


def test_an_interrupted_writing_leaves_no_half_set(tmp_path):
    def stop(items):
        yield from list(items)[:5]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_synthetic(tmp_path, "Train", 12, np.random.default_rng(0), progress=stop)

    assert list(tmp_path.iterdir()) == []
