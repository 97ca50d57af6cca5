"""The average boxes against those of rendered faces, aligned."""

import numpy as np

from me_keras.average_face import AVERAGE_REGIONS
from pipelines.faces import align
from pipelines.schema import MIRRORED_REGIONS
from pipelines.synthetic import clip, plan


def test_both_sides_are_alike():
    y1, x1, y2, x2 = np.array(AVERAGE_REGIONS)[list(MIRRORED_REGIONS)].T
    np.testing.assert_allclose(np.stack([y1, 1 - x2, y2, 1 - x1], 1), AVERAGE_REGIONS, atol=1e-9)


def test_they_are_those_of_rendered_people():
    boxes = []
    for subject in range(1, 5):
        spec = plan.draw_spec(plan.SynthesisConfig(), subject, 0, "surprise")
        aligned = align.align_clip(clip.render(spec, [0]), 0, 128, 0)
        boxes.append(align.region_boxes(aligned.landmarks, 128))
    np.testing.assert_allclose(np.mean(boxes, 0), AVERAGE_REGIONS, atol=0.03)
