"""Walking a copy: what is beside the clips, and how their paths are made."""

import pathlib

from pipelines import schema
from pipelines.doctor import inventory


def make(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def take(root, *own):
    return inventory.take(root, set(own))


def test_a_tidy_copy(tmp_path):
    make(
        tmp_path, "SMIC_all_raw/HS/s1/image1.bmp", "notes.txt", "a.xlsx", ".hidden.zip", "~$a.xlsx"
    )
    stock = take(tmp_path, "smic")
    assert stock == inventory.Inventory()


def test_archives_count_until_their_folder_is_there(tmp_path):
    make(tmp_path, "Cropped.zip", "raw.tar.gz", "raw/img1.jpg")
    assert take(tmp_path).archives == [str(tmp_path / "Cropped.zip")]


def test_litter_is_counted_by_folder(tmp_path):
    make(tmp_path, "a/img1.jpg", "a/list.txt", "a/x.mp4", "b/readme.txt", "c/cover.png")
    stock = take(tmp_path)
    assert stock.litter == {str(tmp_path / "a/list.txt"): 2}
    assert stock.unnumbered == [str(tmp_path / "c/cover.png")]


def test_debris_of_archives_and_file_systems_is_not_told(tmp_path):
    make(tmp_path, "SAMM/006/img1.jpg", "SAMM/006/Thumbs.db", "SAMM/006/._img1.jpg", "desktop.ini")
    make(tmp_path, "__MACOSX/CASME2/._img1.jpg", "SAMM/006/@eaDir/img1.jpg/SYNOPHOTO_THUMB_M.jpg")
    make(tmp_path, "SAMM/006/.DS_Store", "__MACOSX/more.zip")
    assert take(tmp_path, "samm") == inventory.Inventory()


def test_links(tmp_path):
    make(tmp_path, "a/b/img1.jpg")
    (tmp_path / "a/b/up").symlink_to(tmp_path)
    (tmp_path / "a/img2.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "z").symlink_to(tmp_path / "a")  # read already, but no loop
    stock = take(tmp_path)
    assert stock.loops == [str(tmp_path / "a/b/up")]
    assert stock.broken == [str(tmp_path / "a/img2.jpg")]


def test_other_databases(tmp_path):
    make(tmp_path, "SAMM/006/006_1.jpg", "SAMM/SAMM_CROP/1.jpg", "SMIC_all_raw/s1.bmp")
    make(tmp_path, "CASME/CASME2_RAW/sub01/img1.jpg")
    others = take(tmp_path, "casme2").others
    assert others == {"samm": str(tmp_path / "SAMM"), "smic": str(tmp_path / "SMIC_all_raw")}
    assert set(take(tmp_path, "casme2", "samm", "smic").others) == set()


def test_layouts():
    def clip(path):
        return schema.Clip("d", "s", path, (f"/r/{path}",), (1,), 0, None, 0, 0, "")

    raw = [f"SMIC_all_raw/HS/s{i}/micro/negative/s{i}_ne_01/image{i}12345.bmp" for i in (1, 2)]
    (line,) = inventory.layouts(pathlib.Path("/r"), map(clip, raw))
    assert line == "SMIC_all_raw/HS/*/micro/negative/*/image######.bmp (2 clips)"
    mixed = [*raw, "img7.jpg"]
    assert inventory.layouts("/r", map(clip, mixed))[1] == "img#.jpg (1 clip)"
    dfme = ["DFME/a/sub1_1/sub1_1-3.png", "DFME/a/sub1_2/sub1_2-4.png"]
    assert inventory.layouts("/r", map(clip, dfme)) == ["DFME/a/*/*-#.png (2 clips)"]
