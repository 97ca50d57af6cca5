"""Portraits: a mirrored picture is told from the others by the sign of its asymmetry."""

import numpy as np
import pytest

from pipelines.faces import landmarks
from pipelines.faces import portrait as faces
from pipelines.synthetic import clip, plan


@pytest.fixture(scope="module")
def pictures():
    """Onset frames of three clips of each of three people, posed differently."""
    config = plan.SynthesisConfig(seed=5, frame_size=(320, 240))
    specs = [[plan.draw_spec(config, s, n, "surprise") for n in range(3)] for s in (1, 2, 3)]
    return [[next(clip.render(spec, [0])) for spec in own] for own in specs]


def test_one_person_is_like_himself_and_unlike_his_mirror_image(pictures):
    for own in pictures:
        first, *others = (faces.portrait(image) for image in own)
        mirrored = faces.portrait(np.ascontiguousarray(own[0][:, ::-1]))
        assert min(first.likeness(other) for other in others) > 0.7
        assert max(mirrored.likeness(other) for other in others) < -0.5


def test_the_asymmetry_is_odd_and_of_norm_one(pictures):
    asymmetry = faces.portrait(pictures[0][0]).asymmetry
    np.testing.assert_allclose(asymmetry, -asymmetry[:, ::-1], atol=1e-6)
    assert np.linalg.norm(asymmetry) == pytest.approx(1, abs=1e-5)


def test_no_face():
    with pytest.raises(landmarks.NoFace, match="x.png"):
        faces.portrait(np.zeros((99, 99, 3), np.uint8), "x.png")
