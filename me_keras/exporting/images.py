"""Encoded images to frames, inside the served graph, by TensorFlow's own operations."""

import tensorflow as tf

from me_keras.exporting.checks import require

MAX_BYTES = 2**23  # of an encoded image
MAX_SIDE = 1024  # px; bounds the memory that decoding takes, some 30 MiB
MAX_SCANS = 100  # of a JPEG; a progressive one has about ten
EXIF_BYTES = 2**17  # looked at for the orientation; a JPEG's block ends within 2**16
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
# \C is any byte. Little-endian entries stand behind "II", big-endian ones behind "MM".
_ORIENTATION = (
    r"^\C*?(?:eXIf|Exif\x00\x00)(?:"
    r"II\*\x00\C*?\x12\x01\x03\x00\x01\x00\x00\x00([\x01-\x08])\x00|"
    r"MM\x00\*\C*?\x01\x12\x00\x03\x00\x00\x00\x01\x00([\x01-\x08]))\C*$"
)
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as OpenCV and `pipelines.frames.to_grey`


def decode(name, encoded, image_size):
    """Decodes PNG and JPEG images of aligned faces.

    The header is looked at before anything is decoded: an image that claims to be huge costs
    nothing. The image is turned and mirrored as its EXIF orientation says. Colour becomes grey; an
    image of another size is resampled, with smoothing where it shrinks. One of `image_size` keeps
    its grey levels to the bit.

    Args:
        name: what error messages call the images.
        encoded: `(b,)` string.
        image_size: int S.
    Returns:
        `(b, S, S, 1)` float32 in [0, 1].
    Refuses: an empty batch, other formats (animations with them), images over `MAX_BYTES`,
        `MAX_SIDE` or `MAX_SCANS`, images that are not square (an aligned face is), and damaged
        ones.
    """
    encoded = tf.ensure_shape(encoded, (None,), name=f"{name}_rank")
    encoded = require(tf.shape(encoded)[0] > 0, f"{name}: the batch is empty", encoded)

    def one(item):
        number, content = item
        return _decode_one(f"{name}: image", number, content, image_size)

    spec = tf.TensorSpec((image_size, image_size, 1), tf.float32)
    return tf.map_fn(one, (tf.range(tf.size(encoded)), encoded), fn_output_signature=spec)


def _decode_one(name, number, content, image_size):
    length = tf.strings.length(content)
    message = f"the largest encoded image taken has {MAX_BYTES} bytes; has"
    content = require(length <= MAX_BYTES, name, content, number, message, length)
    is_png = tf.strings.substr(content, 0, len(_PNG)) == _PNG
    is_jpeg = tf.strings.substr(content, 0, len(_JPEG)) == _JPEG
    # A PNG says its size at once: 8 bytes signature, 8 of chunk header, then width and height.
    known = (is_png & (length >= 24)) | is_jpeg
    content = require(known, name, content, number, "is neither PNG nor JPEG")
    size = tf.cond(
        is_png,
        lambda: _png_size(content),
        lambda: tf.io.extract_jpeg_shape(content, tf.int64)[:2],
    )
    scans = tf.cond(is_png, lambda: 1, lambda: _jpeg_scans(content))
    message = f"the most scans taken are {MAX_SCANS}; has"
    content = require(scans <= MAX_SCANS, name, content, number, message, scans)
    fits = tf.reduce_all((size > 0) & (size <= MAX_SIDE))
    message = f"must have sides of 1 to {MAX_SIDE} px; height and width are"
    content = require(fits, name, content, number, message, size)
    message = "must be a square, aligned face; height and width are"
    content = require(size[0] == size[1], name, content, number, message, size)
    pixels = tf.io.decode_image(content, channels=3, expand_animations=False)
    pixels = tf.cast(tf.ensure_shape(pixels, (None, None, 3)), tf.float32)
    grey = tf.round(tf.reduce_sum(pixels * _LUMA, axis=-1, keepdims=True))  # (h, h, 1)
    grey = _turned(grey, _orientation(content))
    resized = tf.image.resize(grey, (image_size, image_size), antialias=True)
    return tf.clip_by_value(resized / 255.0, 0.0, 1.0)  # (S, S, 1)


def _png_size(content):
    """(2,) int64 height and width; the header holds width first, big-endian."""
    fields = [tf.strings.substr(content, start, 4) for start in (20, 16)]
    values = tf.io.decode_raw(tf.stack(fields), tf.uint8)  # (2, 4)
    weights = tf.constant([2**24, 2**16, 2**8, 1], tf.int64)
    return tf.reduce_sum(tf.cast(values, tf.int64) * weights, axis=1)


def _jpeg_scans(content):
    """How often the image is gone over: a few bytes each, and all pixels' work."""
    code = tf.io.decode_raw(content, tf.uint8)
    starts = (code[:-1] == 0xFF) & (code[1:] == 0xDA)  # pixel data never hold this pair
    return tf.math.count_nonzero(starts, dtype=tf.int32)


def _turned(image, orientation):
    """A square image `(h, h, 1)` as EXIF orientation 1 to 8 says it is to be shown."""
    image = tf.where(orientation >= 5, tf.transpose(image, (1, 0, 2)), image)
    for axis, mirrored in ((1, (2, 3, 6, 7)), (0, (3, 4, 7, 8))):
        turn = tf.reduce_any(orientation == mirrored)
        image = tf.where(turn, tf.reverse(image, [axis]), image)
    return image


def _orientation(content):
    """The orientation of an image's EXIF block, scalar int32; 1 where it says none.

    The block is a TIFF directory in either byte order; the entry is tag 0x0112, of one short number
    (type 3). It is looked for in the first `EXIF_BYTES`, behind the block's header.
    """
    head = tf.strings.substr(content, 0, EXIF_BYTES)
    found = tf.strings.regex_replace(head, _ORIENTATION, r"\1\2")
    known = tf.strings.length(found) == 1  # else there was nothing to replace
    return tf.cond(
        known, lambda: tf.cast(tf.io.decode_raw(found, tf.uint8)[0], tf.int32), lambda: 1
    )
