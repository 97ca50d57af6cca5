import colorsys
import pathlib

import fold_workers
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from me_keras.evaluation import results, tensorboard
from me_keras.models import recognizer
from me_keras.options import Options
from pipelines import cli

PER_SEED = {"mean": 0.6, "sd": 0.1, "per_seed": [0.5, 0.7], "ci95": [0.4, 0.8]}
RESULTS = {name: PER_SEED for name in ("uf1", "uar", "accuracy")}
RESULTS |= {"classes": ["negative", "positive"], "dataset": "made", "dgm_gain": 0.25}
RESULTS |= {"per_class_f1": {"negative": 0.5, "positive": 0.7}}


def read(folder):
    """The one event file in a folder, as TensorBoard reads it."""
    assert len(list(pathlib.Path(folder).iterdir())) == 1
    found = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    found.Reload()
    return found


def curve(found, tag):
    return {e.step: float(tf.make_ndarray(e.tensor_proto)) for e in found.Tensors(tag)}


def pictures(found, tag):
    """The images of a tag, RGB, checked against the size that is written beside them."""
    (event,) = found.Tensors(tag)
    width, height, *encoded = tf.make_ndarray(event.tensor_proto)
    images = [tf.io.decode_png(one).numpy() for one in encoded]
    assert {image.shape for image in images} == {(int(height), int(width), 3)}
    return images


def record_of(**more):
    return fold_workers.record(fold_workers.tasks(1)[0], **more)


def seen_of(count, dx=0.0, dy=0.0, size=8):
    field = np.tile(np.float16([dx, dy]), (count, size, size, 1))
    return {"row": np.arange(count), "displacement": field}


def test_an_epoch_can_be_read_while_the_fold_trains(tmp_path, monkeypatch):
    monkeypatch.setattr(tensorboard, "FLUSH", 0.01)
    log = tensorboard.FoldLog(tmp_path, 3, "smic/s01")
    log.on_epoch_end(0, {"loss": 1.5, "accuracy": 0.25})
    log.on_epoch_end(1, {"loss": 0.75, "accuracy": 0.5})
    for _ in range(200):
        found = read(tmp_path / "tensorboard/seed-3-smic_s01")
        tags = found.Tags()["tensors"]
        if tags and len(found.Tensors(tags[-1])) == 2:
            break
    assert curve(found, "training/loss") == {1: 1.5, 2: 0.75}
    assert curve(found, "training/accuracy") == {1: 0.25, 2: 0.5}
    log.finish()


def test_a_fold_trained_again_leaves_one_curve(tmp_path):
    for loss in (2.0, 1.0):  # the first is stopped and never finished
        log = tensorboard.FoldLog(tmp_path, 0, "s01")
        log.on_epoch_end(0, {"loss": loss})
    log.finish()
    assert curve(read(tmp_path / "tensorboard/seed-0-s01"), "training/loss") == {1: 1.0}


def test_warm_up_and_training_are_told_apart(tmp_path):
    """By the model that trains: the same log is told of both."""
    image = keras.Input((2,))
    log = tensorboard.FoldLog(tmp_path, 0, "s01")
    for kind, loss in ((recognizer.DisplacementModel, 3.0), (recognizer.Recognizer, 2.0)):
        log.set_model(kind(image, image))
        log.on_epoch_end(0, {"loss": loss})
    log.finish()
    found = read(tmp_path / "tensorboard/seed-0-s01")
    assert curve(found, "warmup/loss") == {1: 3.0} and curve(found, "training/loss") == {1: 2.0}


def test_a_fold_that_is_written_after_its_end_looks_the_same(tmp_path):
    epochs = [{"loss": 2.0, "accuracy": 0.0}, {"loss": 1.0, "accuracy": 0.5}]
    record = record_of(warmup=epochs[:1], history=epochs)
    tensorboard.log_fold(record, seen_of(2, dx=1.0), tmp_path)
    tensorboard.log_fold(record, seen_of(2, dx=1.0), tmp_path)  # merged twice, say
    found = read(tmp_path / "tensorboard/seed-0-s00")
    assert curve(found, "warmup/loss") == {1: 2.0}
    assert curve(found, "training/loss") == {1: 2.0, 2: 1.0}
    assert curve(found, "training/accuracy") == {1: 0.0, 2: 0.5}
    assert len(pictures(found, "displacement")) == 3


@pytest.mark.parametrize(
    "dx, dy, hue", [(2.0, 0.0, 0), (0.0, 2.0, 52), (-2.0, 0.0, 170), (0.0, -2.0, 245)]
)
def test_the_displacement_is_shown_by_its_hue_beside_the_wheel(tmp_path, dx, dy, hue):
    """Right red, down yellow, left green, up blue."""
    tensorboard.log_fold(record_of(), seen_of(1, dx, dy), tmp_path)
    found = read(tmp_path / "tensorboard/seed-0-s00")
    shown, wheel = pictures(found, "displacement")
    assert shown.shape == (8, 8, 3)
    angle, strength, _ = colorsys.rgb_to_hsv(*shown[4, 4] / 255)
    assert abs((360 * angle - hue + 180) % 360 - 180) < 12 and strength > 0.5
    assert (wheel[0, 0] == 255).all() and not (wheel == 255).all()  # white outside of the disc
    text = found.SummaryMetadata("displacement").summary_description
    assert "full colour is 2 px" in text


def test_a_few_clips_stand_for_many_and_no_motion_is_white(tmp_path):
    seen = seen_of(31)
    seen["displacement"][30] = 4.0
    tensorboard.log_fold(record_of(), seen, tmp_path)
    *shown, _ = pictures(read(tmp_path / "tensorboard/seed-0-s00"), "displacement")
    assert len(shown) == tensorboard.CLIPS
    assert all((image == 255).all() for image in shown[:-1]) and not (shown[-1] == 255).any()


def test_a_fold_without_displacement_has_curves_alone(tmp_path):
    tensorboard.log_fold(record_of(), {"row": np.arange(2)}, tmp_path)
    found = read(tmp_path / "tensorboard/seed-0-s00")
    assert "displacement" not in found.Tags()["tensors"]
    log = tensorboard.FoldLog(tmp_path, 1, "s00")
    log.finish(seen_of(1))  # of a model that scikit-learn fits: no epoch
    assert not (tmp_path / "tensorboard/seed-1-s00").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "tensorboard").write_text("")
    with pytest.raises(OSError, match="tensorboard/seed-0-s00 cannot be written"):
        tensorboard.log_fold(record_of(), None, tmp_path)


def test_scores_of_each_seed_with_their_confusion_matrix_and_the_options(tmp_path):
    rows = {"seed": [3, 3, 4, 4], "label": [0, 1, 0, 1], "prediction": [0, 1, 1, 1]}
    options = results.decisive_options(cli.replace(Options(), learning_rate=0.5, filters=(8, 12)))
    tensorboard.log_session(tmp_path / "tensorboard/scores", {"left": "over"}, {"old": 1.0})
    tensorboard.log_results(RESULTS, pd.DataFrame(rows), options, tmp_path)
    for seed, score in ((3, 0.5), (4, 0.7)):
        found = read(tmp_path / f"tensorboard/seed-{seed}")
        assert curve(found, "scores/uf1") == {0: pytest.approx(score)}
        (picture,) = pictures(found, "confusion")
        assert min(picture.shape[:2]) > 300 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 9
    first, second = (
        pictures(read(tmp_path / f"tensorboard/seed-{seed}"), "confusion")[0] for seed in (3, 4)
    )
    assert (first != second).any()
    found = read(tmp_path / "tensorboard/scores")
    assert curve(found, "uf1") == {0: pytest.approx(0.6)}
    assert curve(found, "dgm_gain") == {0: 0.25}
    content = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    session = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert set(session.hparams) == set(options)
    assert session.hparams["learning_rate"].number_value == 0.5
    assert session.hparams["filters"].string_value == "8 12"
    assert session.hparams["mirror_test"].bool_value is True
    assert session.hparams["motion"].string_value == "None"


def test_the_hparams_tab_finds_runs_side_by_side_with_their_scores(tmp_path):
    """As TensorBoard's own plugin reads a folder of runs."""
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams.backend_context import Context

    for run, rate in (("a", 0.1), ("b", 0.2)):
        folder = tmp_path / run / "tensorboard/scores"
        tensorboard.log_session(folder, {"learning_rate": rate}, {"uf1": 0.5, "uar": 0.25})
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(tmp_path))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(tmp_path))
    context, request = Context(TBContext(data_provider=provider)), RequestContext()
    tags = context.hparams_metadata(request, "")
    assert set(tags) == {"a/tensorboard/scores", "b/tensorboard/scores"}
    found = context.experiment_from_metadata(request, "", True, tags, [])
    assert [info.name for info in found.hparam_infos] == ["learning_rate"]
    assert {info.name.tag for info in found.metric_infos} == {"uf1", "uar"}
