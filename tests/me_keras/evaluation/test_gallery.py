"""The gallery of a run's folder: which clip of each class, its motion, its words."""

import json

import numpy as np
import pandas as pd
import pytest

from me_keras.average_face import AVERAGE_REGIONS
from me_keras.evaluation import gallery, results
from me_keras.interpretation import motion_units
from me_keras.options import Options
from pipelines import cli
from pipelines.schema import CLASSES, DataError

SIZE = 32
# Of clips 0 to 5, folds a and b: label, and the true class's probability for seeds 0 and 1.
CLIPS = [(0, 0.6, 0.6), (1, 0.9, 0.1), (2, 0.5, 0.5), (0, 0.9, 0.5), (1, 0.6, 0.6), (2, 0.4, 0.2)]
BEST = {"negative": 3, "positive": 4, "surprise": 2}  # by hand: the highest means
UNITS = {3: 4, 4: 12, 2: 1}  # the action unit that each of these shows


def field_of(clip):
    """The action unit in `UNITS`; of the others a shift, another for each clip."""
    if clip not in UNITS:
        return np.full((SIZE, SIZE, 2), 0.1 * clip, np.float32)
    row = list(motion_units.UNITS).index(UNITS[clip])
    return 2.0 * motion_units.templates(np.array(AVERAGE_REGIONS), SIZE)[row].sum(0)


def write_run(folder, motion="dgm", kept=True, finished=True):
    options = cli.replace(Options(), dataset="synthetic", motion=motion, image_size=64)
    folder.mkdir(parents=True)
    record = {**cli.to_json(options), "data_digest": "0", "versions": {}}
    (folder / "config.json").write_text(json.dumps(record))
    lines = []
    for seed in (0, 1):
        for group, clips in (("b", (5, 3, 4)), ("a", (0, 1, 2))):  # neither sorted nor in order
            for clip in clips:
                label, *own = CLIPS[clip]
                shares = np.full(3, (1 - own[seed]) / 2)
                shares[label] = own[seed]
                columns = dict(zip([f"p_{name}" for name in CLASSES], shares))
                line = {"seed": seed, "key": f"synthetic/s/{clip}", "subject_key": "synthetic/s"}
                line |= {"label": label, "group": group, "prediction": int(shares.argmax())}
                lines.append({**line, **columns})
            if kept:
                path = results.fold_path(folder, seed, group, ".npz")
                path.parent.mkdir(parents=True, exist_ok=True)
                fields = np.stack([field_of(clip) * (1 + seed) for clip in clips])
                np.savez(path, row=np.array(clips), displacement=fields.astype(np.float16))
    pd.DataFrame(lines).to_csv(folder / "predictions.csv", index=False)
    if finished:
        found = {"classes": list(CLASSES)}
        (folder / "results.json").write_text(json.dumps(found))
    return folder


def choose(folder):
    return gallery.choose(folder)


def draw(folder):
    return gallery.draw(folder)


def write(folder):
    return gallery.write(folder)


def test_the_best_clip_of_each_class_with_its_own_motion(tmp_path):
    exhibits = choose(write_run(tmp_path / "run"))
    assert {e.label: e.key for e in exhibits} == {n: f"synthetic/s/{c}" for n, c in BEST.items()}
    assert [e.probability for e in exhibits] == pytest.approx([0.7, 0.6, 0.5])
    for exhibit in exhibits:
        clip = BEST[exhibit.label]
        expected = motion_units.without_head(field_of(clip).astype(np.float16).astype(np.float32))
        np.testing.assert_allclose(exhibit.displacement, expected, atol=1e-6)  # of seed 0
        assert exhibit.reading.units[0].number == UNITS[clip]
    assert [e.right for e in exhibits] == [1.0, 1.0, 1.0]


def test_the_picture_has_one_scale_and_says_what_it_shows(tmp_path):
    folder = write_run(tmp_path / "run")
    drawn = draw(folder)
    titles = [axes.get_title("left") for axes in drawn.axes]
    assert titles == ["negative  70%", "positive  60%", "surprise  50%"]
    said = [text.get_text() for text in drawn.texts]
    assert "12 lip corner puller" in said and "synthetic/s/4" in said
    wheels = {axes.child_axes[0].texts[0].get_text() for axes in drawn.axes}
    assert len(wheels) == 1 and wheels.pop().endswith(" px")
    assert [path.name for path in write(folder)] == list(gallery.FILES)
    assert all((folder / name).stat().st_size > 5000 for name in gallery.FILES)


def test_flow_images_have_no_px(tmp_path):
    folder = write_run(tmp_path / "run", motion="precomputed")
    drawn = draw(folder)
    wheels = {axes.child_axes[0].texts[0].get_text() for axes in drawn.axes}
    assert len(wheels) == 1 and "px" not in wheels.pop()
    assert [e.reading.units[0].number for e in choose(folder)] == [4, 12, 1]


def test_a_run_without_displacements(tmp_path):
    folder = write_run(tmp_path / "run", kept=False)
    assert choose(folder) == [] and write(folder) == []
    with pytest.raises(DataError, match="its folds kept no displacement"):
        draw(folder)


def test_folders_that_are_no_finished_run(tmp_path):
    with pytest.raises(DataError, match="not a run, it holds no config.json"):
        write(tmp_path)
    with pytest.raises(DataError, match="this run is not finished; run its command again"):
        write(write_run(tmp_path / "run", finished=False))
