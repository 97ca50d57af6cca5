"""SMIC-HS: three releases, names, errata, long recordings, and broken copies."""

import os
import pathlib

import pandas as pd
import pytest
from rendered import smic as releases

from pipelines import schema
from pipelines.databases import smic

REAL = pathlib.Path(os.environ.get("ME_KERAS_TEST_DATA", "/nowhere"), "smic_clips.csv")


def write(folder, numbers, prefix="image", suffix="bmp"):
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / f"{prefix}{number:06d}.{suffix}").write_bytes(b"BM")
    return folder


def write_sheet(path, rows):
    table = pd.DataFrame(rows, columns=["Subject", "Filename", "OnsetF", "OffsetF"])
    table.insert(2, "Unnamed: 2", None)
    table["Emotion"] = "negative"
    path.parent.mkdir(parents=True, exist_ok=True)
    with pd.ExcelWriter(path) as writer:
        pd.DataFrame({"Filename": ["s1_ne_09"]}).to_excel(writer, sheet_name="VIS", index=False)
        table.to_excel(writer, sheet_name="HS", index=False)


@pytest.mark.parametrize(
    "text, name",
    [
        ("s1_ne_01", "s01_ne_01"),
        ("s01_ne_1", "s01_ne_01"),
        ("S20_SUR_12", "s20_sur_12"),
        ("s01_s1_ne_01", "s01_ne_01"),
        ("s1_su_01", "s01_su_01"),
        ("s1_non_micro_01", ""),
        ("s02_sur_01_1", ""),
        ("micro", ""),
    ],
)
def test_names_in_all_spellings(text, name):
    assert smic.clip_name(text) == name


@pytest.mark.parametrize("start", ["", "SMIC_all_raw", "SMIC_all_raw/HS", "SMIC_all_raw/HS/s2"])
def test_raw_from_any_folder_above(tmp_path, start):
    micro = tmp_path / "SMIC_all_raw/HS/s2/micro"
    write(micro / "positive/s2_po_01", [99998, 100001, 99999])
    write(micro / "surprise/s2_sur_10", range(17581039, 17581042))
    write(tmp_path / "SMIC_all_raw/HS/s2/non_micro/s2_ne_01", range(5))
    write(tmp_path / "SMIC_all_raw/VIS/s2/micro/negative/s2_ne_01", range(5))
    clips = smic.DATABASE.read(tmp_path / start)
    assert [clip.key for clip in clips] == ["smic/s02/s02_po_01", "smic/s02/s02_sur_10"]
    first = clips[0]
    assert first.numbers == (99998, 99999, 100001)  # as text, 100001 would come first
    assert (first.onset, first.apex, first.offset) == (0, None, 2)
    assert (first.label, first.emotion, first.subject_key) == (1, "positive", "smic/s02")
    assert [os.path.basename(path) for path in clips[1].frames][0] == "image17581039.bmp"


def test_letter_case_does_not_matter(tmp_path):
    write(tmp_path / "smic_ALL_raw/hs/S01/Micro/Negative/S01_NE_01", range(7, 10))
    assert [clip.clip for clip in smic.DATABASE.read(tmp_path)] == ["s01_ne_01"]


def test_the_class_is_that_of_the_name_not_of_the_folder(tmp_path):
    write(tmp_path / "HS/s18/micro/negative/s18_sur_03", range(3))
    assert smic.DATABASE.read(tmp_path)[0].label == 2


def test_cropped_and_preference(tmp_path):
    cropped = tmp_path / "SMIC_all_cropped/HS/s1/micro/negative/s1_ne_01"
    write(cropped, range(3), prefix="reg_image")
    assert "reg_image" in smic.DATABASE.read(tmp_path)[0].frames[0]
    write(tmp_path / "SMIC_all_raw/HS/s1/micro/negative/s1_ne_01", range(3))
    (clip,) = smic.DATABASE.read(tmp_path)  # the raw release is preferred, nothing is read twice
    assert "SMIC_all_raw" in clip.frames[0]


def test_long_recordings_are_cut_by_the_sheet(tmp_path):
    root = tmp_path / "SMIC-E_raw_long/HS_long/SMIC_HS_E"
    write(root / "s03/s3_ne_02", range(302320, 302391), suffix="jpg")
    write(root / "s03/s3_ne_16", range(409040, 409070), suffix="jpg")
    write(root / "s18/s18_sur_03", range(100, 120), suffix="jpg")
    rows = [
        ("s3", "s3_ne_02", 302330, 302356),
        ("s3", "s3_ne_16", 409046, 409062),
        ("s18", "s18_sur_03", 105, 110),
        (None, None, None, None),
    ]
    write_sheet(tmp_path / "SMIC-E_raw_long/SMIC-HS-E_annotation_2019.xlsx", rows)
    skipped = []
    for start in (tmp_path, root):  # the sheet may lie above the root
        clips = {clip.clip: clip for clip in smic.DATABASE.read(start, skipped)}
        spans = {name: (clip.numbers[0], clip.numbers[-1]) for name, clip in clips.items()}
        assert spans == {
            "s03_ne_02": (302330, 302356),
            "s03_ne_03": (302370, 302380),  # held inside s3_ne_02, without a row of its own
            "s03_ne_16": (409046, 409063),  # the sheet is a frame short
            "s18_sur_03": (105, 110),
        }
        assert clips["s18_sur_03"].label == 2  # the sheet says negative
        assert "the sheet calls it negative" in clips["s18_sur_03"].notes[0]
        assert "without a row of its own" in clips["s03_ne_03"].notes[0]
        assert "1 frame short" in clips["s03_ne_16"].notes[0]
        assert clips["s03_ne_02"].notes == ()
        assert "s3_ne_02" in clips["s03_ne_03"].frames[0]
    assert not skipped


def test_long_rows_and_folders_that_do_not_match_are_reported(tmp_path):
    write(tmp_path / "SMIC-HS-E/s05/s5_ne_01", range(100, 160))
    write(tmp_path / "SMIC-HS-E/s05/s5_ne_02", range(100, 160))
    write(tmp_path / "SMIC-HS-E/s05/s5_ne_03", range(100, 160))
    rows = [("s5", "s5_ne_01", 110, 130), ("s5", "s5_ne_03", 200, 230), ("s6", "s6_po_01", 1, 9)]
    write_sheet(tmp_path / "SMIC-HS-E_annotation.xlsx", rows)
    skipped = []
    assert [clip.clip for clip in smic.DATABASE.read(tmp_path, skipped)] == ["s05_ne_01"]
    reasons = {item.key.rpartition("/")[2]: item.reason for item in skipped}
    assert set(reasons) == {"s5_ne_02", "s05_ne_03", "s06_po_01"}
    assert "no row for it in SMIC-HS-E_annotation.xlsx" in reasons["s5_ne_02"]
    assert "holds 0 of the frames 200-230: copy it again" in reasons["s05_ne_03"]
    assert "no folder" in reasons["s06_po_01"]
    with pytest.raises(schema.DataError, match="s05_ne_03: .* holds 0 of the frames"):
        smic.DATABASE.read(tmp_path)


def test_an_unreadable_cell_is_an_error(tmp_path):
    write(tmp_path / "SMIC-HS-E/s05/s5_ne_01", range(100, 160))
    sheet = tmp_path / "SMIC-HS-E_annotation.xlsx"
    write_sheet(sheet, [("s5", "s5_ne_01", "1,10", 130)])
    with pytest.raises(schema.DataError, match=f"{sheet}: line 2: .*column OnsetF: '1,10' is no"):
        smic.DATABASE.read(tmp_path)


def test_long_without_a_sheet(tmp_path):
    folder = write(tmp_path / "SMIC-HS-E/s05/s5_ne_01", range(100, 130))
    assert smic.DATABASE.read(tmp_path)[0].numbers == tuple(range(100, 130))
    write(folder, range(130, 300))
    with pytest.raises(schema.DataError, match="200 frames.*no SMIC-HS-E_annotation"):
        smic.DATABASE.read(tmp_path)


def test_clips_that_cannot_be_used_are_reported(tmp_path):
    micro = tmp_path / "HS/s1/micro/negative"
    write(micro / "s1_ne_01", range(5))
    write(micro / "s1_ne_02", [7])
    write(micro / "s1_ne_03", [])
    write(micro / "s1_xx_01", range(5))
    write(tmp_path / "copy/s1/micro/negative/s1_ne_01", range(5))
    skipped = []
    (clip,) = smic.DATABASE.read(tmp_path, skipped)
    assert clip.clip == "s01_ne_01" and "a second copy in" in clip.notes[0]
    reasons = {item.key.rpartition("/")[2]: item.reason for item in skipped}
    assert "1 frame: a clip needs two" in reasons["s01_ne_02"]
    assert "no numbered image" in reasons["s01_ne_03"]
    assert "unknown emotion 'xx': expected one of negative, positive" in reasons["s01_xx_01"]
    assert all(os.path.isdir(item.path) for item in skipped)
    with pytest.raises(schema.DataError, match="s01_ne_02: "):
        smic.DATABASE.read(tmp_path)


def test_folders_of_other_databases_are_not_entered(tmp_path):
    write(tmp_path / "SMIC_all_raw/HS/s1/micro/negative/s1_ne_01", range(3))
    write(tmp_path / "SAMM/HS/s1/micro/negative/s1_ne_02", range(3))
    write(tmp_path / "backup of SMIC, CASME2/s1_ne_03", range(3))  # of several: looked into
    assert [clip.clip for clip in smic.DATABASE.read(tmp_path)] == ["s01_ne_01", "s01_ne_03"]


def test_another_database_is_named_where_there_is_no_smic(tmp_path):
    write(tmp_path / "SAMM/006/006_1_2", range(3))
    with pytest.raises(schema.DataError, match="SAMM: belongs to another database; read it with"):
        smic.DATABASE.read(tmp_path)


def test_what_is_amiss_is_noted(tmp_path):
    raw = tmp_path / "raw/HS/s3/micro"
    write(raw / "negative/s3_ne_16", [409046, 409047, 409049])
    write(raw / "surprise/s3_sur_01", range(308880, 308891))
    assert [clip.notes for clip in smic.DATABASE.read(tmp_path / "raw")] == [
        ("1 of the frames 409046-409049 are missing",),
        (),
    ]
    cropped = tmp_path / "cropped/HS/s3/micro"
    write(cropped / "negative/s3_ne_16", range(409046, 409063), "reg_image")  # one is known to lack
    (clip,) = smic.DATABASE.read(tmp_path / "cropped")
    assert clip.notes == ("1 of the frames 409046-409063 are missing: clamped to 409046-409062",)
    assert "s03_ne_16" in {erratum.clip for erratum in smic.DATABASE.errata}


def test_links_in_a_circle_end(tmp_path):
    write(tmp_path / "HS/s1/micro/negative/s1_ne_01", range(3))
    (tmp_path / "HS/s1/again").symlink_to(tmp_path, target_is_directory=True)
    assert len(smic.DATABASE.read(tmp_path)) == 1


@pytest.mark.parametrize("make", ["nothing", "empty", "archive", "vis", "other"])
def test_no_data_says_where_to_apply_and_what_is_expected(tmp_path, make):
    root = tmp_path / "SMIC"
    expected = "no folder like HS/s1/micro/negative/s1_ne_01 under"
    if make == "nothing":
        expected = "no such folder"
    else:
        root.mkdir()
    if make == "archive":
        (root / "SMIC_all_raw.ZIP").write_bytes(b"PK")
        expected = "SMIC_all_raw.ZIP: an archive; unpack it"
    if make == "vis":
        write(root / "VIS/s1/micro/negative/s1_ne_01", range(3))
        root = root / "VIS"
        expected = "only the HS part"
    if make == "other":
        write(root / "sub01/EP02_01f", range(3))
    with pytest.raises(schema.DataError, match=expected) as error:
        smic.DATABASE.read(root)
    for word in ("Oulu", "SMIC_all_raw/HS/s1/micro", "--dataset synthetic"):
        assert word in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(not REAL.is_file(), reason="the list of real clips is not at hand")
@pytest.mark.parametrize("release", ["raw", "cropped", "long"])
def test_the_164_real_names(tmp_path, release):
    """Folders and frame numbers as released, errata included; frames are empty files."""
    table = pd.read_csv(REAL)
    listed = []
    for row in table.itertuples():
        numbers = releases.numbers(release, row.clip, row.onset, row.offset)
        around = range(row.onset - 6, row.offset + 7) if numbers and release == "long" else numbers
        for number in around:
            path = tmp_path / releases.frame(release, row.clip, number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"BM")
        if numbers:
            listed.append((row.clip, row.onset, row.offset))
    if release == "long":
        sheet = releases.annotation(listed)
        assert len(sheet) == 157
        sheet.to_excel(tmp_path / releases.SHEET, sheet_name="HS", index=False)
    clips = {clip.clip: clip for clip in smic.DATABASE.read(tmp_path)}
    assert len(clips) == {"raw": 164, "cropped": 163, "long": 161}[release]
    assert len({clip.subject_key for clip in clips.values()}) == 16
    for row in table.itertuples():
        clip = clips.get(row.clip)
        if clip is not None:
            last = releases.numbers(release, row.clip, row.onset, row.offset)[-1]
            found = (clip.numbers[0], clip.numbers[-1], clip.label, clip.subject)
            assert found == (row.onset, last, row.label, row.subject)


@pytest.mark.parametrize("suffix", ["xlsx", "csv"])
def test_of_two_editions_of_the_sheet_the_later_is_read(tmp_path, suffix):
    write(tmp_path / "SMIC-HS-E/s03/s3_po_08", range(402190, 402230))
    rows = {"Filename": ["s3_po_08", "s3_po_09", None], "Onset F": [402194, "/", None]}
    for year, offset in (("", 402210), ("_2019", 402223)):
        table = pd.DataFrame({**rows, "OffsetF": [offset, 5, None], "Onset2F": None})
        path = tmp_path / f"smic-hs-e_ANNOTATION{year}.{suffix}"
        if suffix == "csv":
            table.to_csv(path, index=False)
        else:
            table.to_excel(path, sheet_name="HS", index=False, startrow=3)
    (tmp_path / "SMIC-VIS-E_annotation.xlsx").write_bytes(b"never opened")
    (clip,) = smic.DATABASE.read(tmp_path)  # s3_po_09 has no onset: no row
    assert (clip.numbers[0], clip.numbers[-1]) == (402194, 402225)  # two frames short in the sheet


def test_a_sheet_that_is_none(tmp_path):
    write(tmp_path / "SMIC-HS-E/s05/s5_ne_01", range(100, 160))
    sheet = tmp_path / "SMIC-HS-E_annotation.xlsx"
    sheet.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(schema.DataError, match="annotation.xlsx: cannot be read as a spreadsheet"):
        smic.DATABASE.read(tmp_path)
    pd.DataFrame({"Filename": ["s5_ne_01"], "Onset": [1]}).to_excel(sheet, sheet_name="HS")
    with pytest.raises(schema.DataError, match="no column for onset .onsetf."):
        smic.DATABASE.read(tmp_path)
