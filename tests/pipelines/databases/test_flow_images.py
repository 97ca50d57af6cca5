"""Flow images as they are published: names that are no clip's, blanks, pictures of faces beside."""

import cv2
import numpy as np
import pytest

from pipelines import databases, schema

IMAGE = cv2.imencode(".png", np.full((28, 28, 3), 127, np.uint8))[1].tobytes()
CLIPS = {  # clip of the tree -> key
    "s02/u_test/0/s02_s02_ne_01": "smic/s02/s02_ne_01",
    "sub01/u_test/1/sub01_EP02_01f": "casme2/sub01/EP02_01f",
    "sub03/u_test/1/sub03_EP01_2": "casme2/sub03/EP01_2",
    "sub07/u_test/0/sub07_EP06_02_01": "casme2/sub07/EP06_02_01",
    "sub09/u_test/1/sub09_EP09f": "casme2/sub09/EP09f",
    "009/u_test/2/009_009_3_3": "samm/009/009_3_3",
}


def write(path, content=IMAGE):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def keys(root, name="megc2019-flow", skipped=None):
    return [clip.key for clip in databases.load(name).read(root, skipped)]


def test_images_of_other_spans_and_directions_are_left_out_with_a_note(tmp_path, capsys):
    """Published folders hold apex to offset (_1) and two directions (_2, _3) of each clip."""
    for name in CLIPS:
        for end in ("", "_1", "_2", "_3"):
            write(tmp_path / f"{name}{end}.png")
    assert keys(tmp_path) == sorted(CLIPS.values())
    said = capsys.readouterr().err
    assert "18 images are left out, for their names are no clip's: " in said
    assert str(tmp_path / "009/u_test/2/009_009_3_3_1.png") in said
    for name in CLIPS:
        for end in ("_1", "_2", "_3"):
            (tmp_path / f"{name}{end}.png").unlink()
    assert keys(tmp_path) == sorted(CLIPS.values()) and capsys.readouterr().err == ""


def write_list(root, rows, name="list.csv"):
    lines = ["dataset,sub,filename_o,label,apex,imagename,sub_filename", *rows]
    (root / name).write_text("\n".join(lines) + "\n")


def test_files_with_a_blank_and_a_list_of_other_pictures(tmp_path):
    """As HTNet publishes them: "006_006_1_2 .png", where the list names pictures of faces."""
    rows = [
        "samm,006,006_1_2,0,,006_05588.jpg,",
        "smic,s01,s01_ne_01,0,,s01_s1_ne_01.jpg,",
        "casme2,sub05,EP12_03f,2,,reg_img99.jpg,",
    ]
    write_list(tmp_path, rows)
    for name in ("006_006_1_2 ", "s01_s01_ne_01 ", "sub05_EP12_03f "):
        write(tmp_path / "flow" / f"{name}.png")
    assert keys(tmp_path) == ["casme2/sub05/EP12_03f", "samm/006/006_1_2", "smic/s01/s01_ne_01"]


def test_of_two_images_of_a_clip_none_is_chosen(tmp_path):
    write_list(tmp_path, ["samm,006,006_1_2,0,,006_006_1_2.jpg,"])
    for name in ("flow/006_006_1_2 .png", "faces/006_006_1_2.jpg"):
        write(tmp_path / name)
    with pytest.raises(schema.DataError, match=r"two images of it, .*faces/.* and .*flow/.*: keep"):
        keys(tmp_path)


def test_a_row_that_names_no_clip_is_refused(tmp_path):
    write_list(tmp_path, ["samm,006,006_1_2_1,0,,006_006_1_2_1.png,"])
    write(tmp_path / "006_006_1_2_1.png")
    with pytest.raises(schema.DataError, match="'006_1_2_1' is no name of a clip of samm"):
        keys(tmp_path)


def test_the_list_nearest_to_the_root_is_read(tmp_path):
    write_list(tmp_path, ["samm,006,006_1_2,0,,a.png,"])
    (tmp_path / "old").mkdir()
    write_list(tmp_path / "old", ["samm,006,006_1_3,0,,a.png,"])
    write(tmp_path / "a.png")
    assert keys(tmp_path) == ["samm/006/006_1_2"]
    write_list(tmp_path, ["samm,006,006_1_4,0,,a.png,"], "other.csv")
    with pytest.raises(schema.DataError, match="several lists of flow images under .*: keep one"):
        keys(tmp_path)


def test_debris_is_no_image(tmp_path):
    for name in CLIPS:
        write(tmp_path / f"{name}.png")
        folder, _, file = name.rpartition("/")
        write(tmp_path / "__MACOSX" / folder / f"._{file}.png", b"\0\5\26\7")
        write(tmp_path / folder / f"._{file}.png", b"\0\5\26\7")
    assert keys(tmp_path) == sorted(CLIPS.values())
