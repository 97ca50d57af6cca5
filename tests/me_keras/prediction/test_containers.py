"""Containers: what is no MP4, cut or hostile says nothing; `test_sources` tries real films."""

import struct

import numpy as np
import pytest

from me_keras.prediction import containers
from me_keras.prediction.containers import ONE, Turn


def box(kind, content):
    return struct.pack(">I4s", 8 + len(content), kind) + content


def track(matrix, handler=b"vide", version=0):
    a, b, c, d = matrix
    header = (
        bytes([version])
        + bytes(51 if version else 39)
        + struct.pack(">9i", a, b, 0, c, d, *[0] * 4)
    )
    media = box(b"mdia", box(b"hdlr", bytes(8) + handler + bytes(12)))
    return box(b"trak", box(b"tkhd", header) + media)


def film(*tracks):
    return box(b"ftyp", b"isom") + box(b"mdat", bytes(99)) + box(b"moov", b"".join(tracks))


def read(tmp_path, content, degrees=0.0):
    (tmp_path / "film.mp4").write_bytes(content)
    return containers.read_turn(tmp_path / "film.mp4", degrees)


TURNED = (0, ONE, -ONE, 0)


@pytest.mark.parametrize("version", [0, 1])
def test_the_matrix_of_the_video_track_counts(tmp_path, version):
    sound = track((ONE, 0, 0, ONE), b"soun")
    assert read(tmp_path, film(sound, track(TURNED, version=version))) == Turn(True, True, False)


def test_what_is_no_quarter_turn_is_left_to_opencv(tmp_path):
    half = round(ONE * 0.7071)
    assert read(tmp_path, film(track((half, half, -half, half)))) == Turn()
    assert read(tmp_path, b"RIFF", 90.0) == Turn(True, True, False)
    assert read(tmp_path, b"RIFF", 270.0) == Turn(True, False, True)
    assert read(tmp_path, b"RIFF", 180.0) == Turn(False, True, True)


def test_boxes_that_are_cut_or_lie_about_their_size(tmp_path):
    whole = film(track(TURNED))
    for end in range(len(whole)):
        read(tmp_path, whole[:end])
    for size in (0, 1, 7, 2**32 - 1):
        damaged = bytearray(whole)
        struct.pack_into(">I", damaged, whole.index(b"moov") - 4, size)
        read(tmp_path, bytes(damaged))


def test_a_turn_by_hand():
    image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    assert Turn(True, True).apply(image)[..., 0].tolist() == [[3, 0], [4, 1], [5, 2]]


def test_rates_that_are_stated(tmp_path):
    path = tmp_path / "a.avi"
    for content, stated in ((b"", True), (b"RIFF----AVI ", True), (b"\xff\xd8\xff", False)):
        path.write_bytes(content)
        assert containers.states_rate(path) is stated
