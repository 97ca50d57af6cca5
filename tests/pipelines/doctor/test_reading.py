"""Reading a clip's files: faults named, sizes and contents told apart, the face where wanted."""

import cartoon
import cv2
import numpy as np
import pytest

from pipelines import schema
from pipelines.doctor import reading


@pytest.fixture
def clip(tmp_path):
    image = cartoon.face((240, 320), scale=0.6)
    paths = []
    for number in range(4):
        paths.append(str(tmp_path / f"img{number}.png"))
        cv2.imwrite(paths[-1], np.roll(image, number // 2, axis=1))
    return schema.Clip("casme2", "s", "c", tuple(paths), (0, 1, 2, 3), 0, 1, 3, 0, "")


def test_a_sound_clip(clip):
    seen = reading.read_clip((clip, True), "casme2")
    assert seen.faults == () and seen.num_read == 4 and seen.no_face == ""
    assert seen.sizes == {(320, 240): clip.frames[0]}
    assert list(seen.digests.values()) == [clip.frames[0], clip.frames[2]]  # two and two alike
    assert seen.portrait.eye_distance == pytest.approx(0.6 * 94, rel=0.15)
    assert reading.read_clip((clip, False), "casme2").portrait is None


def test_faults_and_other_sizes_are_named_and_the_rest_is_read(clip):
    cv2.imwrite(clip.frames[0], np.zeros((90, 60, 3), np.uint8))
    with open(clip.frames[1], "wb"):
        pass
    seen = reading.read_clip((clip, True), "casme2")
    assert seen.faults == ((clip.frames[1], "the file is empty; copy it again"),)
    assert seen.sizes == {(60, 90): clip.frames[0], (320, 240): clip.frames[2]}
    assert seen.num_read == 3 and seen.portrait is None
    assert seen.no_face.startswith(f"no face found in {clip.frames[0]}")
