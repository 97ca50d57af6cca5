"""smic-flow: the table, the channels, the zero level, and broken tables."""

import os
import pathlib

import cv2
import numpy as np
import pytest

from pipelines import schema
from pipelines.databases import smic_flow

REAL = pathlib.Path(os.environ.get("ME_KERAS_TEST_DATA", "/nowhere"), "smic_flow")


def write(root, rows, size=28):
    root.mkdir(parents=True, exist_ok=True)
    lines = ["file,subject,clip,label"]
    for index, (subject, clip, label) in enumerate(rows):
        name = f"{subject}_{clip}.png"
        image = np.random.default_rng(index).integers(0, 256, (size, size, 3)).astype(np.uint8)
        cv2.imwrite(str(root / name), image)
        lines.append(f"{name},{subject},{clip},{label}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize("above", ["", "smic_flow", "data/smic_flow"])
def test_clips_of_the_table(tmp_path, above):
    write(tmp_path / above, [("s01", "s01_ne_01", 0), ("s02", "s02_sur_01", 2)])
    clips = smic_flow.DATABASE.read(tmp_path)
    assert [clip.key for clip in clips] == ["smic/s01/s01_ne_01", "smic/s02/s02_sur_01"]
    assert [clip.label for clip in clips] == [0, 2]
    assert (clips[1].emotion, clips[1].numbers) == ("surprise", (0,))
    assert pathlib.Path(clips[0].frames[0]).is_file()


def test_channels_are_u_v_strain_about_their_median_and_of_unit_deviation(tmp_path):
    image = np.zeros((5, 5, 3), np.uint8)  # as OpenCV writes: blue strain, green v, red u
    image[..., 0], image[..., 1], image[..., 2] = 10, 100, 150
    image[0, 0] = (255, 0, 200)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    motion = smic_flow.DATABASE.read_motion(tmp_path / "a.png")
    assert motion.dtype == np.float32 and motion.shape == (5, 5, 3)
    np.testing.assert_array_equal(motion[1:], 0)
    # One of n = 25 pixels differs by d: the deviation is |d| sqrt(n - 1) / n.
    np.testing.assert_allclose(motion[0, 0], np.array([1, -1, 1]) * 25 / 24**0.5, rtol=1e-5)
    np.testing.assert_allclose(motion.std(axis=(0, 1)), 1, rtol=1e-5)


def test_a_blank_channel_stays_zero(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((5, 5, 3), 90, np.uint8))
    np.testing.assert_array_equal(smic_flow.DATABASE.read_motion(tmp_path / "a.png"), 0)


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda text: text.replace(",0\n", ",3\n"), "unknown class '3'"),
        (lambda text: text.replace("s01_s01_ne_01.png", "gone.png"), "no image 'gone.png'"),
        (lambda text: text.replace("s01_s01_ne_01.png", "../x.png"), "no image '../x.png'"),
        (lambda text: text + text.splitlines()[1] + "\n", "a second row"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path, change, reason):
    root = write(tmp_path / "flow", [("s01", "s01_ne_01", 0), ("s02", "s02_po_01", 1)])
    (tmp_path / "x.png").write_bytes((root / "s01_s01_ne_01.png").read_bytes())
    table = root / "labels.csv"
    table.write_text(change(table.read_text()))
    skipped = []
    clips = smic_flow.DATABASE.read(root, skipped)
    assert len(skipped) == 1 and reason in skipped[0].reason
    assert skipped[0].key == "smic/s01/s01_ne_01"
    assert "smic/s02/s02_po_01" in [clip.key for clip in clips]
    with pytest.raises(schema.DataError, match=reason):
        smic_flow.DATABASE.read(root)


def test_misuse_says_what_is_expected(tmp_path):
    with pytest.raises(schema.DataError, match="no such folder.*labels.csv"):
        smic_flow.DATABASE.read(tmp_path / "nothing")
    with pytest.raises(schema.DataError, match="no labels.csv under"):
        smic_flow.DATABASE.read(tmp_path)
    (tmp_path / "labels.csv").write_text("file,subject,label\n")
    with pytest.raises(schema.DataError, match="no column for clip"):
        smic_flow.DATABASE.read(tmp_path)
    (tmp_path / "labels.csv").write_text("file,subject,clip,label\n")
    with pytest.raises(schema.DataError, match="holds no rows below its header"):
        smic_flow.DATABASE.read(tmp_path)


def test_several_tables_are_named(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / name, [("s01", "s01_ne_01", 0)])
    with pytest.raises(
        schema.DataError, match="several labels.csv.*/a/labels.csv, .*/b/labels.csv"
    ):
        smic_flow.DATABASE.read(tmp_path)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real flow images are not at hand")
def test_the_164_real_images():
    clips = smic_flow.DATABASE.read(REAL)
    labels = np.bincount([clip.label for clip in clips])
    assert labels.tolist() == [70, 51, 43]
    assert len({clip.subject_key for clip in clips}) == 16
    motion = np.stack([smic_flow.DATABASE.read_motion(clip.frames[0]) for clip in clips])
    assert motion.shape == (164, 28, 28, 3)
    assert np.abs(np.median(motion, axis=(1, 2))).max() == 0
    np.testing.assert_allclose(motion.std(axis=(1, 2)), 1, rtol=1e-4)
    # Strain is never negative: its median lies near its minimum, unlike that of u and v.
    depth = np.median(motion.min(axis=(1, 2)), axis=0)
    assert depth[2] > -1 and depth[0] < -2 and depth[1] < -2
