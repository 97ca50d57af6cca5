"""How far a face moved, and how much of what changed on it that explains: what to trust.

A model answers whatever it is given. Where nothing moves a displacement follows noise, by up to a
pixel where a film is compressed; but noise that is followed is not explained: the apex warped back
is no nearer to the onset.
"""

from __future__ import annotations

import numpy as np

BORDER = 4  # px left out where the reconstruction is judged, as `Trainer.predict` does
SMOOTHING = 1.5 / 128  # standard deviation, as a share of the image's side

# Below either, a face is taken to have held still. Own choice, measured with a model trained for
# 16 epochs on the synthetic database, 9 films for each setting of people not trained on, head
# drift 1 px. Still faces, films 320 and 640 px wide, sensor noise of 1 and 3 grey levels, as they
# are and as MJPEG: up to 0.13 explained, up to 1.1 px. Faces that move by 0.2 px on average: from
# 0.18 and 0.6 px. MPEG-4 at 320 px moves a still face's texture (up to 0.23 explained): a film so
# small and so compressed can deceive it.
STILL_EXPLAINED = 0.15
STILL_PX = 0.2


def face_mask(image_size: int) -> np.ndarray:
    """Which pixels of an aligned crop are face: (image_size, image_size) bool."""
    from pipelines.faces import align

    trust, _ = align.head_parts(image_size, image_size)
    return trust > 0


def motion_figures(onset, apex, warped, displacement) -> dict:
    """The figures, by TensorFlow's own operations.

    Args:
        onset, apex: `(b, S, S, 1)` float32 in [0, 1], aligned.
        warped: `(b, S, S, 1)` float32, the apex warped back by the displacement.
        displacement: `(b, S, S, 2)` float32 px, `(dx, dy)` from onset to apex.
    Returns:
        dict of `(b,)` float32. `displacement_mean_px` and `displacement_max_px`: its length over
        the face. `reconstruction_gain`: 1 - error(warped) / error(apex), mean absolute differences
        to the onset: the share of the difference between the frames that is motion, and not noise
        or light. `motion_explained`: the same on the face alone and with all three frames smoothed,
        since noise of single pixels is what no displacement explains, and would hide a motion that
        is there. Both are at most 1, 0 for equal frames, and negative where a displacement harms.
    """
    import tensorflow as tf

    size = onset.shape[1]
    face = tf.constant(face_mask(size))
    length = tf.boolean_mask(tf.norm(displacement, axis=-1), face, axis=1)  # (b, n)

    def gain(inside, *images):
        """Of the differences of onset, apex and warped apex where `inside` takes them: (b,)."""
        first, *others = images
        before, after = (tf.reduce_mean(inside(tf.abs(image - first)), axis=1) for image in others)
        return tf.where(before > 0, 1.0 - tf.math.divide_no_nan(after, before), 0.0)

    def centre(image):
        return tf.reshape(image[:, BORDER:-BORDER, BORDER:-BORDER], (-1, (size - 2 * BORDER) ** 2))

    smooth = [_smoothed(image, SMOOTHING * size) for image in (onset, apex, warped)]
    return {
        "displacement_mean_px": tf.reduce_mean(length, axis=1),
        "displacement_max_px": tf.reduce_max(length, axis=1),
        "reconstruction_gain": gain(centre, onset, apex, warped),
        "motion_explained": gain(lambda i: tf.boolean_mask(i[..., 0], face, axis=1), *smooth),
    }


def _smoothed(images, sigma):
    """Gaussian blur of `(b, S, S, 1)`, mirrored at the edges."""
    import tensorflow as tf

    reach = int(np.ceil(4 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    weights /= weights.sum()
    images = tf.pad(images, [(0, 0), (reach, reach), (reach, reach), (0, 0)], "REFLECT")
    for shape in ((-1, 1, 1, 1), (1, -1, 1, 1)):
        images = tf.nn.conv2d(images, weights.reshape(shape), 1, "VALID")
    return images
