"""The synthetic database comes back through the loaders of the real ones."""

import pytest

from pipelines import schema
from pipelines.databases import synthetic
from pipelines.synthetic import ensure, options, plan, write
from pipelines.synthetic.options import SynthesisConfig

SMALL = {"num_subjects": 2, "clips_per_class": 2, "num_frames": 5, "frame_size": (160, 120)}


@pytest.fixture(scope="module", params=options.LAYOUTS)
def tree(tmp_path_factory, request):
    config = SynthesisConfig(layout=request.param, **SMALL)
    return ensure(tmp_path_factory.mktemp(request.param) / "tree", config, jobs=1)


def test_every_clip_is_read_with_its_class_and_length(tree):
    config, truth = write.read_truth(tree)
    clips = synthetic.DATABASE.read(tree)
    assert {f"{c.subject}/{c.clip}" for c in clips} == set(truth)
    assert [sum(c.label == k for c in clips) for k in range(3)] == [4, 4, 4]
    assert {c.subject_key for c in clips} == {f"synthetic/{c.subject}" for c in clips}
    for clip in clips:
        spec = truth[f"{clip.subject}/{clip.clip}"]
        assert len(clip.frames) == spec.num_frames
        assert (clip.onset, clip.offset) == (0, spec.num_frames - 1)
        assert plan.SYNONYMS.get(clip.emotion, clip.emotion) == spec.emotion
        if config.layout == "smic":
            assert clip.apex is None
        else:
            assert clip.apex == spec.apex and clip.action_units == spec.action_units


def test_lost_clip_is_reported(tmp_path):
    config = SynthesisConfig(layout="casme2", **SMALL)
    root = ensure(tmp_path / "tree", config, jobs=1)
    for frame in (root / "CASME2_RAW_selected/sub02/EP01_01").iterdir():
        frame.unlink()
    skipped = []
    assert len(synthetic.DATABASE.read(root, skipped)) == 11
    assert [s.key for s in skipped] == ["synthetic/sub02/EP01_01"]
    with pytest.raises(schema.DataError, match="EP01_01"):
        synthetic.DATABASE.read(root)


def test_ensure_renders_anew_only_when_an_option_changed(tmp_path):
    config = SynthesisConfig(**{**SMALL, "num_subjects": 1, "clips_per_class": 1})
    root = ensure(tmp_path / "tree", config, jobs=1)
    mark = (root / write.TRUTH).stat().st_mtime_ns
    assert ensure(root, config).joinpath(write.TRUTH).stat().st_mtime_ns == mark
    other = SynthesisConfig(**{**SMALL, "num_subjects": 1, "clips_per_class": 2})
    ensure(root, other, jobs=1)
    assert len(synthetic.DATABASE.read(root)) == 6


def test_misuse_names_the_remedy(tmp_path):
    with pytest.raises(schema.DataError, match="no such folder.*pipelines.synthetic"):
        synthetic.DATABASE.read(tmp_path / "absent")
    with pytest.raises(schema.DataError, match="no ground truth.*pipelines.synthetic"):
        synthetic.DATABASE.read(tmp_path)


def test_without_options_any_synthetic_tree_will_do(tmp_path):
    config = SynthesisConfig(
        num_subjects=1, clips_per_class=1, num_frames=4, frame_size=(160, 120), amplitude_px=0.0
    )
    root = ensure(tmp_path / "tree", config, jobs=1)
    mark = (root / write.TRUTH).stat().st_mtime_ns
    assert ensure(root).joinpath(write.TRUTH).stat().st_mtime_ns == mark
