"""A tiny exported model, for tests of everything that serves or asks one."""

import contextlib
import dataclasses
import functools
import struct
import unittest.mock
import zlib

import numpy as np

IMAGE_SIZE = 32
CLASSES = ("negative", "positive", "surprise")
SCORE = {"mean": 0.6, "sd": 0.02, "ci95": [0.5, 0.7]}


@functools.lru_cache(maxsize=8)
def tiny(name="frl_dgt", image_size=IMAGE_SIZE, mirror_test=True, motion="dgm", **options):
    """A `TrainedModel` of random weights, large enough for its answers to differ.

    Args:
        motion: where the motion comes from.
        options: of the model's builder.
    """
    import keras
    from prepared_fixture import BOXES

    from me_keras import models
    from me_keras.exporting.trained import TrainedModel, describe_motion
    from pipelines import flow

    keras.utils.set_random_seed(5)
    if name == "frl_dgt":
        options = {"hidden_dim": 16, "num_heads": 2, "filters": (8, 12), **options}
    channels = 0 if motion == "dgm" else 3
    if motion in flow.MOTIONS:
        channels = flow.MOTIONS[motion].channels
    model = models.build(name, image_size, len(CLASSES), channels, **options)
    scales = {"logits": 3.0, "displacement_generator": 1.5}
    for layer in model.layers:
        kernels = [w for w in layer.trainable_weights if "kernel" in w.name]
        if layer.name in scales:
            kernels[-1].assign(scales[layer.name] * kernels[-1] + 0.02)
    align = {"image_size": image_size, "margin": 8, "rigid": True}
    return TrainedModel(
        model=model,
        classes=CLASSES,
        regions=np.clip(BOXES, 0, 1),
        mirror_test=mirror_test,
        alignment=None
        if motion == "precomputed"
        else {**align, "eye_distance": 0.4, "eye_level": 0.22},
        motion=describe_motion(motion),
        data={
            "dataset": "synthetic",
            "protocol": "synthetic-3",
            "digest": "0" * 64,
            "clips": 12,
            "subjects": 4,
        },
        score={"uf1": SCORE, "uar": SCORE, "accuracy": SCORE}
        | {"seeds": 2, "clips": 12, "subjects": 4, "note": None},
        training={
            "run": "tiny",
            "model": name,
            "seed": 5,
            "epochs": 1,
            "warmup_epochs": 0,
            "mirror_test": mirror_test,
            "class_counts": dict.fromkeys(CLASSES, 4),
        },
    )


def export_tiny(base, version=None, **options):
    """Writes `tiny(**options)` as a version under `base`; returns its folder."""
    from me_keras.exporting.export_model import write_version

    return write_version(tiny(**options), base, version)


@contextlib.contextmanager
def short_solves():
    """Fewer steps of the displacement's solver where a model is traced: half the graph."""
    from me_keras.layers import displacement

    with unittest.mock.patch.object(displacement, "ITERATIONS", (1, 2)):
        yield


@short_solves()
def export_short(base):
    """As `export_tiny`, with short solves: for comparisons with the SavedModel, or with those."""
    return export_tiny(base)


def of_file(path):
    """`tiny()` with the model of a `.keras` file of frames of 32 px."""
    from me_keras import load_model

    return dataclasses.replace(tiny(), model=load_model(path, compile=False))


@short_solves()
def export_file(path, base):
    """Writes `of_file(path)` as a version under `base`, with short solves; returns its folder."""
    from me_keras.exporting.export_model import write_version

    return write_version(of_file(path), base, None)


def requests(batch, seed=0, image_size=IMAGE_SIZE):
    """Inputs of each signature: dict of dicts of arrays, lists of bytes where images are encoded.

    All ask about the same frames; those of `serving_default` hold the grey levels of the others.
    """
    import cv2

    rng = np.random.default_rng([seed, batch])
    shape = (batch, image_size, image_size, 1)
    onset = smooth(rng.integers(0, 256, shape).astype(np.uint8))
    apex = np.roll(onset, 1, axis=2)
    uint8 = {"onset": onset, "apex": apex}
    floats = {name: (value / np.float32(255)).astype(np.float32) for name, value in uint8.items()}
    encoded = {
        f"{name}_bytes": [cv2.imencode(".png", image)[1].tobytes() for image in value]
        for name, value in uint8.items()
    }
    regions = {**floats, "regions": boxes(batch, rng)}
    return {
        "serving_default": floats,
        "serving_uint8": uint8,
        "serving_regions": regions,
        "serving_bytes": encoded,
        "displacement": regions,
    }


def motion_requests(batch, channels, seed=0, image_size=IMAGE_SIZE):
    """As `requests`, of a model on motion maps."""
    rng = np.random.default_rng([seed, batch])
    motion = rng.normal(0, 1, (batch, image_size, image_size, channels)).astype(np.float32)
    regional = {"motion": motion, "regions": boxes(batch, rng)}
    return {"serving_default": {"motion": motion}, "serving_regions": regional}


def boxes(batch, rng):
    """Boxes (batch, 9, 4) of any size and place."""
    corners = np.sort(rng.random((batch, 9, 2, 2)), axis=2)
    return corners.reshape(batch, 9, 4).astype(np.float32)


def smooth(frames):
    """Blurs `(b, h, w, 1)` uint8 a little and stretches it, so that there is motion to follow."""
    import cv2

    blurred = [cv2.GaussianBlur(frame, (0, 0), 1.5) for frame in frames]
    stretched = [cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX) for image in blurred]
    return np.stack(stretched)[..., None]


def expected(found, signature, inputs):
    """What a signature should answer, computed on the Keras model in NumPy and OpenCV.

    Args:
        found: a `TrainedModel`. inputs: as `requests` makes them, for `serving_bytes` uint8 frames.
    """
    inputs = {name: np.asarray(value) for name, value in inputs.items()}
    for name, value in inputs.items():
        if value.dtype == np.uint8:
            inputs[name] = value / np.float32(255)
    batch = len(next(iter(inputs.values())))
    inputs.setdefault("regions", np.tile(np.asarray(found.regions, np.float32), (batch, 1, 1)))
    model = answers_of(found.model)
    direct = model(inputs)
    probabilities, attention = softmax(direct["logits"]), direct["attention"]
    if found.mirror_test:
        mirrored = model(mirror(inputs))
        probabilities = (probabilities + softmax(mirrored["logits"])) / 2
        attention = (attention + mirror_rows(mirrored["attention"])) / 2
    figures = motion_figures(inputs, direct) if "displacement" in direct else {}
    if signature == "displacement":
        return {
            "displacement": direct["displacement"],
            "magnitude": np.hypot(*np.moveaxis(direct["displacement"], -1, 0)),
            "attention": attention,
            "probabilities": probabilities,
            **figures,
        }
    names = np.array(found.classes)
    answer = {
        "probabilities": probabilities,
        "classes": np.tile(names, (batch, 1)),
        "predicted": names[probabilities.argmax(axis=1)],
        **figures,
    }
    return {**answer, "attention": attention} if signature == "serving_regions" else answer


def mirror(inputs):
    """The inputs of a mirrored face."""
    turned = {n: v[:, :, ::-1].copy() for n, v in inputs.items() if n != "regions"}
    if "motion" in turned and turned["motion"].shape[-1] > 1:
        turned["motion"][..., 0] *= -1
    y1, x1, y2, x2 = np.moveaxis(mirror_rows(inputs["regions"]), -1, 0)
    return {**turned, "regions": np.stack([y1, 1 - x2, y2, 1 - x1], -1)}


def mirror_rows(values):
    """`(b, 9, …)` with left and right regions changed over."""
    from pipelines.schema import MIRRORED_REGIONS

    return values[:, list(MIRRORED_REGIONS)]


def motion_figures(inputs, outputs):
    """The figures beside an answer, a face at a time, with OpenCV's blur."""
    import cv2

    from me_keras.motion_figures import face_mask

    frames = inputs["onset"], inputs["apex"], outputs["warped"]
    size = frames[0].shape[1]
    face = face_mask(size)
    length = np.linalg.norm(outputs["displacement"], axis=-1)[:, face]

    def gain(onset, apex, warped, inside):
        before, after = (np.abs(image - onset)[inside].mean() for image in (apex, warped))
        return 1 - after / before if before else 0.0

    raw, smoothed = [], []
    for images in zip(*(frame[..., 0] for frame in frames)):
        raw.append(gain(*images, np.s_[4:-4, 4:-4]))
        blurred = [cv2.GaussianBlur(image, (0, 0), 1.5 / 128 * size) for image in images]
        smoothed.append(gain(*blurred, face))
    return {
        "displacement_mean_px": length.mean(axis=1),
        "displacement_max_px": length.max(axis=1),
        "reconstruction_gain": np.array(raw),
        "motion_explained": np.array(smoothed),
    }


@functools.lru_cache(maxsize=4)
def answers_of(model):
    """A function from inputs to the outputs of a Keras model, its attention included, as arrays."""
    from me_keras.models.frl_dgt import with_attention

    if any(layer.name == "global_fusion" for layer in model.layers):
        model = with_attention(model)

    def answer(inputs):
        outputs = {name: value.numpy() for name, value in model(inputs).items()}
        return {"attention": np.full((len(inputs["regions"]), 9), 1 / 9), **outputs}

    return answer


def softmax(logits):
    """Of `(b, k)` in NumPy."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def assert_answers(wanted, outputs, atol=1e-5):
    """`outputs` (dict of arrays) are those that `expected` computed; strings may be bytes."""
    assert set(outputs) == set(wanted)
    for name, value in wanted.items():
        answer = np.asarray(outputs[name])
        if value.dtype.kind == "U":
            answer = np.vectorize(lambda s: s.decode() if isinstance(s, bytes) else s)(answer)
            np.testing.assert_array_equal(answer, value)
        else:
            np.testing.assert_allclose(answer, value, atol=atol, err_msg=name)


def png_of(width, height, data=b"\0"):
    """A PNG whose header claims this size."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))]
    chunks += [(b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(content)) + kind + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + body
