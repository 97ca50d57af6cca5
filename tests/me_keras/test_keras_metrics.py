import keras
import numpy as np
import pytest

from me_keras import metrics


@pytest.mark.parametrize("name", ["UF1", "UAR"])
def test_equals_the_numpy_function_over_batches(rng, name):
    metric, function = getattr(metrics, name)(4), metrics.SCORES[name.lower()]
    labels, logits = rng.integers(0, 3, 50), rng.normal(size=(50, 4))  # class 3 has no clip
    for part in np.split(np.arange(50), [7, 20]):
        metric.update_state(labels[part], logits[part])
    expected = function(metrics.confusion(labels, logits.argmax(1), 4))
    assert float(metric.result()) == pytest.approx(expected, rel=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_sample_weights_count_clips():
    metric = metrics.UAR(2)
    metric.update_state([0, 0, 1], np.eye(2)[[0, 1, 1]], sample_weight=[1.0, 0.0, 2.0])
    assert float(metric.result()) == 1.0


@pytest.mark.parametrize("name", ["UF1", "UAR"])
def test_saved_by_name(name):
    metric = getattr(metrics, name)(5)
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert type(again) is type(metric) and again.num_classes == 5 and again.name == name


def test_other_names_are_unknown():
    with pytest.raises(AttributeError, match="no attribute 'UF2'"):
        metrics.UF2  # noqa: B018
