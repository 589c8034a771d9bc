"""Where real recordings are, and small archives that imitate the official ones."""

import zipfile

import numpy as np
import pytest

from refsast.data import write_synthetic


@pytest.fixture(scope="session")
def gestures(nmnist):
    """Real recordings of the DVS128, beside those of N-MNIST."""
    paths = sorted((nmnist.parent / "dvs-gesture-sample").glob("*.bin"))
    if not paths:
        pytest.skip(f"no gesture recordings beside {nmnist}")
    return paths


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """A folder of 23 synthetic training recordings in the layout of the archive. Read only."""
    root = tmp_path_factory.mktemp("written")
    write_synthetic(root, "Train", 23, np.random.default_rng(7))
    return root


@pytest.fixture
def zipped(written, tmp_path):
    """A folder that holds the same recordings as Train.zip."""
    with zipfile.ZipFile(tmp_path / "Train.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(written.rglob("*.bin"), reverse=True):
            archive.write(path, path.relative_to(written).as_posix())
    return tmp_path
