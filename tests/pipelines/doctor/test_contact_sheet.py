"""The contact sheet: tiles in their places, and a message in place of a face."""

import cartoon
import cv2
import numpy as np
import pytest

from pipelines import schema
from pipelines.doctor import contact_sheet

SIDE, CAPTION = contact_sheet.SIDE, contact_sheet.CAPTION


@pytest.fixture
def clip(tmp_path):
    """A cartoon whose left half moves to the right by 4 px of the frame at the apex."""
    onset = cartoon.face()
    x, y = np.meshgrid(np.arange(640, dtype=np.float32), np.arange(480, dtype=np.float32))
    bump = 4 * np.exp(-((x - 290) ** 2 + (y - 300) ** 2) / 800)
    moved = cv2.remap(onset, x - bump, y, cv2.INTER_CUBIC)
    paths = []
    for number, image in enumerate((onset, onset, moved, onset)):
        paths.append(str(tmp_path / f"{number}.png"))
        cv2.imwrite(paths[-1], image[..., ::-1])
    return schema.Clip("casme2", "s", "c", tuple(paths), (7, 8, 9, 10), 0, 2, 3, 0, "disgust")


def test_a_tile_shows_onset_apex_and_where_the_face_moved(clip):
    tile = contact_sheet.tile((clip, "long clip"))
    assert tile.shape == (CAPTION + SIDE, 3 * SIDE, 3) and tile.dtype == np.uint8
    assert (tile[:CAPTION] < 128).any()
    onset, apex, motion = np.split(tile[CAPTION:].astype(int), 3, axis=1)
    boxes = (onset == contact_sheet.BOX).all(-1) & (apex == contact_sheet.BOX).all(-1)
    assert boxes.sum() > 1000
    warm = motion[..., 0] - motion[..., 2]  # red less blue: fast less slow
    centre = [index.mean() for index in np.nonzero((warm > 100) & ~boxes)]
    expected = 10 + 160 * 0.22 + 64 * (300 - 221) / 94, 89.5 + 64 * (290 - 320) / 94
    np.testing.assert_allclose(centre, expected, atol=10)


def test_without_an_apex_the_middle_is_shown(clip):
    import dataclasses

    none = dataclasses.replace(clip, apex=None)
    still = contact_sheet.tile((none, ""))[CAPTION:, 2 * SIDE :]
    moved = contact_sheet.tile((clip, ""))[CAPTION:, 2 * SIDE :]
    assert still[..., 0].mean() < moved[..., 0].mean()


def test_a_clip_without_a_face_says_so(clip):
    cv2.imwrite(clip.frames[0], np.zeros((480, 640, 3), np.uint8))
    tile = contact_sheet.tile((clip, ""))
    assert (tile[CAPTION:, ..., 0] > tile[CAPTION:, ..., 1] + 50).any()  # red letters
    assert (tile[CAPTION:] == 255).mean() > 0.9


def test_tiles_come_in_rows():
    tiles = [np.full((CAPTION + SIDE, 3 * SIDE, 3), 40 + i, np.uint8) for i in range(4)]
    picture = contact_sheet.sheet(tiles, "casme2")
    y, x = 44 + CAPTION + SIDE + contact_sheet.GAP, contact_sheet.GAP  # of the fourth
    assert (picture[y:-10, x : x + 3 * SIDE] == 43).all() and (picture[y - 1] == 255).all()
    stored = np.frombuffer(contact_sheet.png(picture), np.uint8)
    np.testing.assert_array_equal(cv2.imdecode(stored, cv2.IMREAD_COLOR)[..., ::-1], picture)
