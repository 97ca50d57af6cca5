"""The PyTorch peer predicts, measures and learns as the Keras model does."""

import numpy as np
import pytest

from benchmarks import peer, setting
from benchmarks.measure import BenchOptions
from pipelines import cli

torch = pytest.importorskip("torch", reason="the PyTorch peer needs torch")

ROOM = 1e-4


def made(loso="", **changes):
    """Tiny options, their trainer and the peer with the trainer's weights."""
    changes = {"epochs": 1, "warmup_epochs": 1, **changes}
    options = setting.options_of(BenchOptions(quick=True, loso=loso), **changes)
    trainer = setting.trainer(options, steps_per_epoch=3)
    rng = np.random.default_rng(1)
    for weight in trainer.model.trainable_weights:  # biases and the head start at zero
        weight.assign_add(rng.normal(0, 0.05, weight.shape))
    return options, trainer, with_weights(options, trainer.model).eval()


def with_weights(options, model):
    """The peer with the weights of the Keras model."""
    import torch_weights

    return torch_weights.copy_from_keras(peer.peer_of(options), model)


def smooth_batch(options):
    """A batch of smooth images that move: noise would hide a wrong displacement."""
    inputs, labels = setting.batch(options)
    rows = np.linspace(0, 9, options.data.preparation.image_size, dtype=np.float32)
    for name, shift in (("onset", 0.0), ("apex", 0.2)):
        phase = np.arange(options.data.batch_size)[:, None, None] + shift
        wave = np.sin(rows[:, None] + phase) + np.cos(1.7 * rows[None] - 2 * phase)
        inputs[name] = (0.5 + 0.2 * wave[..., None]).astype(np.float32)
    inputs["regions"] = np.clip(inputs["regions"] - 0.14, 0, 1)  # one begins at the border
    return inputs, labels


@pytest.mark.parametrize("loso", ["", "--num-layers 2 --readout 5"])
def test_it_predicts_as_the_keras_model(loso):
    options, trainer, theirs = made(loso)
    inputs, _ = smooth_batch(options)
    expected = {name: value.numpy() for name, value in trainer.model(inputs).items()}
    tensors = peer.as_tensors(inputs)
    with torch.inference_mode():
        logits, half = theirs(tensors["onset"], tensors["apex"], tensors["regions"])
        displacement, warped = theirs.rebuild(tensors["apex"], half)
    np.testing.assert_allclose(logits, expected["logits"], atol=ROOM)
    moved = displacement.permute(0, 2, 3, 1)
    assert np.abs(expected["displacement"]).max() > 0.1
    np.testing.assert_allclose(moved, expected["displacement"], atol=ROOM)
    np.testing.assert_allclose(warped.permute(0, 2, 3, 1), expected["warped"], atol=ROOM)


def test_the_default_model_has_as_many_parameters():
    options = setting.options_of(BenchOptions())
    with_weights(options, setting.predictor(options))  # names what differs


def test_other_sizes_and_parts_are_refused():
    options, trainer, theirs = made()
    with pytest.raises(ValueError, match="differ"):
        with_weights(cli.replace(options, readout=16), trainer.model)
    with pytest.raises(ValueError, match="face_fusion True only"):
        peer.peer_of(cli.replace(options, face_fusion=False))
    from benchmarks.torch_peer.training import Training

    with pytest.raises(ValueError, match="photometric"):
        Training(theirs, cli.replace(options, reconstruction="census").training, steps=1)


@pytest.mark.parametrize("dgm", ["joint", "two-stage"])
def test_it_learns_as_the_keras_model(dgm):
    import tensorflow as tf

    from benchmarks.torch_peer.training import Training

    # Small steps: where a gradient is zero, Adam takes whole ones of its rounding.
    changes = {"dropout": 0.0, "head_dropout": 0.0, "learning_rate": 1e-4}
    options, trainer, theirs = made(dgm=dgm, **changes)
    batch = smooth_batch(options)
    tensors = peer.as_tensors({**batch[0], **batch[1]})
    trained = Training(theirs, options.training, steps=3)
    start = flat(theirs.parameters())
    trained.loss(tensors).backward()
    gradient = flat(parameter.grad for parameter in theirs.parameters())
    expected = flat(with_weights(options, of_gradients(trainer, batch)).parameters())
    assert (gradient - expected).norm() <= 1e-3 * expected.norm()
    expected = trainer.fit(tf.data.Dataset.from_tensors(batch).repeat())[0]["loss"]
    assert trained.run(tensors, steps=3) == pytest.approx(expected, abs=ROOM)
    averaged = flat(with_weights(options, trainer.model).parameters())  # as `fit` leaves them
    apart, moved = averaged - flat(trained.average), averaged - start
    assert apart.norm() <= 0.4 * moved.norm()


def of_gradients(trainer, batch):
    """A model as the trainer's, the gradient of its loss in place of its weights."""
    import tensorflow as tf

    model = trainer.model
    with tf.GradientTape() as tape:
        loss = model._loss(batch, training=True)
    model = setting.trainer(trainer.options, steps_per_epoch=3).model
    for weight, gradient in zip(
        model.trainable_weights, tape.gradient(loss, trainer.model.trainable_weights)
    ):
        weight.assign(gradient)
    return model


def flat(tensors):
    """All numbers of some tensors in one vector, a copy."""
    return torch.cat([tensor.detach().flatten() for tensor in tensors])
