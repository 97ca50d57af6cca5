"""All that training and prediction compute can run on a GPU, deterministically, without waiting.

Nothing runs on a GPU here: the graphs are traced as on a machine with one and compared with the
kernels that TensorFlow registers.
"""

import gpu_kernels
import numpy as np
import pytest
import tensorflow as tf

from me_keras.models import FLOWS, IMAGES, MODELS
from me_keras.options import Options, resolve
from me_keras.training import Trainer, make_deterministic
from pipelines import cli, stack
from pipelines.schema import MIRRORED_REGIONS

pytestmark = [
    pytest.mark.usefixtures("short_solves"),
    pytest.mark.skipif(
        not gpu_kernels.has_gpu_kernels(), reason="this TensorFlow registers no GPU kernels"
    ),
    pytest.mark.skipif(
        stack.installed() == "current",
        reason="what is refused was read off TensorFlow 2.15, and Keras 3 makes another loop",
    ),
]
make_deterministic()
BATCH = 4  # batches are always full
SMALL = {"filters": (8, 12), "hidden_dim": 16, "num_heads": 2, "stochastic_depth": 0.1}
CHANNELS = {
    "dgm": 0,
    "frames": 0,
    **dict.fromkeys(IMAGES, 1),
    "dynamic_images": 2,
    "precomputed": 3,
}
CHANNELS |= dict.fromkeys(FLOWS, 3)  # dx, dy, strain
# Of the motions that give the same graph, one.
GRAPHS = ("dgm", "frames", "tvl1", "dynamic_image", "dynamic_images", "precomputed")
# Of the default model in float32 are `test_other_options` and the test after it.
PRECISIONS = {"dgm": ("float16", "bfloat16"), "dynamic_image": ("off",)}
CASES = [
    (name, motion, precision)
    for name in ("frl_dgt", "ststnet")
    for motion in GRAPHS
    for precision in (PRECISIONS.get(motion, ("float16",)) if name == "frl_dgt" else ("off",))
    if motion in MODELS[name].motions
]
OTHERS = [n for n, m in MODELS.items() if not m.classical and n not in ("frl_dgt", "ststnet")]
CASES += [(name, next(m for m in GRAPHS if m in MODELS[name].motions), "off") for name in OTHERS]
CASES += [("ststnet", "precomputed", precision) for precision in ("float16", "bfloat16")]
# What is not the default, and changes the graph; how motion is made and what is made of it apart.
OTHERWISE = [
    {"motion": "tvl1", "fusion_order": "after", "num_layers": 2, "readout": 0},
    {"motion": "tvl1", "local_fusion": False, "global_fusion": False},
    {
        **{"face_fusion": False, "dgm": "two-stage", "weight_average": 0.0},
        **{"reconstruction": "census", "forward_backward": 0.1},
    },
    {"dgm": "frozen", "mirror_test": False, "reconstruction": "structure"},
]


@pytest.fixture(autouse=True)
def _a_gpu_is_there(monkeypatch):
    listed = tf.config.list_logical_devices
    monkeypatch.setattr(
        tf.config,
        "list_logical_devices",
        lambda kind=None: ["GPU:0"] if kind == "GPU" else listed(kind),
    )


def graphs(model="frl_dgt", motion="dgm", steps=5, **changes):
    """dict of the traced functions of a `Trainer`: train, warm_up, predict.

    What is trained in half precision predicts in float32, so only what is not is asked to.
    """
    kind = "precomputed" if motion == "precomputed" else "frames"
    options = resolve(cli.replace(Options(), model=model, motion=motion), kind)
    options = cli.replace(options, **SMALL | {"mixed_precision": "off"} | changes)
    channels, size = CHANNELS[motion], 28 if kind == "precomputed" else 128
    strategy = tf.distribute.get_strategy()
    trainer = Trainer(options, size, 3, channels, steps, MIRRORED_REGIONS, strategy)
    inputs = {"regions": tf.TensorSpec((BATCH, 9, 4))}
    frames = {"motion": channels} if channels else {"onset": 1, "apex": 1}
    inputs |= {name: tf.TensorSpec((BATCH, size, size, n)) for name, n in frames.items()}
    batches = tf.data.IteratorSpec((inputs, {"label": tf.TensorSpec((BATCH,), tf.int32)}))
    step = trainer.model.make_train_function()
    traced = {"train": step.get_concrete_function(batches)}
    if trainer._exact is trainer.model:
        traced["predict"] = trainer._predict_step.get_concrete_function(inputs)
    if trainer.generator:
        step = trainer.generator.make_train_function()
        traced["warm_up"] = step.get_concrete_function(batches)
    return traced


def assert_good(traced):
    found = {name: gpu_kernels.problems(function) for name, function in traced.items()}
    assert found == dict.fromkeys(traced, [])


@pytest.mark.slow
@pytest.mark.parametrize("model, motion, precision", CASES)
def test_every_model_motion_and_precision(model, motion, precision):
    # How each motion is mirrored is the motion's affair, and seen with the first two models.
    assert_good(graphs(model, motion, mixed_precision=precision, mirror_test=model not in OTHERS))


@pytest.mark.slow
@pytest.mark.parametrize("changes", OTHERWISE, ids=str)
def test_other_options(changes):
    assert_good(graphs(**changes))


@pytest.mark.slow
def test_the_walk_sees_what_a_step_computes():
    traced = graphs(steps=1)
    assert_good(traced)
    seen = {name: gpu_kernels.operations(function) for name, function in traced.items()}
    assert {"Conv2D", "Conv2DBackpropInput", "IteratorGetNext"} <= seen["warm_up"]
    assert {"Conv2DBackpropFilter", "StatelessRandomUniformV2", "AssignVariableOp"} <= seen["train"]
    assert "GatherV2" in seen["predict"] and "CropAndResize" not in seen["predict"]


def found(function, *shapes, dtype=tf.float32):
    specs = [tf.TensorSpec(shape, dtype) for shape in shapes]
    return gpu_kernels.problems(tf.function(function).get_concrete_function(*specs))


def gradient(function):
    def inner(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return tape.gradient(y, x)

    return inner


def crop(image):
    boxes = np.float32([[0, 0, 1, 1]])
    return tf.image.crop_and_resize(image, boxes, [0], (4, 4))


def normalise(image):
    ones = tf.ones(3)
    return tf.compat.v1.nn.fused_batch_norm(image, ones, ones, ones, ones, is_training=False)[0]


def scatter(x):
    return tf.tensor_scatter_nd_add(x, [[0]], [1.0])


BAD = [
    (gradient(crop), (2, 8, 8, 1), "refused under determinism (image/crop_and_resize_op.cc)"),
    (gradient(normalise), (2, 8, 8, 3), "refused under determinism (fused_batch_norm_op.cc)"),
    (scatter, (4,), "host round trip under determinism: TensorScatterAdd"),
    (lambda x: tf.numpy_function(np.sin, [x], tf.float32), (4,), "host round trip: PyFunc"),
    (lambda x: tf.py_function(tf.sin, [x], tf.float32), (4,), "host round trip: EagerPyFunc"),
    (lambda x: tf.image.resize(x, (4, 4), "area"), (2, 8, 8, 1), "no GPU kernel: ResizeArea"),
    # int32 is computed on the host
    (lambda x: tf.cast(x, tf.int32) + 1, (4,), "host round trip for x, int32 of Cast: AddV2"),
    (lambda x: tf.reshape(x, [tf.cast(x[0], tf.int64), -1]), (4,), "for shape, int64 of"),
    (
        lambda x: tf.random.stateless_uniform([4], tf.cast(x, tf.int64)),
        (2,),
        "host round trip for seed, int64 of Cast: StatelessRandomGetKeyCounter",
    ),
]


@pytest.mark.parametrize("function, shape, said", BAD, ids=[said for *_, said in BAD])
@pytest.mark.parametrize("place", ["plain", "in a function", "in a loop", "in a branch"])
def test_what_a_gpu_cannot_do_is_found(function, shape, said, place):
    def placed(x):
        if place == "plain":
            return function(x)
        if place == "in a function":
            return tf.function(function)(x)
        if place == "in a branch":
            return tf.cond(tf.size(x) > 0, lambda: [function(x), 0][1], lambda: 0)

        def body(i):
            with tf.control_dependencies([function(x)]):
                return i + 1

        return tf.while_loop(lambda i: i < 3, body, [0])

    assert any(said in line for line in found(placed, shape))


def test_a_condition_on_computed_values_is_a_round_trip():
    lines = found(lambda x: tf.while_loop(lambda y: y[0] < 3.0, lambda y: y + 1.0, [x]), (4,))
    assert len(lines) == 1 and "host round trip: result" in lines[0]
    lines = found(lambda x: tf.cond(x[0] > 0.0, lambda: x, lambda: -x), (4,))
    assert len(lines) == 1 and "host round trip for cond, bool of Greater: " in lines[0]


def test_types_without_a_kernel_are_found():
    assert found(tf.linalg.matmul, (4, 4), (4, 4)) == []
    lines = found(tf.linalg.matmul, (4, 4), (4, 4), dtype=tf.int64)
    assert len(lines) == 1 and lines[0].startswith("no GPU kernel: MatMul")
