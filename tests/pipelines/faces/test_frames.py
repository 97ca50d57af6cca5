"""Frames: numbers in names, order, colour, and files that are broken."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from pipelines import schema
from pipelines.faces import frames


@pytest.fixture
def image():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (60, 83, 3)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3)


@pytest.mark.parametrize(
    "name, number",
    [
        ("image090823.bmp", 90823),
        ("reg_image17581039.bmp", 17581039),
        ("img46.jpg", 46),
        ("006_05562.jpg", 5562),
        ("reg_EP01_5-113.jpg", 113),
        ("Thumbs.db", None),
    ],
)
def test_frame_number_is_the_last_integer(name, number):
    assert frames.frame_number(name) == number


def test_list_frames_sorts_as_integers_and_leaves_other_files_out(tmp_path):
    for name in ("img9.jpg", "img100.JPG", "img46.png", "notes.txt", "cover.jpg", "._img7.jpg"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "img50.jpg").mkdir()
    paths, numbers = frames.list_frames(tmp_path)
    assert numbers == (9, 46, 100)
    assert [path.rpartition("/")[2] for path in paths] == ["img9.jpg", "img46.png", "img100.JPG"]


def test_list_frames_names_two_files_of_one_number(tmp_path):
    for name in ("img1.jpg", "img001.bmp"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(schema.DataError, match="two files for frame 1"):
        frames.list_frames(tmp_path)


@pytest.mark.parametrize("suffix", ["bmp", "png", "tiff"])
def test_read_frame_is_rgb(tmp_path, image, suffix):
    path = tmp_path / f"1.{suffix}"
    cv2.imwrite(str(path), image[..., ::-1])
    np.testing.assert_array_equal(frames.read_frame(path), image)


def test_read_frame_of_grey_jpeg_with_thumbnail(tmp_path, image):
    """An embedded thumbnail has markers of its own; they must not hide or feign the end."""
    _, whole = cv2.imencode(".jpg", image[..., 0])
    _, thumbnail = cv2.imencode(".jpg", image[:16, :16])
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail.tobytes()
    data = whole[:2].tobytes() + segment + whole[2:].tobytes()
    path = tmp_path / "1.jpg"
    path.write_bytes(data)
    assert np.abs(frames.read_frame(path)[..., 1].astype(int) - image[..., 0]).max() < 20
    path.write_bytes(data[:-300])
    with pytest.raises(schema.DataError, match="cut short"):
        frames.read_frame(path)


@pytest.mark.parametrize("suffix", ["bmp", "png", "jpg", "tiff"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_read_frame_refuses_a_cut_file(tmp_path, image, suffix, share):
    path = tmp_path / f"frame7.{suffix}"
    cv2.imwrite(str(path), image)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(schema.DataError, match="frame7.*copy it again"):
        frames.read_frame(path)


def test_read_frame_names_what_is_no_image(tmp_path):
    path = tmp_path / "1.jpg"
    with pytest.raises(schema.DataError, match="1.jpg: cannot be read"):
        frames.read_frame(path)
    path.write_bytes(b"")
    with pytest.raises(schema.DataError, match="empty"):
        frames.read_frame(path)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(schema.DataError, match="not a readable image"):
        frames.read_frame(path)


def test_read_frame_refuses_more_pixels_than_can_be_read(tmp_path):
    """A PNG of a few bytes whose header asks for 30 GB."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 99)), (b"IEND", b""))
    path = tmp_path / "huge.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in chunks))
    with pytest.raises(schema.DataError, match="huge.png: not a readable image"):
        frames.read_frame(path)


def test_iterate_frames_refuses_a_change_of_size(tmp_path, image):
    paths = [str(tmp_path / f"{i}.png") for i in (1, 2)]
    cv2.imwrite(paths[0], image)
    cv2.imwrite(paths[1], image[:-1])
    with pytest.raises(schema.DataError, match="2.png: the frame size changes.*83x59 after 83x60"):
        list(frames.iterate_frames(paths))
