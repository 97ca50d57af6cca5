"""Every test starts from the same seeds, and TensorFlow keeps quiet."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _seeds():
    np.random.seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
