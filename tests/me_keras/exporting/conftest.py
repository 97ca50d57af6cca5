"""One tiny model, exported once for all tests of its folder."""

import exported
import pytest


@pytest.fixture(scope="module", autouse=True)
def _short_solves(short_solves):
    """What is exported is compared with the same model, whatever displacement that finds."""


@pytest.fixture(scope="session")
def tiny():
    """The `TrainedModel` behind `version`."""
    return exported.tiny()


@pytest.fixture(scope="session")
def version(tmp_path_factory):
    """The folder of an exported version. Do not write into it."""
    return exported.export_short(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def loaded(version):
    """The SavedModel of `version`."""
    import tensorflow as tf

    return tf.saved_model.load(str(version))
