"""Copies a Keras model's weights into its PyTorch peer, `benchmarks.torch_peer`."""

import numpy as np
import torch


def copy_from_keras(peer, model):
    """Fills the peer `FrlDgt` with the weights of the Keras model; returns the peer.

    Raises:
        ValueError: if a shape differs or a number of parameters is left over.
    """
    copied = sum(_copy(target, array) for target, array in _pairs(peer, model))
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    own = sum(parameter.numel() for parameter in peer.parameters())
    if not copied == trained == own:
        raise ValueError(f"the models differ: {trained} Keras and {own} PyTorch parameters")
    return peer


def _copy(parameter, array):
    if tuple(parameter.shape) != array.shape:
        raise ValueError(f"shapes differ: Keras {array.shape}, PyTorch {tuple(parameter.shape)}")
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(array)))
    return array.size


def _pairs(peer, model):
    """Each parameter of the peer with the array it shall hold."""
    yield from _generator(peer.generator, model.get_layer("displacement_generator"))
    for name in ("local_fusion", "global_fusion", "face_fusion"):
        yield from _fusion(getattr(peer, name), model.get_layer(name))
    for name in ("read_regions", "read_face", "logits"):
        yield from _linear(getattr(peer, name), model.get_layer(name))


def _generator(peer, layer):
    # space to depth: (row, column, channel) there, (channel, row, column) here
    def order(channels):
        return np.arange(4 * channels).reshape(2, 2, channels).transpose(2, 0, 1).ravel()

    inputs = np.concatenate([np.arange(16), 16 + order(8)])  # the onset, and eight maps
    yield peer.prior, layer.prior.numpy()
    for name in ("reduce", "encode", "project", "decode"):
        for index, (conv, source) in enumerate(zip(getattr(peer, name), getattr(layer, name))):
            kernel = source.kernel.numpy()  # (kh, kw, in, out)
            if name == "reduce" and not index:
                kernel = kernel[:, :, inputs]
            yield conv.weight, kernel.transpose(3, 2, 0, 1)
            yield conv.bias, source.bias.numpy()
    yield peer.head.weight, layer.head.kernel.numpy()[..., order(4)].transpose(3, 2, 0, 1)
    yield peer.head.bias, layer.head.bias.numpy()[order(4)]


def _fusion(peer, layer):
    yield peer.position, layer.position.numpy()
    yield from _linear(peer.fuse, layer.fuse)
    for target, source in zip(peer.blocks, layer.blocks):
        for name in ("query_key_value", "attention_output", "mlp_hidden", "mlp_output"):
            yield from _linear(getattr(target, name), getattr(source, name))
        for name in ("attention_norm", "mlp_norm"):
            yield from _norm(getattr(target, name), getattr(source, name))
    yield from _norm(peer.norm, layer.norm)


def _linear(target, layer):
    yield target.weight, layer.kernel.numpy().T
    yield target.bias, layer.bias.numpy()


def _norm(target, layer):
    yield target.weight, layer.gamma.numpy()
    yield target.bias, layer.beta.numpy()
