import keras
import numpy as np
import pytest

from me_keras import pretrained
from me_keras.models import build
from me_keras.models.frl_dgt import displacement_model
from pipelines.schema import DataError


def generator_weights(model):
    return model.get_layer("displacement_generator").get_weights()


def test_the_shipped_weights_suit_the_default_model_of_any_size():
    assert pretrained.PATH.stat().st_size < 1.5 * 2**20
    for model in (displacement_model(64), build("frl_dgt", 32)):
        before = generator_weights(model)
        pretrained.load(model)
        after = generator_weights(model)
        assert sum(np.abs(a - b).max() > 1e-3 for a, b in zip(before, after)) > 10
        assert all(np.isfinite(weight).all() for weight in after)


def test_what_is_saved_is_loaded(tmp_path):
    keras.utils.set_random_seed(1)
    model = displacement_model(32, (4, 6))
    pretrained.save(model, tmp_path / "new" / "weights.npz")
    keras.utils.set_random_seed(2)
    other = displacement_model(32, (4, 6))
    pretrained.load(other, tmp_path / "new" / "weights.npz")
    for one, another in zip(generator_weights(model), generator_weights(other)):
        np.testing.assert_array_equal(one, another)


@pytest.mark.parametrize(
    "content, said",
    [
        (None, "is missing: install the package anew, or train from nothing with --dgm-init none"),
        (b"", "is damaged"),
        (b"PK\x03\x04nothing", "is damaged"),
        ("half", "is damaged"),
    ],
)
def test_a_missing_or_truncated_file_names_the_way_out(tmp_path, content, said):
    path = tmp_path / "displacement.npz"
    if content == "half":
        content = pretrained.PATH.read_bytes()[:500_000]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=said) as error:
        pretrained.load(displacement_model(32), path)
    assert "--dgm-init none" in str(error.value) and str(path) in str(error.value)


def test_weights_for_other_filters_name_the_way_out():
    with pytest.raises(DataError, match="other --filters than 8 12.*--dgm-init none"):
        pretrained.load(displacement_model(32, (8, 12)))


def test_an_archive_of_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    with pytest.raises(DataError, match="is damaged.*--dgm-init none"):
        pretrained.load(displacement_model(32), tmp_path / "other.npz")
