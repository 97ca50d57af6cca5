"""Sources: folders, videos with their container's time stamps, arrays; and what is broken."""

import shutil
import struct

import cv2
import numpy as np
import pytest

from me_keras.prediction import containers, sources
from pipelines.schema import DataError

FRAMES = np.random.default_rng(0).integers(0, 256, (6, 96, 128, 3), np.uint8)


def write_video(path, frames=FRAMES, fps=50.0, codec="FFV1"):
    """A video without loss."""
    size = frames.shape[2], frames.shape[1]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, size)
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame[..., ::-1])
    writer.release()
    return path


def write_folder(folder, frames=FRAMES):
    folder.mkdir()
    for i, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"img{i + 8}.png"), frame[..., ::-1])  # img10 after img9
    return folder


def test_a_folder_in_order_of_its_numbers(tmp_path):
    footage = sources.open_source(write_folder(tmp_path / "clip"), fps=100)
    assert footage.count == 6 and footage.name == str(tmp_path / "clip")
    np.testing.assert_allclose(footage.seconds, np.arange(6) / 100)
    np.testing.assert_array_equal(np.stack(list(footage.read(range(6)))), FRAMES)
    np.testing.assert_array_equal(np.stack(list(footage.read([1, 4]))), FRAMES[[1, 4]])
    assert footage.labels[2].endswith("img10.png")
    assert sources.open_source(tmp_path / "clip").seconds is None


def test_what_a_folder_leaves_out_is_noted(tmp_path):
    folder = write_folder(tmp_path / "clip")
    shutil.copy(folder / "img9.png", folder / "img9 (1).png")
    footage = sources.open_source(folder)
    assert footage.count == 6 and "img9 (1).png" in footage.notes[0]


@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
def test_a_video_with_the_time_stamps_of_its_container(tmp_path, suffix):
    footage = sources.open_source(write_video(tmp_path / f"clip{suffix}"))
    assert footage.count == 6 and not footage.notes
    np.testing.assert_allclose(footage.seconds, np.arange(6) / 50, atol=5e-4)
    np.testing.assert_array_equal(np.stack(list(footage.read(range(6)))), FRAMES)
    np.testing.assert_array_equal(np.stack(list(footage.read([0, 3, 5]))), FRAMES[[0, 3, 5]])


def test_a_long_video_is_counted_in_parts_and_progress_is_told(tmp_path, monkeypatch, capsys):
    path = write_video(tmp_path / "clip.avi")
    monkeypatch.setattr(sources, "MANY", 5)
    for chunk in (2, 6, 4):  # also where a part ends with the video
        monkeypatch.setattr(sources, "CHUNK", chunk)
        footage = sources.open_source(path)
        np.testing.assert_allclose(footage.seconds, np.arange(6) / 50, atol=5e-4)
    assert "clip.avi, times: 4 of 6 frames" in capsys.readouterr().err


def scan(stamps, rate):
    return sources._Scan(stamps, rate, len(stamps), containers.Turn())


def test_uneven_time_stamps_are_kept_and_absent_ones_come_from_the_rate(monkeypatch, tmp_path):
    path = write_video(tmp_path / "clip.avi")
    uneven = [0, 20, 60, 80, 120, 140]
    monkeypatch.setattr(sources, "_scan", lambda path: scan(uneven, 50.0))
    np.testing.assert_allclose(sources.open_source(path).seconds, np.array(uneven) / 1000)
    monkeypatch.setattr(sources, "_scan", lambda path: scan([0] * 6, 50.0))
    np.testing.assert_allclose(sources.open_source(path).seconds, np.arange(6) / 50)
    monkeypatch.setattr(sources, "_scan", lambda path: scan([0] * 6, 0.0))
    assert sources.open_source(path).seconds is None


def test_fps_says_how_fast_a_slow_motion_video_was_filmed(tmp_path):
    footage = sources.open_source(write_video(tmp_path / "clip.avi", fps=25.0), fps=200)
    np.testing.assert_allclose(footage.seconds, np.arange(6) / 200)


def test_arrays_and_paths(tmp_path):
    footage = sources.open_source(FRAMES, fps=30)
    np.testing.assert_array_equal(np.stack(list(footage.read([2, 3]))), FRAMES[2:4])
    folder = write_folder(tmp_path / "clip")
    named = sources.open_source([folder / "img9.png", str(folder / "img8.png")])
    np.testing.assert_array_equal(np.stack(list(named.read([0, 1]))), FRAMES[[1, 0]])


def test_a_video_cut_short_is_noted(tmp_path):
    path = write_video(tmp_path / "clip.avi")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    footage = sources.open_source(path)
    assert 2 <= footage.count < 6
    assert "announces 6 frames" in footage.notes[0]


def test_a_stream_that_starts_late_is_not_cut_short(tmp_path):
    """Its container counts frames from zero to the end of the last."""
    path = write_video(tmp_path / "clip.mkv")
    data = bytearray(path.read_bytes())
    duration = data.index(b"\x44\x89\x88") + 3
    struct.pack_into(">d", data, duration, struct.unpack_from(">d", data, duration)[0] + 2500)
    at = data.index(b"\x1f\x43\xb6\x75")  # the cluster; a block: …, track 1, milliseconds, flags
    for number in range(6):
        at = data.index(b"\x81" + struct.pack(">h", 20 * number), at) + 1
        struct.pack_into(">h", data, at, 20 * number + 2500)
    path.write_bytes(data)
    footage = sources.open_source(path)
    assert footage.count == 6 and footage.notes == ()
    np.testing.assert_allclose(np.diff(footage.seconds), 0.02)


def without_rate(path):
    """An AVI file that says neither how long a frame lasts nor how many come in a second."""
    data = bytearray(write_video(path).read_bytes())
    for at, size in ((data.index(b"avih") + 8, 4), (data.index(b"vids") + 20, 8)):
        data[at : at + size] = bytes(size)
    path.write_bytes(data)


def no_container(path):
    path.write_bytes(b"".join(cv2.imencode(".jpg", frame)[1].tobytes() for frame in FRAMES))


@pytest.mark.parametrize("make, name", [(without_rate, "a.avi"), (no_container, "a.mjpeg")])
def test_a_video_without_a_rate_is_not_given_one(tmp_path, make, name):
    """FFmpeg takes 25 frames a second for what no file says."""
    make(tmp_path / name)
    footage = sources.open_source(tmp_path / name)
    assert footage.count == 6 and footage.seconds is None
    assert footage.notes == (
        "the video states no frame rate: looked at as a whole; say it with --fps",
    )
    told = sources.open_source(tmp_path / name, fps=50)
    assert told.notes == () and told.seconds[-1] == 0.1


QUARTERS = {  # a, b, c, d of the display matrix, and what it makes of an image
    "as stored": ((1, 0, 0, 1), lambda image: image),
    "clockwise": ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "upside down": ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    "anticlockwise": ((0, -1, 1, 0), lambda image: np.rot90(image)),
    "mirrored": ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    "mirrored upside down": ((1, 0, 0, -1), lambda image: image[::-1]),
    "transposed": ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
    "transposed the other way": (
        (0, -1, -1, 0),
        lambda image: np.rot90(image, 2).transpose(1, 0, 2),
    ),
}


@pytest.mark.parametrize("way", QUARTERS)
def test_a_film_is_turned_as_its_container_says(tmp_path, way):
    """As phones store films; all four turns, and mirrored ones, of which OpenCV says nothing."""
    smooth = np.stack([cv2.GaussianBlur(frame, (0, 0), 8) for frame in FRAMES])
    path = write_video(tmp_path / "clip.mp4", smooth, codec="mp4v")
    (plain,) = sources.open_source(path).read([2])
    (a, b, c, d), turned = QUARTERS[way]
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    numbers = [value * containers.ONE for value in (a, b, 0, c, d)]
    struct.pack_into(">5i", data, at, *numbers)
    path.write_bytes(data)
    footage = sources.open_source(path)
    (found,) = footage.read([2])
    np.testing.assert_array_equal(found, turned(plain))
    assert bool(footage.notes) == (way != "as stored")


def no_header(path):
    path.write_bytes(write_video(path).read_bytes()[:200])


def one_frame(path):
    write_video(path, FRAMES[:1])


def text(path):
    path.write_text("not a video")


@pytest.mark.parametrize(
    "make, message",
    [
        (no_header, "holds no frame that OpenCV can decode"),
        (text, "holds no frame that OpenCV can decode"),
        (one_frame, "1 frame; motion needs two"),
        (lambda path: None, "no such file or folder"),
    ],
)
def test_videos_that_cannot_be_used(tmp_path, capfd, make, message):
    path = tmp_path / "clip.avi"
    make(path)
    capfd.readouterr()
    with pytest.raises(DataError, match=f"clip.avi.*{message}"):
        sources.open_source(path)
    assert capfd.readouterr().err == ""  # FFmpeg's own complaints are not the user's


@pytest.mark.parametrize("number, message", [(0, "no image with a number"), (1, "1 frame;")])
def test_folders_that_cannot_be_used(tmp_path, number, message):
    with pytest.raises(DataError, match=message):
        sources.open_source(write_folder(tmp_path / "clip", FRAMES[:number]))


def test_one_image_is_not_a_clip(tmp_path):
    folder = write_folder(tmp_path / "clip")
    with pytest.raises(DataError, match="img8.png: one image.*--onset and --apex"):
        sources.open_source(folder / "img8.png")


def test_a_broken_image_is_named(tmp_path):
    folder = write_folder(tmp_path / "clip")
    whole = (folder / "img10.png").read_bytes()
    (folder / "img10.png").write_bytes(whole[: len(whole) // 2])
    footage = sources.open_source(folder)
    with pytest.raises(DataError, match="img10.png: the image is cut short"):
        list(footage.read(range(6)))


@pytest.mark.parametrize(
    "frames, message",
    [
        (FRAMES.astype(np.float32), "frame 0: .*uint8 RGB, got float32 96x128x3"),
        (FRAMES[..., 0], "got uint8 96x128"),
        ([FRAMES[0], FRAMES[1][:40]], "frame 1: the frame size changes"),
        ([], "no frames; motion needs two"),
    ],
)
def test_arrays_that_are_no_frames(frames, message):
    with pytest.raises(DataError, match=message):
        sources.open_source(frames)
