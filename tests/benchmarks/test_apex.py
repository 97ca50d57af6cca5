"""The benchmark of the apex rules: its figures, on rendered clips and on a prepared database."""

import dataclasses
import json

import cv2
import numpy as np
import prepared_fixture
import pytest

from benchmarks import apex
from pipelines.synthetic import plan
from pipelines.synthetic.options import SynthesisConfig


def test_summary_is_of_absolute_errors():
    made = [{"spotted": error, "length": 10} for error in (-4, 0, 1, 1, 2)]
    row = apex.summary(made, "spotted")
    assert (row["clips"], row["mean"], row["median"]) == (5, 1.6, 1.0)
    assert row["p90"] == pytest.approx(3.2) and row["of the clip"] == pytest.approx(0.16)


def test_a_rendered_clip_is_spotted_nearer_than_the_middle():
    config = SynthesisConfig(seed=4, frame_size=(320, 240))
    spec = plan.draw_spec(config, 1, 0, "surprise")
    error = apex.errors(dataclasses.replace(spec, num_frames=16, apex=10))
    assert error["middle"] == 7 - 10 and error["length"] == 16
    assert abs(error["spotted"]) <= 1


def prepared(path, apex_parameter="annotated", **clip):
    """A database of one clip: noise that moves to the right until frame 6 and back."""
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.normal(128, 400, (64, 80)), (0, 0), 2)
    shifts = [0, 1, 2, 3, 4, 5, 6, 5, 3, 1]
    frames = np.stack([noise[:, 8 - s : 72 - s] for s in shifts]).clip(0, 255).astype(np.uint8)

    def edit(manifest):
        manifest["parameters"] = {"apex": apex_parameter}
        manifest["clips"][0]["numbers"] = [100 + 3 * i for i in range(10)]

    made = [{"subject": 1, "label": 0, "frames": frames, **clip}]
    return prepared_fixture.write_prepared(path, made, 60, 2, edit=edit)


def test_a_prepared_database_is_measured_in_frames_of_the_recording(tmp_path, capsys):
    path = prepared(tmp_path / "p", apex=5)
    assert apex.main(["--prepared", str(path), "--json", str(tmp_path / "x.json")]) == 0
    rows = json.loads((tmp_path / "x.json").read_text())["rows"]
    assert rows["made spotted"]["mean"] == 3  # the next of the frames kept
    assert rows["made middle"]["mean"] == 115 - 113
    assert "made middle" in capsys.readouterr().out


@pytest.mark.parametrize("rule, said", [("annotated", "no clip of"), ("spotted", "no annotated")])
def test_a_prepared_database_needs_labels(tmp_path, capsys, rule, said):
    path = prepared(tmp_path / "p", rule)
    assert apex.main(["--prepared", str(path)]) == 2
    assert said in capsys.readouterr().err
