"""Trees on disk: names as distributed, the same bytes for a seed, nothing half-written."""

import errno
import hashlib
import json
import pathlib

import pytest

from pipelines import schema
from pipelines.synthetic import __main__ as command
from pipelines.synthetic import write
from pipelines.synthetic.options import SynthesisConfig

SMALL = {"num_subjects": 2, "clips_per_class": 1, "num_frames": 5, "frame_size": (160, 120)}


def digest(root):
    """Of every path and every byte below `root`; spreadsheets hold the time, so not of those."""
    total = hashlib.sha256()
    for path in sorted(pathlib.Path(root).rglob("*")):
        total.update(str(path.relative_to(root)).encode())
        if path.is_file() and path.suffix != ".xlsx":
            total.update(path.read_bytes())
    return total.hexdigest()


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    out = tmp_path_factory.mktemp("synthetic") / "tree"
    write.generate(out, SynthesisConfig(**SMALL), jobs=1)
    return out


def test_tree_has_the_names_of_smic(tree):
    clips = sorted(p.parent.relative_to(tree) for p in tree.rglob("*.bmp"))
    names = {str(clip) for clip in clips}
    assert names == {
        f"SMIC_all_raw/HS/s{s}/micro/{emotion}/s{s}_{token}_01"
        for s in (1, 2)
        for emotion, token in (("negative", "ne"), ("positive", "po"), ("surprise", "sur"))
    }
    assert all(p.name.startswith("image") and len(p.stem) >= 11 for p in tree.rglob("*.bmp"))


def test_same_seed_same_bytes_whatever_the_processes(tree, tmp_path):
    write.generate(tmp_path / "again", SynthesisConfig(**SMALL), jobs=2)
    assert digest(tmp_path / "again") == digest(tree)
    write.generate(tmp_path / "other", SynthesisConfig(**SMALL, seed=1), jobs=1)
    assert digest(tmp_path / "other") != digest(tree)


def test_truth_is_kept_beside_the_frames(tree):
    config, truth = write.read_truth(tree)
    assert config == SynthesisConfig(**SMALL)
    assert len(truth) == 6
    spec = truth["s02/s02_po_01"]
    folder = tree / "SMIC_all_raw/HS/s2/micro/positive/s2_po_01"
    assert len(list(folder.iterdir())) == spec.num_frames
    assert spec.emotion == "positive" and spec.subject == 2


def test_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(schema.DataError, match="not a synthetic database"):
        write.generate(tmp_path, SynthesisConfig(**SMALL), jobs=1)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_failure_leaves_nothing_behind_and_the_old_tree_whole(tmp_path, monkeypatch):
    out = tmp_path / "tree"
    write.generate(out, SynthesisConfig(**SMALL), jobs=1)
    before = digest(out)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write, "write_image", full)
    with pytest.raises(OSError, match="No space left"):
        write.generate(out, SynthesisConfig(**SMALL, seed=3), jobs=1)
    assert digest(out) == before
    assert [p.name for p in tmp_path.iterdir()] == ["tree"]


@pytest.mark.parametrize("text", [None, "{", '{"format": 99}', '{"format": 1, "config": {}}'])
def test_missing_or_damaged_truth_is_named(tmp_path, text):
    if text is not None:
        (tmp_path / write.TRUTH).write_text(text)
    with pytest.raises(schema.DataError, match="truth.json: no ground truth"):
        write.read_truth(tmp_path)


def test_command_writes_a_tree(tmp_path, capsys):
    arguments = ["--num-subjects", "1", "--clips-per-class", "1", "--num-frames", "4"]
    arguments += ["--frame-size", "160", "120", "--layout", "casme2", "--jobs", "1"]
    assert command.main([*arguments, "--out", str(tmp_path / "tree")]) == 0
    assert "3 clips of 1 subjects" in capsys.readouterr().out
    assert json.loads((tmp_path / "tree" / "truth.json").read_text())["config"]["num_frames"] == 4
    (tmp_path / "taken").write_text("")
    assert command.main([*arguments, "--out", str(tmp_path / "taken")]) == 2
    assert "choose another folder" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        command.main(["--num-subjects", "0"])
