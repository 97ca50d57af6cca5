"""The checks one by one, where the whole tree of `test_doctor` does not reach."""

import dataclasses

import numpy as np
import pytest

from pipelines import protocols, schema
from pipelines.databases import smic
from pipelines.databases.database import Erratum
from pipelines.doctor import checks
from pipelines.doctor.checks import Finding
from pipelines.doctor.reading import Reading
from pipelines.faces.portrait import Portrait


def clip(name="EP01_01", subject="sub01", first=1, length=10, apex=5, **other):
    numbers = tuple(range(first, first + length))
    paths = tuple(f"/copy/{subject}/{name}/img{n}.jpg" for n in numbers)
    values = (subject, name, paths, numbers, 0, apex, length - 1, 0, "disgust")
    return schema.Clip("casme2", *values, **other)


def kinds(findings):
    return [(finding.kind, finding.clip.rpartition("/")[2]) for finding in findings]


def test_nothing_is_wrong_with_sound_clips():
    clips = [clip(), clip("EP01_02", length=20), clip("EP01_03", apex=None)]
    assert checks.of_clips(clips) == []


def test_gaps_and_long_clips():
    numbers = (1, 2, 5, 6, 9, 11)
    gaps = dataclasses.replace(clip(), numbers=numbers, frames=clip().frames[:6], apex=2)
    long = clip("EP01_02", length=31)
    found = checks.of_clips([gaps, long, *(clip(f"EP02_{i}") for i in range(5))])
    assert kinds(found) == [("frames missing", "EP01_01"), ("long clip", "EP01_02")]
    assert found[0].detail == "5 of 11 frames are missing: 3, 4, 7, …"
    assert found[0].path == "/copy/sub01/EP01_01"
    assert found[1].detail == "31 frames, where 10 are usual"


@pytest.mark.parametrize(
    "note, kind",
    [
        ("apex 7 is the onset, where nothing has moved: taken as unknown", "apex on onset"),
        ("3 of the frames 1-13 are missing: clamped to 1-10", "frames missing"),
        ("apex 4 is missing: 5 taken, the nearest", "frames missing"),
        ("120 frames, over 100: a micro-expression?", "long clip"),
        ("apex 1930 -> 4930: a typing error", "known"),
    ],
)
def test_what_the_loader_notes_is_a_finding_once(note, kind):
    (found,) = checks.of_clips([clip(notes=(note,))])
    assert found.kind == kind and found.detail == note
    assert (found.severity == "note") == (kind == "known")


def test_frames_that_smic_is_known_to_lack_are_a_note(tmp_path):
    folder = tmp_path / "SMIC_all_cropped/HS/s3/micro/negative/s3_ne_16"
    folder.mkdir(parents=True)
    for number in range(409046, 409063):  # the raw release has 409063 too
        (folder / f"reg_image{number}.bmp").write_bytes(b"BM")
    found = checks.of_clips(smic.DATABASE.read(tmp_path), smic.DATABASE.errata)
    assert [(f.kind, f.severity) for f in found] == [("frames missing", "note")]
    (folder / "reg_image409050.bmp").unlink()
    assert checks.of_clips(smic.DATABASE.read(tmp_path))[0].severity == "warning"


def test_what_an_erratum_foretells_is_a_note():
    errata = [Erratum("sub01/EP01_*", "apex", 1, None, "late"), Erratum("EP09_01", "", 0, 0, "cut")]
    cut = "3 of the frames 1-13 are missing: clamped to 1-10"
    clips = [clip(n, apex=9, notes=(cut,)) for n in ("EP01_01", "EP09_01")]
    found = {(f.kind, f.clip[-7:]): f.severity for f in checks.of_clips(clips, errata)}
    assert found == {
        ("apex on offset", "EP01_01"): "note",
        ("frames missing", "EP01_01"): "warning",
        ("apex on offset", "EP09_01"): "warning",
        ("frames missing", "EP09_01"): "note",
    }


def test_of_a_reason_not_foreseen_the_clip_is_lost():
    (found,) = checks.of_skipped([schema.Skipped("a/b/c", "sheet: line 3", "unknown mood")])
    assert found == Finding("clip lost", "a/b/c", "sheet: line 3", "unknown mood")
    assert found.to_json()["severity"] == "error" and "correct" in found.remedy


def test_a_clip_that_the_protocol_would_not_take_is_a_note():
    skipped = [
        schema.Skipped(f"casme2/sub01/EP0{i}", "sheet: line 2", "no folder", word)
        for i, word in enumerate(("disgust", "others", ""))
    ]
    found = checks.of_skipped(skipped, protocols.choose("casme2"))
    assert [f.severity for f in found] == ["error", "note", "error"]
    assert [f.severity for f in checks.of_skipped(skipped)] == ["error"] * 3


@pytest.mark.parametrize(
    "reason, kind",
    [
        ("column Onset: '1,091' is no whole number: correct the cell", "unreadable cell"),
        ("/c holds frames 1-10 where the sheet says 91-104: renumbered?", "renumbered"),
        ("/c holds 0 of the frames 91-104: copy it again", "no frames"),
        ("/c holds 1 frame: a clip needs two at least", "no frames"),
        ("apex 12 outside 91-104: correct the sheet", "apex outside"),
    ],
)
def test_reasons_are_told_apart(reason, kind):
    (found,) = checks.of_skipped([schema.Skipped("a/b/c", "sheet: line 3", reason)])
    assert found.kind == kind


def seen(one, digests=None, size=(640, 480), **other):
    digests = digests or {f"{one.key}{n}".encode(): p for n, p in zip(one.numbers, one.frames)}
    return Reading(one, (), {size: one.frames[0]}, digests, len(one.frames), **other)


def test_clips_of_one_recording_share_files_but_duplicates_have_their_own():
    whole = clip(length=10)
    part = dataclasses.replace(whole, clip="part", frames=whole.frames[3:], numbers=(4,))
    digests = seen(whole).digests
    own = {digest: path for digest, path in digests.items() if path in part.frames}
    assert checks.of_files([seen(whole), seen(part, own)]) == []
    twin = clip("EP09_09")
    copies = {d: path for d, path in zip(digests, twin.frames)}
    (found,) = checks.of_files([seen(whole), seen(twin, copies)])
    assert kinds([found]) == [("duplicate clip", "EP09_09")] and found.path.endswith("EP09_09")
    few = dict(list(copies.items())[:4]) | {bytes([i]): twin.frames[i] for i in range(4, 10)}
    assert checks.of_files([seen(whole), seen(twin, few)]) == []


def test_of_many_copies_each_is_told_once():
    digests = list(seen(clip()).digests)
    clips = [clip(f"EP01_{i}") for i in range(5)]
    found = checks.of_files([seen(c, dict(zip(digests, c.frames))) for c in clips])
    assert kinds(found) == [("duplicate clip", f"EP01_{i}") for i in range(1, 5)]


def test_registered_clips_of_all_sizes_have_no_usual_one():
    sizes = [(280 + i, 340) for i in range(10)]
    clips = [clip(f"EP01_{i}") for i in range(10)]
    assert checks.of_files([seen(c, size=s) for c, s in zip(clips, sizes)]) == []
    sizes = [(640, 480)] * 9 + [(320, 240)]
    (found,) = checks.of_files([seen(c, size=s) for c, s in zip(clips, sizes)])
    assert kinds([found]) == [("unusual size", "EP01_9")]
    assert found.detail == "320x240, where 640x480 is usual"


def portrait(eyes=100.0, sign=1.0, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    asymmetry = np.random.default_rng(9).normal(size=(8, 8)) + noise * rng.normal(size=(8, 8))
    return Portrait(eyes, (sign * asymmetry / np.linalg.norm(asymmetry)).astype(np.float32))


def faces(*portraits):
    clips = [clip(f"EP01_{i}") for i in range(len(portraits))]
    return kinds(checks.of_files([seen(c, portrait=p) for c, p in zip(clips, portraits)]))


def test_eyes_too_near_or_too_far_for_the_subject():
    assert faces(*map(portrait, (100, 95, 110, 120))) == []
    assert faces(*map(portrait, (100, 95, 25, 110))) == [("eye distance", "EP01_2")]
    assert faces(*map(portrait, (100, 95, 140, 110))) == [("eye distance", "EP01_2")]
    assert faces(portrait(100), portrait(200)) == []  # of two, which?
    assert faces(portrait(20)) == [("small face", "EP01_0")]


def test_mirrored_clips_are_those_that_differ_from_most():
    noisy = [portrait(noise=1.0, seed=i) for i in range(6)]
    assert faces(*noisy) == []
    flipped = portrait(sign=-1, noise=1.0, seed=7)
    assert faces(*noisy[:3], flipped, *noisy[3:]) == [("mirrored", "EP01_3")]
    assert faces(noisy[0], flipped) == [("mirrored", "EP01_0"), ("mirrored", "EP01_1")]
    other = Portrait(100, np.eye(8, dtype=np.float32) / 8**0.5)  # unlike, but not the opposite
    assert faces(*noisy[:2], other) == []


def test_a_face_not_found_names_the_onset():
    (found,) = checks.of_files([seen(clip(), no_face="no face found")])
    assert found.kind == "no face" and found.path == "/copy/sub01/EP01_01/img1.jpg"
