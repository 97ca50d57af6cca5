"""What the loaders share, under every spelling that copies come in (property-based)."""

import dataclasses
import pathlib
import shutil
import tempfile

import disk
import hypothesis
import hypothesis.strategies as st
import pandas as pd
import pytest
from rendered import layouts

from pipelines import databases, schema
from pipelines.databases import clips
from pipelines.databases.rows import RowErratum

ROWS = {
    "casme2": [
        layouts.Row("sub01", "EP02_01f", 98, 100, 101, "L4+7", "disgust"),
        layouts.Row("sub02", "EP02_01f", 9, 10, 12, "12", "happiness"),
    ],
    "samm": [
        layouts.Row("006", "006_1_2", 9998, 9999, 10001, "12+15", "anger", "I"),
        layouts.Row("035", "035_7_3", 98, 99, 100, "2", "other", "VII"),
    ],
    "casme3": [
        layouts.Row("spNO.1", "spNO.1_b_98", 98, 99, 101, "4", "disgust", "III"),
        layouts.Row("spNO.1", "spNO.1_b_205", 205, 206, 207, "12", "happy", "VI"),
    ],
    "mmew": [
        layouts.Row("S03", "S03-01-002", 8, 9, 11, "12", "happiness"),
        layouts.Row("S11", "S11-05-010", 1, 2, 3, "4+7", "disgust"),
    ],
    "4dme": [
        layouts.Row("S13", "S13_1st_001_01_1", 2480, 2490, 2491, "4", "negative"),
        layouts.Row("S30", "S30_002_01_1", 99, 100, 101, "12", "negative+surprise"),
    ],
    "dfme": [
        layouts.Row("sub0003", "sub0003_01", 0, 1, 2, "4", "disgust", split="train"),
        layouts.Row("sub0003", "sub0003_02", 0, 1, 3, "12", "happiness", split="train"),
        layouts.Row("sub0200", "sub0200_12", 0, 2, 3, "12", "happiness", split="testA"),
    ],
    "casme": [
        layouts.Row("sub01", "EP01_5", 98, 99, 101, "4", "tense"),
        layouts.Row("sub11", "EP03_2", 69, 70, 72, "14", "repression"),
    ],
}

spelling = st.fixed_dictionaries(
    {
        "case": st.sampled_from([str, str.upper, str.lower]),
        "headers": st.sampled_from([str, str.upper, str.lower, lambda t: f" {t} "]),
        "spaces": st.sampled_from(["", " ", "  "]),
        "suffix": st.sampled_from([".xlsx", ".csv"]),
        "above": st.sampled_from([0, 1, 13]),
        "blank_columns": st.booleans(),
        "blank_rows": st.booleans(),
        "extra_columns": st.booleans(),
        "order": st.sampled_from([None, 0, 1, 2]),  # of the columns: None as they are, or a seed
        "numeric_subjects": st.booleans(),
        "merged_subjects": st.booleans(),
        "numbers_as_floats": st.booleans(),
        "full_width": st.booleans(),
        "emotions": st.sampled_from([str, str.upper, str.lower, str.title]),
        "apex": st.sampled_from([None, "", "/", " / ", "-", "\\", "nan"]),  # None: as it is
        "nested": st.sampled_from([0, 1, 2]),
        "clutter": st.booleans(),
    }
)


FULL_WIDTH = {ord(plain): ord(plain) + 0xFEE0 for plain in "0123456789/()+"}


def is_numeric(cell):
    return isinstance(cell, (int, str)) and str(cell).strip().isdigit()


def respell_folders(root, how):
    """Changes the case of every folder's name, deepest first."""
    for path in sorted((p for p in root.rglob("*") if p.is_dir()), key=lambda p: -len(p.parts)):
        path.rename(path.with_name(how(path.name)))


def respell_table(table, how):
    """The table as another hand would have left it."""
    table = table.copy()
    if how["apex"] is not None:
        for column in [name for name in table if name.startswith("Apex")]:
            table[column] = how["apex"]
    for column in [name for name in table if name.lower().endswith("emotion")]:
        table[column] = table[column].map(how["emotions"])
    for column in table:
        if table[column].dtype == object:
            table[column] = [f"{v}{how['spaces']}" if isinstance(v, str) else v
                             for v in table[column]]  # fmt: skip
        elif how["numbers_as_floats"]:
            table[column] = table[column].astype(float)
    if how["numeric_subjects"] and table.iloc[:, 0].astype(str).str.strip().str.isdigit().all():
        table[table.columns[0]] = table.iloc[:, 0].astype(int)
    if how["full_width"]:
        table = table.map(lambda v: str(v).translate(FULL_WIDTH) if is_numeric(v) else v)
    if how["merged_subjects"]:
        first = table.columns[0]
        table[first] = table[first].astype(object).where(table[first] != table[first].shift(), None)
    if how["extra_columns"]:
        table["remark"], table["Fps"] = "Subject", 200
    if how["order"] is not None:
        table = table.sample(frac=1, axis=1, random_state=how["order"])
    if how["blank_columns"]:
        table.insert(2, "Unnamed: 9", None)
    if how["blank_rows"]:
        table = pd.concat([table[:1], pd.DataFrame([{}]), table[1:]], ignore_index=True)
    table.columns = [how["headers"](name) for name in table.columns]
    return table


def write_sheet(path, table, how):
    path = path.with_suffix(how["suffix"])
    above = how["above"]
    if how["suffix"] == ".csv":
        path.write_text("a line\n" * above + table.to_csv(index=False))
    else:
        table.to_excel(path, index=False, startrow=above)


def rewrite_sheets(root, database, rows, how):
    for table in layouts.tables(database, rows):
        (root / table.path).unlink()
        write_sheet(root / table.path, respell_table(table.rows, how), how)


def facts(clips):
    """What must not depend on the spelling."""
    return [dataclasses.replace(clip, frames=()) for clip in clips]


@pytest.mark.parametrize("database", ROWS)
@hypothesis.settings(max_examples=25, deadline=None, derandomize=True)
@hypothesis.given(how=spelling)
def test_spelling_does_not_matter(database, how):
    rows = ROWS[database]
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder, "a", "b")
        disk.write_copy(root, database, rows)
        loader = databases.load(database)
        expected = loader.read(root)
        rewrite_sheets(root, database, rows, how)
        if how["apex"] is not None:
            expected = [dataclasses.replace(clip, apex=None) for clip in expected]
        respell_folders(root, how["case"])
        for depth in range(how["nested"]):
            inner = root.with_name(f"moved{depth}")
            root.rename(inner)
            (root / "copy").mkdir(parents=True)
            shutil.move(str(inner), str(root / "copy"))
        if how["clutter"]:
            for path in [root, *(p for p in root.rglob("*") if p.is_dir())]:
                (path / "Thumbs.db").write_bytes(b"")
                (path / "notes.txt").write_text("1")
        assert facts(loader.read(root)) == facts(expected)
        assert len(expected) == len(rows)


@pytest.mark.parametrize("database", ROWS)
@pytest.mark.parametrize("name", ["../../etc", "/etc", "..", "EP02_01f/../../secret", ""])
def test_paths_of_a_sheet_never_leave_the_root(tmp_path, database, name):
    rows = ROWS[database]
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "img1.jpg").write_bytes(b"")
    root = tmp_path / "root"
    disk.write_copy(root, database, rows)
    table = layouts.tables(database, rows)[0]
    column = "fold_name" if "fold_name" in table.rows else "Filename"
    changed = table.rows.copy()
    changed.loc[0, column] = name
    changed.to_excel(root / table.path, index=False)
    skipped = []
    clips = databases.load(database).read(root, skipped)
    paths = [pathlib.Path(path).resolve() for clip in clips for path in clip.frames]
    assert all(root.resolve() in path.parents for path in paths)
    assert [(clip.subject, clip.clip) for clip in clips] == [row[:2] for row in rows[1:]]
    assert skipped or database in ("casme3", "dfme")  # whose other folders need no row


@pytest.mark.parametrize("database", ROWS)
def test_a_lost_folder_is_reported_with_its_row(tmp_path, database):
    rows = ROWS[database]
    disk.write_copy(tmp_path, database, rows)
    shutil.rmtree((tmp_path / layouts.frame(database, rows[0], rows[0].onset)).parent)
    skipped = []
    assert len(databases.load(database).read(tmp_path, skipped)) == len(rows) - 1
    (said,) = skipped
    assert said.key == f"{database}/{rows[0].subject}/{rows[0].clip}"
    assert "no folder" in said.reason and "line" in said.path
    with pytest.raises(schema.DataError, match="no folder .* copy it again"):
        databases.load(database).read(tmp_path)


def test_row_errata_mend_only_rows_that_cannot_be_used(tmp_path):
    from pipelines.databases import casme

    rows = ROWS["casme"]
    erratum = RowErratum(1, {"onset": 70, "offset": 72, "apex": 71}, "why")
    database = dataclasses.replace(casme.DATABASE, row_errata=(erratum,), num_rows=2)
    disk.write_frames(tmp_path, "casme", rows)

    def read(**changes):
        disk.write_sheets(tmp_path, "casme", [rows[0], rows[1]._replace(**changes)])
        return database.read(tmp_path)[1]

    assert read().numbers == (69, 70, 71, 72)  # usable as it stands
    for changes in ({"offset": 10}, {"apex": "/"}, {"onset": 500, "offset": 600}):
        clip = read(**changes)
        assert clip.numbers == (70, 71, 72) and clip.numbers[clip.apex] == 71
        assert clip.notes[0].startswith("row 1:") and "why" in clip.notes[0]


def test_long_clips_and_an_apex_on_the_onset_are_noted(tmp_path):
    row = layouts.Row("spNO.3", "spNO.3_a_10", 10, 10, 140, "4", "disgust")
    disk.write_copy(tmp_path, "casme3", [row])
    (clip,) = databases.load("casme3").read(tmp_path)
    assert clip.apex is None and len(clip.frames) == 131
    assert [note.split(",")[0] for note in clip.notes] == ["apex 10 is the onset", "131 frames"]


def test_an_unreadable_folder_is_reported(tmp_path, monkeypatch):
    disk.write_copy(tmp_path, "samm", ROWS["samm"])

    def refuse(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(clips.frames, "list_frames", refuse)
    skipped = []
    assert databases.load("samm").read(tmp_path, skipped) == []
    assert "cannot be read (Permission denied)" in skipped[0].reason


def test_a_browsers_second_copy_is_left_out_with_a_note(tmp_path):
    folder = disk.write_frames(tmp_path, "casme3", ROWS["casme3"][:1])
    disk.write_sheets(tmp_path, "casme3", ROWS["casme3"][:1])
    shutil.copy(folder / "98.jpg", folder / "98 (1).jpg")
    (clip,) = databases.load("casme3").read(tmp_path)
    assert clip.numbers == (98, 99, 100, 101) and "98 (1).jpg" in " ".join(clip.notes)
