"""Ready-made flow of the composite: HTNet's list, a labels.csv, STSTNet's tree."""

import os
import pathlib
import shutil

import cv2
import numpy as np
import pytest

from pipelines import protocols, schema
from pipelines.databases import megc2019_flow, smic_flow

REAL = pathlib.Path(os.environ.get("ME_KERAS_TEST_DATA", "/nowhere"))
# As HTNet's list has them; SMIC's images are spelt in a fourth way.
ROWS = [
    "casme2,sub05,EP12_03f,2,,sub05_EP12_03f.jpg,",
    "casme2,sub09,EP09f,1,,sub09_EP09f.jpg,",
    "smic,s01,s01_ne_01,0,,s01_s1_ne_01.jpg,",
    "samm,006,006_1_2,0,,006_006_1_2.jpg,",
]
KEYS = [
    "casme2/sub05/EP12_03f",
    "casme2/sub09/EP09f",
    "samm/006/006_1_2",
    "smic/s01/s01_ne_01",
]
LABELS = [2, 1, 0, 0]
IMAGE = cv2.imencode(".png", np.full((28, 28, 3), 127, np.uint8))[1].tobytes()


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(IMAGE)


@pytest.fixture
def listed(tmp_path):
    head = "dataset,sub,filename_o,label,apex,imagename,sub_filename"
    (tmp_path / "list.csv").write_text("\n".join([head, *ROWS]) + "\n")
    for name in ("sub05_EP12_03f", "sub09_EP09f", "s01_s01_ne_01", "006_006_1_2"):
        write(tmp_path / "images" / f"{name}.png")  # the list says .jpg
    return tmp_path


def test_list_of_htnet(listed):
    clips = megc2019_flow.DATABASE.read(listed)
    assert [clip.key for clip in clips] == KEYS and [clip.label for clip in clips] == LABELS
    protocol = protocols.choose("megc2019-flow")
    assert protocols.labels(clips, protocol).tolist() == LABELS
    assert clips[0].frames[0].endswith("images/sub05_EP12_03f.png")
    assert megc2019_flow.DATABASE.read_motion(clips[0].frames[0]).shape == (28, 28, 3)
    database = megc2019_flow.DATABASE
    assert database.precomputed and database.region_boxes == smic_flow.DATABASE.region_boxes


@pytest.mark.parametrize("below", ["", "norm_u_v_os"])
def test_tree_of_ststnet(tmp_path, below):
    names = [
        ("sub05", 2, "sub05_EP12_03f"),
        ("sub09", 1, "sub09_EP09f"),
        ("006", 0, "006_006_1_2"),
        ("s01", 0, "s01_s1_ne_01"),
    ]
    for subject, label, name in names:
        write(tmp_path / below / subject / "u_test" / str(label) / f"{name}.png")
        for other in ("sub05", "sub09", "006", "s01"):
            if other != subject:
                write(tmp_path / below / other / "u_train" / str(label) / f"{name}.png")
    clips = megc2019_flow.DATABASE.read(tmp_path)
    assert [clip.key for clip in clips] == KEYS and [clip.label for clip in clips] == LABELS
    assert all("u_test" in clip.frames[0] for clip in clips)
    shutil.rmtree(tmp_path / below / "006" / "u_train")
    assert len(megc2019_flow.DATABASE.read(tmp_path)) == 4


def test_bad_rows_are_named(listed):
    with open(listed / "list.csv", "a") as file:
        file.write("casme2,sub01,EP01_01,3,,sub05_EP12_03f.jpg,\n")
        file.write("casme2,sub01,EP01_02,0,,absent.jpg,\n")
        file.write("mmew,S01,S01-01-001,0,,006_006_1_2.jpg,\n")
        file.write("smic,s01,s1_ne_1,0,,s01_s1_ne_01.jpg,\n")
        file.write("casme2,sub01,EP01_03,0,,../../secret.jpg,\n")
    skipped = []
    assert len(megc2019_flow.DATABASE.read(listed, skipped)) == 4
    reasons = [item.reason for item in skipped]
    assert "unknown class '3': expected 0, 1, 2" in reasons[0]
    assert "no image 'absent.jpg': copy it again" in reasons[1]
    assert "no image '../../secret.jpg'" in reasons[4]
    assert "unknown dataset 'mmew'" in reasons[2]
    assert "a second row or image of the clip in" in reasons[3]
    with pytest.raises(schema.DataError, match="EP01_01: unknown class '3'"):
        megc2019_flow.DATABASE.read(listed)


def test_misuse(tmp_path):
    with pytest.raises(schema.DataError, match="no such folder"):
        megc2019_flow.DATABASE.read(tmp_path / "absent")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(schema.DataError, match="no list and no tree.*no header with the column"):
        megc2019_flow.DATABASE.read(tmp_path)


@pytest.mark.skipif(not (REAL / "smic_flow").is_dir(), reason="no flow images of SMIC")
def test_real_images_of_one_database(tmp_path):
    table = (REAL / "smic_flow/labels.csv").read_text().splitlines()
    rows = [f"smic,{line}" for line in table[1:]]
    (tmp_path / "labels.csv").write_text("\n".join([f"dataset,{table[0]}", *rows]))
    os.symlink(REAL / "smic_flow", tmp_path / "images")
    clips = megc2019_flow.DATABASE.read(tmp_path)
    protocol = protocols.choose("megc2019-flow", "smic-3")
    assert len(clips) == 164 and protocols.differences(clips, protocol) == []


@pytest.mark.skipif(not (REAL / "casme2_flow").is_dir(), reason="no flow images of CASME II")
def test_the_145_real_images():
    clips = megc2019_flow.DATABASE.read(REAL / "casme2_flow")
    protocol = protocols.choose("megc2019-flow", "casme2-3")
    assert len(clips) == 145 and protocols.differences(clips, protocol) == []
