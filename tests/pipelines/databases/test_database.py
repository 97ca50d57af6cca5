"""What every database has in common, and what it takes to add one."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import pipelines
from pipelines import databases, schema
from pipelines.databases.database import Database
from pipelines.synthetic import clip, plan, write
from pipelines.synthetic.options import SynthesisConfig


@pytest.mark.parametrize("name", databases.DATABASES)
def test_every_module_has_one_database(name):
    database = databases.load(name)
    assert isinstance(database, Database) and database.name == name
    assert name in database.advice() or "--dataset synthetic" in database.advice()
    assert len(database.region_boxes) == (len(schema.REGIONS) if database.precomputed else 0)
    if not database.precomputed:
        with pytest.raises(NotImplementedError):
            database.read_motion("a.png")


def test_the_folder_is_the_one_given_or_that_of_the_environment(monkeypatch):
    samm = databases.load("samm")
    monkeypatch.setenv("ME_KERAS_DATA", "/data")
    assert samm.locate(("/mine",)) == "/mine" and samm.locate("/mine") == "/mine"
    assert samm.locate() == "/data"
    monkeypatch.delenv("ME_KERAS_DATA")
    assert samm.locate(required=False) is None
    with pytest.raises(schema.DataError, match=r"--dataset samm needs --data-root \(or ME_KERAS"):
        samm.locate()
    with pytest.raises(schema.DataError, match="one folder: give one --data-root, got 2"):
        samm.locate(("/a", "/b"))
    named = ("smic=/a", "samm=/b")
    assert databases.load("megc2019").locate(named) == named
    assert databases.load("synthetic").locate(("/made",)) == "/made"


# What somebody writes who has recordings in folders of free names: one file, one line, one row.
MODULE = '''"""Recordings of our own: <person>/<take>/, names free, and labels.csv."""

from pipelines.databases import rows
from pipelines.databases.annotated import AnnotatedDatabase, Sheet


def _key_of(folder):
    return folder.names[-2:] if folder.images else None


def _row(line):
    names = line["subject"], line["clip"]
    return rows.row(line, *names, names)


DATABASE = AnnotatedDatabase(
    name="ours",
    help="Ask Ada. Expected under the root: Eva/first try/1.png and labels.csv.",
    example="Eva/first try",
    key_of=_key_of,
    emotions=("joy", "anger", "doubt"),
    sheet=Sheet("labels.csv", _row),
)
'''
LINE = '    "ours": "pipelines.databases.ours",\n}'
ROW = (
    '    of_one("ours-3", "our recordings", each("joy anger doubt"), (2, 1, 0), 2),\n)  # fmt: skip'
)
SHEET = """Subject,Clip,Onset,Apex,Offset,Emotion
Eva,first try,1,3,4,Joy
Eva,take (2),1,,4,anger
Ole & Co,x,1,2,4,joy
"""


def test_a_database_is_added_by_a_file_a_line_and_a_protocol(tmp_path):
    package = tmp_path / "pipelines"
    shutil.copytree(pathlib.Path(pipelines.__file__).parent, package)
    (package / "databases/ours.py").write_text(MODULE)
    for name, end, more in (("databases/__init__", "}", LINE), ("protocols/table", ")  # f", ROW)):
        path = package / f"{name}.py"
        before, _, after = path.read_text().partition(f"\n{end}")
        path.write_text(f"{before}\n{more}{after.removeprefix('mt: skip')}")
    config = SynthesisConfig(frame_size=(320, 240), num_frames=4)
    for index, line in enumerate(SHEET.splitlines()[1:]):
        person, take = line.split(",")[:2]
        spec = plan.draw_spec(config, 1 + (person != "Eva"), index, "happiness")
        for number, image in enumerate(clip.render(spec, range(4)), start=1):
            write.write_image(tmp_path / "copy" / person / take / f"{number}.png", image)
    (tmp_path / "copy/labels.csv").write_text(SHEET)
    command = "-m pipelines.prepare --dataset ours --data-root copy --image-size 64 --out out"
    done = subprocess.run(
        [sys.executable, *command.split(), "--jobs", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["classes"] == ["joy", "anger", "doubt"] and manifest["skipped"] == []
    clips = {entry["key"]: entry for entry in manifest["clips"]}
    labels = {key: entry["label"] for key, entry in clips.items()}
    assert labels == {"ours/Eva/first try": 0, "ours/Eva/take (2)": 1, "ours/Ole & Co/x": 0}
    assert [clips[key]["apex"] for key in labels] == [2, None, 1]
