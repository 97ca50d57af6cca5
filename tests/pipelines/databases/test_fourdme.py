"""4DME: several emotions, two sessions of one person, older layouts and headers, its errata."""

import disk
import pytest
from rendered import layouts, whole

from pipelines import protocols
from pipelines.databases import fourdme

ROWS = [
    layouts.Row("S13", "S13_1st_001_01_1", 2480, 2485, 2490, "AU4(k)+L7", "negative"),
    layouts.Row("S13", "S13_2nd_001_01_1", 10, 15, 20, "12", "positive"),
    layouts.Row("S20", "S20_003_02_1", 98, 99, 101, "1+2", "negative+surprise"),
]


def test_sessions_are_one_subject(tmp_path):
    disk.write_copy(tmp_path, "4dme", ROWS)
    clips = fourdme.DATABASE.read(tmp_path)
    assert [clip.subject for clip in clips] == ["S13", "S13", "S20"]
    assert len({clip.key for clip in clips}) == 3
    assert clips[0].action_units == ("L7",)  # static units are no movement


def test_clips_of_several_emotions_have_no_class(tmp_path):
    disk.write_copy(tmp_path, "4dme", ROWS)
    clips = fourdme.DATABASE.read(tmp_path)
    assert [(clip.emotion, clip.label) for clip in clips] == [
        ("negative", 0),
        ("positive", 1),
        ("negative+surprise", -1),
    ]
    reasons = protocols.left_out(clips, protocols.choose("4dme"))
    assert reasons == {"4dme/S20/S20_003_02_1": "several emotions at once: no single class holds"}


@pytest.mark.parametrize(
    "spelling", ["Surprise+Negative", "negative, surprise", "NegativeSurprise", ""]
)
def test_spellings_of_several_emotions(tmp_path, spelling):
    disk.write_frames(tmp_path, "4dme", ROWS[2:])
    (table,) = layouts.tables("4dme", ROWS[2:])
    rows = table.rows.assign(Emotion=spelling, Negative=1, Surprise=1, Positive=0)
    rows.to_excel(tmp_path / table.path, index=False)
    assert fourdme.DATABASE.read(tmp_path)[0].emotion == "negative+surprise"


def test_older_layout_and_headers(tmp_path):
    made = disk.write_frames(tmp_path, "4dme", ROWS[:1])
    made.rename(made.parents[1] / "S13_1st_001_01_1")
    made.parent.rmdir()
    (table,) = layouts.tables("4dme", ROWS[:1])
    table.rows.columns = [f"{name}'" for name in table.rows.columns]
    table.rows.to_excel(tmp_path / table.path, index=False)
    (clip,) = fourdme.DATABASE.read(tmp_path)
    assert clip.key == "4dme/S13/S13_1st_001_01_1"


@pytest.mark.parametrize(
    ("text", "flags", "emotion"),
    [
        ("Positive", ("Positive", "Surprise"), "positive+surprise"),  # a word lacks: row 263
        ("Positive", (), "positive"),
        ("Positive", ("Negative",), "positive"),  # a contradiction: the text holds
    ],
)
def test_flags_that_know_more_than_the_text(tmp_path, text, flags, emotion):
    disk.write_frames(tmp_path, "4dme", ROWS[1:2])
    (table,) = layouts.tables("4dme", ROWS[1:2])
    columns = ("Positive", "Negative", "Surprise", "Repression", "Others")
    rows = table.rows.assign(Emotion=text, **{name: int(name in flags) for name in columns})
    rows.to_excel(tmp_path / table.path, index=False)
    assert fourdme.DATABASE.read(tmp_path)[0].emotion == emotion


def test_errata_of_the_original_sheet(tmp_path):
    rows = whole.rows("4dme")
    rows[144] = rows[144]._replace(units="4")
    disk.write_copy(tmp_path, "4dme", rows)
    clips = {clip.clip: clip for clip in fourdme.DATABASE.read(tmp_path)}
    apex = clips[rows[26].clip]
    assert apex.numbers[apex.apex] == 2490 and "apex 9999 -> 2490" in apex.notes[0]
    assert clips[rows[77].clip].action_units == ("7",)
    assert clips[rows[124].clip].action_units == ("L7",)
    assert clips[rows[171].clip].action_units == ("R2", "45")
    assert clips[rows[263].clip].emotion == "positive+surprise"
    assert clips[rows[145].clip].action_units == ("4",)  # the two stand in each other's place
    assert clips[rows[144].clip].action_units == ("1", "2")


def test_errata_of_a_sheet_sorted_anew_or_cut(tmp_path):
    """What a row says finds its mistake wherever the row stands; a place alone finds none."""
    rows = whole.rows("4dme")
    rows[144] = rows[144]._replace(units="4")
    disk.write_copy(tmp_path, "4dme", rows)
    (table,) = layouts.tables("4dme", rows)
    expected = fourdme.DATABASE.read(tmp_path)
    swapped = {rows[144].clip, rows[145].clip}
    for changed in (table.rows[::-1], table.rows.drop(index=0)):
        changed.to_excel(tmp_path / table.path, index=False)
        found = {clip.clip: clip for clip in fourdme.DATABASE.read(tmp_path, [])}
        for clip in expected:
            if clip.clip not in swapped and clip.clip in found:
                assert found[clip.clip] == clip
        assert found[rows[144].clip].action_units == ("4",)


def test_an_apex_that_others_mended_is_left_alone(tmp_path):
    row = layouts.Row("S13", "S13_1st_001_01_1", 2480, 2485, 2500, "4", "negative")
    disk.write_copy(tmp_path, "4dme", [row])
    (clip,) = fourdme.DATABASE.read(tmp_path)
    assert clip.numbers[clip.apex] == 2485 and clip.notes == ()


def test_subjects_as_numbers(tmp_path):
    row = layouts.Row("S20", "S20_003_02_1", 98, 99, 101, "1", "negative")
    disk.write_frames(tmp_path, "4dme", [row])
    (table,) = layouts.tables("4dme", [row])
    table.rows.assign(sub_ID=20).to_excel(tmp_path / table.path, index=False)
    assert fourdme.DATABASE.read(tmp_path)[0].key == "4dme/S20/S20_003_02_1"
