"""From a row and a folder of frames to a clip: what is missing, and what is refused."""

import pytest

from pipelines import schema
from pipelines.databases import clips
from pipelines.databases.rows import Row


def make(numbers, onset=None, apex=None, offset=None, **other):
    row = Row("sheet: line 2", "s", "c", (), onset, apex, offset)
    paths = tuple(f"/copy/s/c/img{number}.jpg" for number in numbers)
    return clips.clip("casme2", row, "disgust", paths, tuple(numbers), **other)


def test_a_clip_runs_from_onset_to_offset():
    clip = make(range(90, 110), 91, 97, 104)
    assert clip.numbers == tuple(range(91, 105)) and clip.numbers[clip.apex] == 97
    assert (clip.onset, clip.offset, clip.notes) == (0, 13, ())
    assert make(range(90, 110)).numbers == tuple(range(90, 110))


def test_what_is_missing_is_noted():
    clip = make((92, 93, 96, 98), 91, 97, 104)
    assert clip.numbers == (92, 93, 96, 98) and clip.numbers[clip.apex] == 96
    assert clip.notes == (
        "apex 97 is missing: 96 taken, the nearest",
        "10 of the frames 91-104 are missing: clamped to 92-98",
    )
    assert make(range(91, 105), 91, 91, 104).apex is None
    assert "over 10: a micro-expression?" in make(range(91, 105), longest=10).notes[0]


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(("onset", "offset"), [(91, 104), (5, 60)])
def test_frames_numbered_anew_are_named(first, onset, offset):
    """As in releases that are cut to ten frames (TIM10)."""
    said = f"/copy/s/c holds frames {first}-{first + 9} where the sheet says {onset}-{offset}: ren"
    with pytest.raises(schema.DataError, match=said):
        make(range(first, first + 10), onset, None, offset)


@pytest.mark.parametrize(
    ("numbers", "span", "reason"),
    [
        (range(90, 110), (104, 97, 91), "offset 91 before onset 104"),
        (range(90, 110), (91, 120, 104), "apex 120 outside 91-104"),
        (range(90, 95), (94, None, 104), "holds 1 of the frames 94-104: copy it again"),
        (range(90, 95), (200, None, 210), "holds 0 of the frames 200-210: copy it again"),
        ((90,), (None, None, None), "holds 1 frame: a clip needs two at least"),
    ],
)
def test_rows_that_no_frames_fit(numbers, span, reason):
    with pytest.raises(schema.DataError, match=reason):
        make(numbers, *span)
