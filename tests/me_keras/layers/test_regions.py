import gpu_kernels
import numpy as np
import tensorflow as tf
from contract import check_layer
from scipy.ndimage import map_coordinates

from me_keras.layers.regions import RegionCrop, mirror_boxes
from pipelines.schema import MIRRORED_REGIONS, REGIONS


def test_contract(rng):
    maps = tf.constant(rng.normal(size=(2, 16, 16, 3)), tf.float32)
    boxes = tf.constant(np.tile([[[0.1, 0.2, 0.6, 0.9]]], (2, 4, 1)), tf.float32)
    out = check_layer(RegionCrop, {"size": 5}, [maps, boxes])
    assert out.shape == (2, 4, 5, 5, 3)


def test_the_whole_map_at_its_own_size_is_itself(rng):
    maps = rng.normal(size=(1, 8, 8, 2)).astype(np.float32)
    crop = RegionCrop(8)([tf.constant(maps), tf.constant([[[0.0, 0, 1, 1]]])])
    np.testing.assert_allclose(crop[:, 0], maps, atol=1e-5)


def test_samples_strip_centres_like_scipy(rng):
    image = rng.normal(size=(20, 30)).astype(np.float32)
    y1, x1, y2, x2 = box = np.array([0.2, 0.1, 0.7, 0.6], np.float32)
    crop = RegionCrop(6)([image[None, ..., None], box[None, None]])[0, 0, ..., 0]
    strips = (np.arange(6) + 0.5) / 6
    rows = (y1 + (y2 - y1) * strips) * 20 - 0.5  # pixel i has its centre at (i + 0.5) / 20
    columns = (x1 + (x2 - x1) * strips) * 30 - 0.5
    grid = np.meshgrid(rows, columns, indexing="ij")
    np.testing.assert_allclose(crop, map_coordinates(image, grid, order=1), atol=1e-5)


def test_products_give_the_same_crops_and_gradients(rng):
    maps = tf.constant(rng.normal(size=(2, 16, 12, 3)), tf.float32)
    low = rng.random((2, 4, 2)) * 0.8 - 0.1  # some boxes reach beyond the map
    boxes = tf.constant(np.concatenate([low, low + 0.35], axis=-1), tf.float32)
    results = []
    for compiled in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(maps)
            crops = RegionCrop(5, compiled)([maps, boxes])
            loss = tf.reduce_sum(crops**2)
        results.append((crops, tape.gradient(loss, maps)))
    for found, expected in zip(*results):
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_where_there_is_a_gpu_it_is_products_and_the_saved_layer_is_the_same(rng, monkeypatch):
    maps = tf.constant(rng.normal(size=(2, 16, 12, 3)), tf.float32)
    boxes = tf.constant(np.tile([[[-0.1, 0.2, 0.6, 1.1]]], (2, 4, 1)), tf.float32)
    layer = RegionCrop(5)

    def crop():
        function = tf.function(lambda *inputs: layer(inputs)).get_concrete_function(maps, boxes)
        return function(maps, boxes), gpu_kernels.operations(function)

    (plain, seen), config = crop(), layer.get_config()
    assert "CropAndResize" in seen and "Einsum" not in seen
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [f"/device:{kind}:0"])
    products, seen = crop()
    assert "CropAndResize" not in seen and "Einsum" in seen
    np.testing.assert_allclose(products, plain, atol=2e-5)
    assert layer.get_config() == config and not layer.compiled


def test_gradient_reaches_only_the_region(rng):
    maps = tf.constant(rng.normal(size=(1, 16, 16, 1)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        loss = tf.reduce_sum(RegionCrop(8)([maps, tf.constant([[[0.5, 0.5, 1.0, 1.0]]])]))
    gradient = tape.gradient(loss, maps).numpy()[0, ..., 0]
    assert np.all(gradient[8:, 8:] > 0) and np.all(gradient[:7, :7] == 0)


def test_mirrored_boxes_frame_the_mirrored_image(rng):
    image = rng.normal(size=(1, 32, 32, 1)).astype(np.float32)
    boxes = np.sort(rng.random((1, len(REGIONS), 2, 2)), axis=2).reshape(1, -1, 4)
    boxes = tf.constant(boxes, tf.float32)
    crop = RegionCrop(6)
    straight = crop([image, boxes]).numpy()
    mirrored = crop([image[:, :, ::-1].copy(), mirror_boxes(boxes, MIRRORED_REGIONS)]).numpy()
    expected = straight[:, list(MIRRORED_REGIONS), :, ::-1]
    np.testing.assert_allclose(mirrored, expected, atol=1e-5)
    twice = mirror_boxes(mirror_boxes(boxes, MIRRORED_REGIONS), MIRRORED_REGIONS)
    np.testing.assert_allclose(twice, boxes, atol=1e-6)
