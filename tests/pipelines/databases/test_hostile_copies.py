"""Copies as people have them, for every loader: several in one folder, nested, linked, packed.

And annotations that would lead out of the copy. Whatever cannot be read is named, nothing is read
that is not the copy's own.
"""

import os
import pathlib
import shutil

import cv2
import disk
import numpy as np
import pytest
from rendered import layouts

from pipelines import databases, schema
from pipelines.databases import megc2019, tree

ROWS = {
    "smic": layouts.Row("s01", "s01_ne_01", 99999, "", 100001, "", "negative"),
    "casme2": layouts.Row("sub01", "EP02_01f", 98, 100, 102, "4", "disgust"),
    "samm": layouts.Row("006", "006_1_2", 9998, 10000, 10002, "4", "anger"),
    "casme3": layouts.Row("spNO.1", "spNO.1_b_98", 98, 99, 101, "4", "disgust"),
    "mmew": layouts.Row("S03", "S03-01-002", 8, 9, 11, "12", "happiness"),
    "4dme": layouts.Row("S13", "S13_1st_001_01_1", 2480, 2485, 2491, "4", "negative"),
    "dfme": layouts.Row("sub0003", "sub0003_01", 0, 1, 2, "4", "disgust", split="train"),
    "casme": layouts.Row("sub01", "EP01_5", 98, 99, 101, "4", "tense"),
}
FLOWS = {"smic-flow": "smic/s01/s01_ne_01", "megc2019-flow": "samm/006/006_1_2"}
IMAGE = cv2.imencode(".png", np.full((28, 28, 3), 127, np.uint8))[1].tobytes()


def key(database):
    return f"{database}/{ROWS[database].subject}/{ROWS[database].clip}"


def clip_folder(root, database):
    return (root / layouts.frame(database, ROWS[database], ROWS[database].onset)).parent


def top(root, database):
    """The topmost folder of a copy's frames."""
    return root / layouts.frame(database, ROWS[database], ROWS[database].onset).parts[0]


def write_flow(root, database, file="a.png"):
    """A list of one image in a form that the loader reads."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "a.png").write_bytes(IMAGE)
    if database == "smic-flow":
        lines = ["file,subject,clip,label", f"{file},s01,s01_ne_01,0"]
    else:
        lines = ["dataset,sub,filename_o,label,imagename", f"samm,006,006_1_2,0,{file}"]
    (root / "labels.csv").write_text("\n".join(lines) + "\n")


def write(root, database):
    if database in FLOWS:
        write_flow(root, database)
        return FLOWS[database]
    disk.write_copy(root, database, [ROWS[database]])
    return key(database)


ALL = [*ROWS, *FLOWS]
DEBRIS = ("Thumbs.db", ".DS_Store", "._img00001.jpg", "desktop.ini")


def keys(database, root, skipped=None):
    return [clip.key for clip in databases.load(database).read(root, skipped)]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """All databases under one root."""
    root = tmp_path_factory.mktemp("databases")
    for database in ROWS:
        disk.write_copy(root, database, [ROWS[database]])
    return root


@pytest.mark.parametrize("database", ROWS)
def test_several_databases_under_one_root(crowd, database):
    skipped = []
    assert keys(database, crowd, skipped) == [key(database)] and not skipped


def test_the_composite_in_a_crowd(crowd):
    clips = megc2019.DATABASE.read(crowd)
    assert [clip.key for clip in clips] == [key(name) for name in megc2019.PARTS]


@pytest.mark.parametrize("database", ROWS)
def test_a_folder_unpacked_into_itself(tmp_path, database):
    """One copy is read, the other is named."""
    write(tmp_path, database)
    folder = top(tmp_path, database)
    shutil.copytree(folder, tmp_path / "moved")
    shutil.move(tmp_path / "moved", folder / folder.name)
    skipped = []
    (clip,) = databases.load(database).read(tmp_path, skipped)
    assert clip.key == key(database)
    said = [f"{note}" for note in clip.notes] + [f"{s.path}: {s.reason}" for s in skipped]
    other = [p for p in tmp_path.rglob("*") if p.name == clip_folder(tmp_path, database).name]
    (other,) = {str(p) for p in other} - {os.path.dirname(clip.frames[0])}
    assert any("a second copy" in line and other in line for line in said)


@pytest.mark.parametrize("database", ROWS)
def test_only_nested_once_too_often(tmp_path, database):
    write(tmp_path, database)
    folder = top(tmp_path, database)
    folder.rename(tmp_path / "moved")
    folder.mkdir()
    (tmp_path / "moved").rename(folder / folder.name)
    assert keys(database, tmp_path) == [key(database)]


@pytest.mark.parametrize("how", [str.upper, str.lower, str.title])
@pytest.mark.parametrize("database", ROWS)
def test_letter_case_of_folders_and_files(tmp_path, database, how):
    write(tmp_path, database)
    for path in sorted(tmp_path.rglob("*"), key=lambda p: -len(p.parts)):
        if path.suffix != ".xlsx":
            path.rename(path.with_name(how(path.name)))
    (clip,) = databases.load(database).read(tmp_path)
    assert clip.key == key(database) and len(clip.frames) == len(ROWS[database].numbers)


@pytest.mark.parametrize("database", ROWS)
def test_what_is_no_frame_is_left_alone(tmp_path, database):
    write(tmp_path, database)
    folder = clip_folder(tmp_path, database)
    shutil.copytree(folder, tmp_path / ".Trash" / folder.name)
    for name in ("notes 1.txt", "cover.jpg", "a.mp4", *DEBRIS):
        (folder / name).write_bytes(b"")
    for above in ("__MACOSX", "@eaDir"):  # of an archive made on a Mac, and of a Synology disk
        copy = tmp_path / above / folder.relative_to(tmp_path)
        copy.mkdir(parents=True)
        for path in folder.iterdir():
            (copy / f"._{path.name}").write_bytes(b"")
            (copy / path.name).write_bytes(b"")
    (folder / "frames 7.jpg").mkdir()
    os.symlink(folder / "absent", folder / "img00008.jpg")
    (tmp_path / "~$sheet.xlsx").write_bytes(b"open in an editor")
    (clip,) = databases.load(database).read(tmp_path)
    assert clip.numbers == ROWS[database].numbers and clip.notes == ()


@pytest.mark.parametrize("target", [".", "..", "itself"])
@pytest.mark.parametrize("database", ALL)
def test_links_in_a_circle(tmp_path, database, target):
    root = tmp_path / "root"
    expected = write(root, database)
    folder = root if database in FLOWS else top(root, database)
    link = folder / "again"
    os.symlink({".": root, "..": tmp_path, "itself": link}[target], link)
    skipped = []
    assert keys(database, root, skipped) == [expected] and not skipped


@pytest.mark.parametrize("database", ALL)
def test_archives_are_named(tmp_path, database):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "Frames.ZIP").write_bytes(b"PK")
    with pytest.raises(schema.DataError, match=r"Frames\.ZIP: an archive; unpack it first"):
        keys(database, tmp_path)


@pytest.mark.parametrize("database", [name for name in ROWS if name != "smic"])
def test_a_clip_still_packed_is_named(tmp_path, database):
    """Where other clips are there already."""
    row = ROWS[database]
    other = {
        "casme3": row._replace(clip="spNO.1_b_7", onset=7, apex=8, offset=9),
        "dfme": row._replace(clip="sub0003_02"),
        "mmew": row._replace(clip="S03-01-003"),
        "samm": row._replace(clip="006_1_3"),
        "4dme": row._replace(clip="S13_1st_001_01_2"),
    }.get(database, row._replace(clip=row.clip + "1"))
    disk.write_copy(tmp_path, database, [row, other])
    folder = clip_folder(tmp_path, database)
    shutil.rmtree(folder)
    folder.with_suffix(".rar").write_bytes(b"Rar!")
    skipped = []
    assert len(keys(database, tmp_path, skipped)) == 1
    assert [s.key for s in skipped] == [key(database)]
    assert f"is it packed in {folder.with_suffix('.rar')}?" in skipped[0].reason


ESCAPES = ["../../secret", "/etc", "..", "x/../../secret", "~", "C:\\secret", "$HOME"]


@pytest.mark.parametrize("text", ESCAPES)
@pytest.mark.parametrize("database", [name for name in ROWS if name != "smic"])
def test_no_cell_leads_out_of_the_copy(tmp_path, database, text):
    """Whichever cell holds the path; the frames outside are never read."""
    root = tmp_path / "root"
    row = ROWS[database]
    (table,) = layouts.tables(database, [row])
    outside = tmp_path / "secret" / clip_folder(root, database).name
    outside.mkdir(parents=True)
    (outside / "img99.jpg").write_bytes(disk.PIXEL[".jpg"])
    disk.write_frames(root, database, [row])
    for column in [name for name in table.rows.columns if not name.startswith("Unnamed")]:
        changed = table.rows.astype(object)
        changed.loc[0, column] = text
        layouts.write_table(table._replace(rows=changed), root)
        for clip in databases.load(database).read(root, []):
            paths = [pathlib.Path(path).resolve() for path in clip.frames]
            assert all(root.resolve() in path.parents for path in paths)
            assert "/" not in clip.subject and ".." not in clip.subject


@pytest.mark.parametrize("text", [*ESCAPES, "../secret.png", "secret.png"])
@pytest.mark.parametrize("database", FLOWS)
def test_no_list_of_images_leads_out_of_the_copy(tmp_path, database, text):
    (tmp_path / "secret.png").write_bytes(IMAGE)
    write_flow(tmp_path / "root", database, text)
    skipped = []
    assert keys(database, tmp_path / "root", skipped) == []
    assert [s.key for s in skipped] == [FLOWS[database]] and skipped[0].reason


def test_no_row_of_smic_leads_out_of_the_copy(tmp_path):
    import pandas as pd

    root = tmp_path / "root"
    for folder in (tmp_path / "secret/s1_ne_01", root / "SMIC-HS-E/s01/s1_ne_03"):
        folder.mkdir(parents=True)
        for number in range(5):
            (folder / f"image{number:06d}.jpg").write_bytes(disk.PIXEL[".jpg"])
    names = ["s1_ne_03", "../../secret/s1_ne_01", "/etc", ".."]
    table = pd.DataFrame({"Subject": "s1", "Filename": names, "OnsetF": 1, "OffsetF": 3})
    table.to_excel(root / "SMIC-HS-E_annotation.xlsx", sheet_name="HS", index=False)
    skipped = []
    (clip,) = databases.load("smic").read(root, skipped)
    assert clip.clip == "s01_ne_03" and clip.numbers == (1, 2, 3)
    assert str(tmp_path / "secret") not in "".join(clip.frames)
    assert not skipped  # what is no clip's name is no row


def test_a_walk_of_a_crowd_names_the_others(crowd):
    found = tree.walk(crowd, "samm", databases.load("samm").key_of)
    assert {"smic", "casme2", "mmew", "dfme", "casme"} <= set(found.others)
    assert all(f"--dataset {name}" in "\n".join(found.remarks()) for name in found.others)
