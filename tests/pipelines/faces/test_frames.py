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
    paths, numbers, notes = frames.list_frames(tmp_path)
    assert numbers == (9, 46, 100) and notes == ()
    assert [path.rpartition("/")[2] for path in paths] == ["img9.jpg", "img46.png", "img100.JPG"]


def test_list_frames_names_two_files_of_one_number(tmp_path):
    for name in ("img1.jpg", "img001.bmp"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(schema.DataError, match="two files for frame 1"):
        frames.list_frames(tmp_path)


def listed(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"x")
    paths, numbers, notes = frames.list_frames(folder)
    assert list(numbers) == sorted(set(numbers)) and len(numbers) == len(paths)
    return [path.rpartition("/")[2] for path in paths], numbers, notes


def test_names_of_a_clock_are_ordered_by_all_their_numbers(tmp_path):
    names = [f"RGB-11-{m}-{s}-{ms}.jpg" for m, s, ms in [(26, 57, 1765), (26, 57, 5098)]]
    names += ["RGB-11-26-57-8431.jpg", "RGB-11-26-58-1764.jpg", "RGB-11-26-58-5097.jpg"]
    names += ["RGB-11-26-58-8430.jpg", "RGB-11-27-0-1763.jpg"]
    names[-1] = "RGB-11-26-59-1763.jpg"
    assert listed(tmp_path, *names[::-1])[0] == names


def test_the_number_that_differs_counts_wherever_it_stands(tmp_path):
    names = ["f2_cam1.png", "f10_cam1.png"]
    assert listed(tmp_path, *names) == (names, (2, 10), ())


def test_second_copies_of_a_browser_are_left_out_with_a_note(tmp_path):
    names = ["image092031.bmp", "image092032.bmp"]
    note = "second copies of images left out: 1, such as image092032 (1).bmp"
    found, _, notes = listed(tmp_path, *names, "image092032 (1).bmp")
    assert found == names and notes == (note,)
    (tmp_path / "image092032.bmp").unlink()  # now it may be the frame, or not
    with pytest.raises(schema.DataError, match="image092032 .1..bmp looks like a copy of a frame"):
        frames.list_frames(tmp_path)


def test_numbers_in_brackets_alone_are_frame_numbers(tmp_path):
    names = ["clip1 (1).jpg", "clip1 (2).jpg", "clip1 (10).jpg"]
    assert listed(tmp_path, *names) == (names, (1, 2, 10), ())


def test_frames_of_several_clips_are_ambiguous(tmp_path):
    names = [f"s01_ne_{clip:02d}_{frame:03d}.jpg" for clip in (1, 2) for frame in (1, 2, 3)]
    with pytest.raises(schema.DataError, match="order of its images is ambiguous.*keep one clip"):
        listed(tmp_path, *names)


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


def png(width, height, data):
    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in chunks)


def resized_jpeg(image, width, height):
    data = cv2.imencode(".jpg", image)[1].tobytes()
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


def test_an_image_that_is_too_large_is_named_as_such(tmp_path, image):
    path = tmp_path / "huge"
    bitmap = bytearray(cv2.imencode(".bmp", image)[1].tobytes())
    bitmap[18:26] = struct.pack("<ii", 20_000, -20_000)
    for data in (
        png(20_000, 20_000, zlib.compress(b"\0" * 99)),
        resized_jpeg(image, 20_000, 20_000),
        bytes(bitmap),
    ):
        path.write_bytes(data)
        with pytest.raises(schema.DataError, match="huge: the image is too large .20000x20000.:"):
            frames.read_frame(path)


@pytest.mark.parametrize(
    "data, name",
    [(b"GIF89a....", "GIF"), (b"\0\0\0\x18ftypheic", "HEIC"), (b"\0\0\0\x18ftypavif", "AVIF")],
)
def test_a_format_that_is_not_supported_is_named(tmp_path, data, name):
    (tmp_path / "a.jpg").write_bytes(data + b"\0" * 99)
    with pytest.raises(schema.DataError, match=f"a.jpg: {name} is not a supported format: save"):
        frames.read_frame(tmp_path / "a.jpg")


def test_a_broken_png_is_one_line_of_ours(tmp_path, capfd):
    (tmp_path / "a.png").write_bytes(png(64, 64, zlib.compress(b"\0" * 99)[:-4] + b"wrong"))
    with pytest.raises(schema.DataError, match="a.png: not a readable image; copy it again"):
        frames.read_frame(tmp_path / "a.png")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(tmp_path, image, suffix, orientation):
    import PIL.Image
    import PIL.ImageOps

    path = tmp_path / f"a.{suffix}"
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    how = {"tiffinfo": {0x0112: orientation}} if suffix == "tiff" else {"exif": exif}
    PIL.Image.fromarray(image).save(path, **how)
    with PIL.Image.open(path) as opened:
        expected = np.asarray(PIL.ImageOps.exif_transpose(opened).convert("RGB")).astype(int)
    read = frames.read_frame(path)
    assert read.shape == expected.shape and np.abs(read - expected).mean() < 3


def test_iterate_frames_refuses_a_change_of_size(tmp_path, image):
    paths = [str(tmp_path / f"{i}.png") for i in (1, 2)]
    cv2.imwrite(paths[0], image)
    cv2.imwrite(paths[1], image[:-1])
    with pytest.raises(schema.DataError, match="2.png: the frame size changes.*83x59 after 83x60"):
        list(frames.iterate_frames(paths))
