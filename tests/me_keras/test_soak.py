"""`predict` asked about many random files, sound and broken ones, each of a known kind.

`SOAK=9 SEED=1 pytest tests/me_keras/test_soak.py -rA` asks about nine of each kind and prints what
became of them.
"""

import faulthandler
import os
import shutil
import struct

import cv2
import numpy as np
import pytest
import stand_in

import me_keras
from pipelines.schema import DataError, OptionError
from pipelines.synthetic import clip, plan

FILES, SEED = int(os.environ.get("SOAK", 1)), int(os.environ.get("SEED", 0))
HANGS = 120  # seconds for one file, after which the process ends with a traceback
# What may come of a file: an answer, with a note that says a word, a refusal that says one.
SOUND, REFUSED, BROKEN = {"answer": ""}, {"refusal": ""}, {"answer": "", "refusal": ""}
CODECS = {".avi": ("FFV1", "MJPG", "XVID"), ".mp4": ("mp4v",), ".mkv": ("FFV1", "MJPG")}
TURNS = {  # display matrix a, b, c, d -> how the frames are stored for it
    (0, 1, -1, 0): lambda image: np.rot90(image),
    (-1, 0, 0, -1): lambda image: np.rot90(image, 2),
    (0, -1, 1, 0): lambda image: np.rot90(image, -1),
    (-1, 0, 0, 1): lambda image: image[:, ::-1],
}
EXIF = {  # orientation -> how the image is stored for it
    3: lambda image: np.rot90(image, 2),
    6: lambda image: np.rot90(image),
    8: lambda image: np.rot90(image, -1),
}


def film(rng, place, frames, suffix=None):
    suffix = suffix or str(rng.choice(list(CODECS)))
    path = place.with_suffix(suffix)
    codec = cv2.VideoWriter_fourcc(*rng.choice(CODECS[suffix]))
    size = frames[0].shape[1], frames[0].shape[0]
    writer = cv2.VideoWriter(str(path), codec, float(rng.choice([25, 50, 100])), size)
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path


def folder(rng, place, frames, name="img{}", first=None, suffix=None, exif=None):
    place.mkdir()
    suffix = suffix or str(rng.choice([".png", ".jpg", ".bmp"]))
    first = int(rng.integers(0, 200)) if first is None else first
    for i, frame in enumerate(frames):
        data = cv2.imencode(suffix, frame[..., ::-1])[1].tobytes()
        if exif:
            entry = struct.pack("<HHIHH", 0x0112, 3, 1, exif, 0)
            tiff = b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
            app1 = b"Exif\0\0" + tiff
            data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(app1) + 2) + app1 + data[2:]
        (place / (name.format(first + i) + suffix)).write_bytes(data)
    return place


def turned_film(rng, place, frames):
    matrix = list(TURNS)[rng.integers(len(TURNS))]
    path = film(rng, place, [TURNS[matrix](frame) for frame in frames], ".mp4")
    data = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    struct.pack_into(">5i", data, data.index(b"tkhd") + 44, a, b, 0, c, d)
    path.write_bytes(data)
    return path


def turned(rng, frames):
    quarter = int(rng.integers(1, 4))
    return [np.rot90(frame, quarter) for frame in frames]


def exif_folder(rng, place, frames):
    orientation = int(rng.choice(list(EXIF)))
    stored = [EXIF[orientation](frame) for frame in frames]
    return folder(rng, place, stored, suffix=".jpg", exif=orientation)


def clock(rng, place, frames):
    at = int(rng.integers(0, 3_000_000))
    folder(rng, place, frames, "frame{}", first=100)
    for path in sorted(place.iterdir()):
        minutes, rest = divmod(at, 60_000)
        name = f"RGB-11-{minutes}-{rest // 1000}-{rest % 1000}"
        path.rename(place / (name + path.suffix))
        at += 333
    return place


def copied(rng, place, frames):
    folder(rng, place, frames, "image{:06d}")
    source = sorted(place.iterdir())[rng.integers(len(frames))]
    shutil.copy(source, source.with_name(f"{source.stem} (1){source.suffix}"))
    return place


def several(rng, place, frames):
    folder(rng, place, frames[:5], "s01_ne_01_{:03d}", first=1, suffix=".jpg")
    for i, frame in enumerate(frames[5:]):
        cv2.imwrite(str(place / f"s01_ne_02_{i + 1:03d}.jpg"), frame[..., ::-1])
    return place


def one_number_twice(rng, place, frames):
    folder(rng, place, frames, first=1, suffix=".png")
    shutil.copy(place / "img2.png", place / "img002.png")
    return place


def leaving(rng, place, frames):
    start = int(rng.integers(1, len(frames) - 2))
    gone = set(range(start, start + int(rng.integers(1, 4))))
    wall = np.full_like(frames[0], 128)
    return film(rng, place, [wall if i in gone else frame for i, frame in enumerate(frames)])


def other_size(rng, place, frames):
    folder(rng, place, frames, first=1, suffix=".png")
    cv2.imwrite(str(place / "img4.png"), frames[3][:200, :, ::-1])
    return place


def cut(rng, path):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * rng.uniform(0.02, 0.98))])


def flipped(rng, path):
    data = bytearray(path.read_bytes())
    for at in rng.integers(0, len(data), 20):
        data[at] = rng.integers(256)
    path.write_bytes(data)


def broken_film(change):
    def make(rng, place, frames):
        path = film(rng, place, frames)
        change(rng, path)
        return path

    return make


def broken_folder(change):
    def make(rng, place, frames):
        folder(rng, place, frames)
        change(rng, sorted(place.iterdir())[rng.integers(len(frames))])
        return place

    return make


def of_bytes(rng, path):
    path.write_bytes(rng.bytes(int(rng.integers(0, 4000))))


def bomb(rng, path):
    """The header of a PNG of 20000 x 20000 px, or of a GIF."""
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0)
    path.write_bytes(header if rng.random() < 0.5 else b"GIF89a" + rng.bytes(100))


def stream_of_jpegs(rng, place, frames):
    path = place.with_suffix(".mjpeg")
    path.write_bytes(b"".join(cv2.imencode(".jpg", f[..., ::-1])[1].tobytes() for f in frames))
    return path


LYING = {"answer": "frames turned", "refusal": "no face"}
KINDS = {  # name -> what may come of it, how it is made of a generator, a path and frames
    "film": (SOUND, film),
    "folder of images": (SOUND, folder),
    "images with an EXIF turn": (SOUND, exif_folder),
    "names of a clock": (SOUND, clock),
    "film with a display matrix": ({"answer": "turned"}, turned_film),
    "second copies": ({"answer": "second copies"}, copied),
    "no frame rate": ({"answer": "frame rate"}, stream_of_jpegs),
    "film stored turned": (LYING, lambda r, p, f: film(r, p, turned(r, f))),
    "images stored turned": (LYING, lambda r, p, f: folder(r, p, turned(r, f))),
    "face that leaves": ({"answer": "show no face", "refusal": "no face"}, leaving),
    "still": ({"answer": "no motion"}, lambda r, p, f: film(r, p, [f[0]] * len(f))),
    "two clips in a folder": (REFUSED, several),
    "a number twice": (REFUSED, one_number_twice),
    "two faces": (REFUSED, lambda r, p, f: film(r, p, [np.hstack([i, i]) for i in f])),
    "no face": (REFUSED, lambda r, p, f: film(r, p, [np.full_like(i, 99) for i in f])),
    "another size": (REFUSED, other_size),
    "image of random bytes": (REFUSED, broken_folder(of_bytes)),
    "image cut short": (REFUSED, broken_folder(cut)),
    "GIF or a huge image": (REFUSED, broken_folder(bomb)),
    "film of random bytes": (REFUSED, broken_film(of_bytes)),
    "film cut short": (BROKEN, broken_film(cut)),
    "film with flipped bytes": (BROKEN, broken_film(flipped)),
    "image with flipped bytes": (BROKEN, broken_folder(flipped)),
}


@pytest.fixture(scope="module")
def clips():
    """Clips of rendered people: lists of (240, 320, 3) uint8 RGB."""
    film = plan.SynthesisConfig(frame_size=(320, 240), num_frames=10)
    emotions = ("negative", "positive", "surprise")
    specs = [plan.draw_spec(film, 50 + i, 0, emotions[i % 3]) for i in range(6)]
    return [list(clip.render(spec)) for spec in specs]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    model = stand_in.write(tmp_path_factory.mktemp("soak") / "model", size=64)
    with me_keras.Predictor(model) as made:
        yield made


def outcome(predictor, path):
    """Whether there is an answer or a refusal, and the lines that were said."""
    try:
        return "answer", "\n".join(predictor(path).notes)
    except (DataError, OptionError) as error:
        assert len(str(error).splitlines()) == 1
        return "refusal", str(error)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_no_crash_no_hang_and_no_answer_without_its_note(kind, predictor, clips, tmp_path):
    allowed, make = KINDS[kind]
    for number in range(FILES):
        rng = np.random.default_rng([SEED, list(KINDS).index(kind), number])
        path = make(rng, tmp_path / f"{number:03d}", clips[rng.integers(len(clips))])
        faulthandler.dump_traceback_later(HANGS, exit=True)
        found, said = outcome(predictor, path)
        faulthandler.cancel_dump_traceback_later()
        print(path.name, found, said)
        assert found in allowed and allowed[found] in said
