import struct
import zlib

import cv2
import numpy as np
import pytest
import tensorflow as tf
from exported import png_of

from me_keras.exporting import images
from pipelines.faces import frames


@tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
def decode(encoded):
    return images.decode("onset_bytes", encoded, 32)


def encoded(suffix, image, *flags):
    return cv2.imencode(suffix, image, flags)[1].tobytes()


@pytest.fixture
def grey(rng):
    return cv2.GaussianBlur(rng.integers(0, 256, (32, 32)).astype(np.uint8), (0, 0), 1)


def test_an_image_of_the_models_size_keeps_its_levels(grey):
    found = decode([encoded(".png", grey)])
    assert found.shape == (1, 32, 32, 1)
    np.testing.assert_array_equal(np.round(found[0, ..., 0] * 255), grey)


def test_colour_becomes_grey_as_in_training(rng):
    rgb = rng.integers(0, 256, (32, 32, 3)).astype(np.uint8)
    found = decode([encoded(".png", rgb[..., ::-1])])
    np.testing.assert_allclose(found[0, ..., 0] * 255, frames.to_grey(rgb), atol=1.01)


def test_jpeg_is_near_and_sixteen_bits_and_alpha_are_read(grey):
    found = decode([encoded(".jpg", grey, cv2.IMWRITE_JPEG_QUALITY, 98)])
    assert np.abs(found[0, ..., 0] * 255 - grey).mean() < 2
    found = decode([encoded(".png", grey.astype(np.uint16) * 257)])
    np.testing.assert_allclose(found[0, ..., 0] * 255, grey, atol=1)
    with_alpha = np.dstack([grey] * 3 + [np.full_like(grey, 7)])
    np.testing.assert_allclose(decode([encoded(".png", with_alpha)])[0, ..., 0] * 255, grey, atol=1)


def test_a_larger_image_is_smoothed_and_a_smaller_one_interpolated(rng):
    large = cv2.GaussianBlur(rng.integers(0, 256, (96, 96)).astype(np.uint8), (0, 0), 4)
    found = decode([encoded(".png", large)])[0, ..., 0] * 255
    expected = cv2.resize(large.astype(np.float32), (32, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(found - expected)[2:-2, 2:-2].max() < 2
    checker = np.uint8(255 * (np.indices((128, 128)).sum(0) % 2))
    found = decode([encoded(".png", checker)])[0, 4:-4, 4:-4] * 255
    assert np.abs(found - 127.5).max() < 2  # picking every fourth pixel would give 0 or 255
    small = decode([encoded(".png", np.full((7, 7), 90, np.uint8))])
    np.testing.assert_allclose(small * 255, 90, atol=1e-3)


def test_images_of_several_sizes_and_formats_in_one_request(grey):
    large = cv2.resize(grey, (64, 64))
    found = decode([encoded(".png", grey), encoded(".jpg", large), encoded(".png", large)])
    assert found.shape == (3, 32, 32, 1)
    assert np.abs(found[1] - found[2]).max() * 255 < 16


def with_orientation(suffix, image, value, order):
    """An encoded image with an EXIF block of one tag, in either byte order."""
    tag = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, value, 0)
    header = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
    block = header + struct.pack(f"{order}H", 1) + tag + bytes(4)
    content = encoded(suffix, image, *([cv2.IMWRITE_JPEG_QUALITY, 98] if suffix == ".jpg" else []))
    if suffix == ".jpg":
        block = b"Exif\0\0" + block
        return content[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + content[2:]
    checksum = struct.pack(">I", zlib.crc32(b"eXIf" + block))
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block + checksum
    return content[:33] + chunk + content[33:]  # after the header


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_images_are_turned_as_their_exif_tag_says(grey, suffix, order, tmp_path):
    """All eight ways, as `read_frame` turns them; what is no orientation turns nothing."""
    grey[:8, :16] = 255  # no symmetry
    contents = [with_orientation(suffix, grey, value, order) for value in range(10)]
    for content, found in zip(contents, decode(contents)):
        (tmp_path / "image").write_bytes(content)
        wanted = frames.to_grey(frames.read_frame(tmp_path / "image"))
        assert np.abs(found[..., 0] * 255 - wanted).mean() < 1


def test_a_damaged_exif_block_turns_nothing(grey):
    content = with_orientation(".png", grey, 6, "<")
    at = content.index(b"eXIf") + 4
    for place, value in ((4, b"\xff\xff\xff\xff"), (8, b"\xff\xff"), (0, b"\0\0"), (10, b"\0")):
        damaged = bytearray(content)
        damaged[at + place : at + place + len(value)] = value
        damaged[at - 8 : at - 4], end = content[at - 8 : at - 4], at + 26
        damaged[end : end + 4] = struct.pack(">I", zlib.crc32(bytes(damaged[at - 4 : end])))
        assert decode([bytes(damaged)]).shape == (1, 32, 32, 1)


def jpeg_of(side, grey):
    """A JPEG whose frame header claims this size."""
    content = bytearray(encoded(".jpg", grey))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", side, side)
    return bytes(content)


def many_scans(grey):
    content = encoded(".jpg", grey, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + 200 * last + content[-2:]


HOSTILE = {
    "truncated png": (lambda grey: encoded(".png", grey)[:-40], "PNG"),
    "truncated jpeg": (lambda grey: encoded(".jpg", grey)[:-40], "JPEG|jpeg"),
    "damaged png": (lambda grey: encoded(".png", grey).replace(b"IDAT", b"IDAT!"), "PNG"),
    "header alone": (lambda grey: encoded(".png", grey)[:24], "PNG"),
    "half a header": (lambda grey: encoded(".png", grey)[:20], "neither PNG nor JPEG"),
    "huge png": (lambda grey: png_of(60000, 60000), "sides of 1 to 1024 px.*60000 60000"),
    "largest png": (lambda grey: png_of(2**32 - 1, 2**32 - 1), "sides of 1 to 1024 px"),
    "flat png": (lambda grey: png_of(0, 0), "sides of 1 to 1024 px; .*0 0"),
    "huge jpeg": (lambda grey: jpeg_of(65500, grey), "sides of 1 to 1024 px"),
    "many scans": (many_scans, "the most scans taken are 100; has"),
    "not square": (lambda grey: encoded(".png", grey[:20]), "square, aligned face.*20 32"),
    "bmp": (lambda grey: encoded(".bmp", grey), "neither PNG nor JPEG"),
    "gif": (lambda grey: b"GIF89a\1\0\1\0\0\0\0;", "neither PNG nor JPEG"),
    "text": (lambda grey: b"hello", "neither PNG nor JPEG"),
    "nothing": (lambda grey: b"", "neither PNG nor JPEG"),
    "too long": (
        lambda grey: encoded(".png", grey) + bytes(images.MAX_BYTES),
        "largest encoded image taken has 8388608 bytes",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_images_are_refused(grey, kind):
    make, message = HOSTILE[kind]
    good = encoded(".png", grey)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        decode([good, make(grey)])


def test_the_image_to_blame_is_named(grey):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"onset_bytes: image\] \[2\]"):
        decode([encoded(".png", grey)] * 2 + [b"no image"])


def test_an_empty_batch_is_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match="onset_bytes: the batch is empty"):
        decode(tf.constant([], tf.string))
