"""Models: what the stand-in answers can be computed by hand; what cannot be used is named."""

import json
import shutil

import numpy as np
import pytest
import stand_in
from exported import boxes

from me_keras import serving
from me_keras.exporting import contract
from me_keras.prediction import model as models
from me_keras.prediction.alignment import Alignment
from pipelines import schema
from pipelines.schema import DataError

SIZE = 64


def inputs(batch, seed=0):
    rng = np.random.default_rng(seed)
    frames = rng.random((2, batch, SIZE, SIZE, 1), np.float32)
    return {"onset": frames[0], "apex": frames[1], "regions": boxes(batch, rng)}


@pytest.mark.parametrize("batch", [1, models.BATCH, 2 * models.BATCH + 3])
def test_answers_in_batches_of_any_size(model, batch):
    asked = inputs(batch)
    answer = model.ask(asked)
    frames = asked["onset"], asked["apex"]
    np.testing.assert_allclose(
        answer["displacement"], stand_in.displacement(*frames), rtol=1e-5, atol=1e-6
    )
    wanted = stand_in.probabilities(*frames)
    np.testing.assert_allclose(answer["probabilities"], wanted, atol=1e-4)
    area = np.prod(asked["regions"][..., 2:] - asked["regions"][..., :2], -1)
    wanted = area / area.sum(1, keepdims=True)
    np.testing.assert_allclose(answer["attention"], wanted, rtol=1e-4, atol=1e-6)
    assert all(answer[name].shape == (batch,) for name in models.FIGURES)


def test_the_contract_says_how_faces_are_aligned(model, model_folder):
    assert model.alignment == Alignment(SIZE, stand_in.MARGIN, True)
    assert model.classes == schema.CLASSES and model.regions == schema.REGIONS
    assert model.name == str(model_folder / "1")
    assert models.open_model(model_folder / "1").name == model.name


def test_the_newest_version_is_taken(tmp_path):
    base = stand_in.write(tmp_path / "frl_dgt", 9, SIZE)
    stand_in.write(base, 10, SIZE)
    assert models.open_model(base).name.endswith("/10")


def test_what_the_model_refuses_is_one_line(model):
    asked = inputs(2)
    asked["onset"] = asked["onset"][:, :32]
    with pytest.raises(DataError) as error:
        model.ask(asked)
    assert str(error.value).startswith(model.name) and "\n" not in str(error.value)


def damaged(name):
    def damage(folder):
        (folder / name).write_bytes(b"\x08\xff not what it was")

    return damage


def without(name):
    def remove(folder):
        (folder / name).unlink()

    return remove


def edited(change):
    def edit(folder):
        path = folder / contract.PATH
        facts = json.loads(path.read_text())
        change(facts)
        path.write_text(json.dumps(facts))

    return edit


@pytest.fixture
def copy(model_folder, tmp_path):
    """A copy of the model, to be damaged."""
    return shutil.copytree(model_folder, tmp_path / "frl_dgt")


@pytest.mark.parametrize(
    "damage", [damaged("saved_model.pb"), without("variables/variables.index")]
)
def test_broken_models(copy, damage):
    damage(copy / "1")
    with pytest.raises(DataError, match="cannot be loaded as a SavedModel.*export"):
        models.open_model(copy).load()


@pytest.mark.parametrize(
    "damage, message",
    [
        (damaged("assets.extra/contract.json"), "contract.json cannot be read"),
        (without("assets.extra/contract.json"), "contract.json: no such file"),
        (edited(lambda facts: facts.pop("classes")), "contract.json: .*classes"),
        (
            edited(lambda facts: facts["alignment"].update(eye_level=0.3)),
            "eye_level 0.3, this version aligns them to 0.22",
        ),
        (
            edited(lambda facts: facts.update(alignment=None)),
            "given images of motion as its database publishes them",
        ),
        (
            edited(lambda facts: facts["motion"].update(source="by hand")),
            "given images of motion .*--motion by hand",
        ),
    ],
)
def test_contracts_that_cannot_be_used_are_found_before_anything_is_loaded(copy, damage, message):
    damage(copy / "1")
    with pytest.raises(DataError, match=f"{message}.*export"):
        models.open_model(copy)


def test_absent_models(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder; make one with"):
        models.open_model(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no version of a model"):
        models.open_model(tmp_path)


closed: list = []


class Client:
    """As `serving.connect` gives it: the model of the fixture behind an address."""

    def __init__(self, model, size=SIZE, figures=models.FIGURES):
        self.model, self.size, self.figures = model, size, figures

    def close(self):
        closed.append(self)

    def metadata(self):
        shape = [None, self.size, self.size, 1]
        frame = {"dtype": "float32", "shape": shape}
        outputs = dict.fromkeys(self.figures)
        return {"signatures": {"displacement": {"inputs": {"onset": frame}, "outputs": outputs}}}

    def predict(self, inputs, signature):
        answer = self.model._call(inputs, signature)
        texts = {k: v for k, v in answer.items() if v.dtype == object}
        return {**answer, **{k: np.char.decode(v.astype(bytes)) for k, v in texts.items()}}


@pytest.fixture
def served(monkeypatch, model):
    def connect(address, model):
        asked.append((address, model))
        return Client(**options)

    asked, options = [], {"model": model}
    monkeypatch.setattr(serving, "connect", connect)
    return asked, options


def test_a_served_model_answers_as_the_local_one(served, model, model_folder):
    other = models.open_model(model_folder, "grpc://there:8500")
    assert served[0] == [("grpc://there:8500", "frl_dgt")]
    assert other.alignment == model.alignment and other.name == "frl_dgt at grpc://there:8500"
    for name, values in model.ask(inputs(3)).items():
        np.testing.assert_array_equal(values, other.ask(inputs(3))[name])


def test_a_served_model_without_its_contract_here(served, tmp_path):
    """Size from the server, margin by default, class names from an answer."""
    other = models.open_model(tmp_path / "frl_dgt", "http://there:8501")
    assert other.alignment == Alignment(SIZE, 8, True)
    other.ask(inputs(2))
    assert other.classes == schema.CLASSES


def test_another_model_is_served_there(served, model_folder):
    served[1]["size"] = 2 * SIZE
    closed.clear()
    with pytest.raises(DataError, match="128 px faces.*64 px: give the --model"):
        models.open_model(model_folder, "grpc://there:8500")
    assert len(closed) == 1


def test_a_model_of_an_older_version_is_served_there(served, model_folder):
    served[1]["figures"] = {"gain"}
    with pytest.raises(DataError, match="there:8500: the model there is of an older version"):
        models.open_model(model_folder, "grpc://there:8500")


def test_what_is_loading_is_said_once(model_folder, capsys):
    fresh = models.open_model(model_folder)
    assert capsys.readouterr().err == ""
    fresh.ask(inputs(1))
    fresh.ask(inputs(1))
    assert capsys.readouterr().err.count("loading TensorFlow and") == 1


def test_a_server_that_is_down(tmp_path):
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DataError, match=f"127.0.0.1:{port}|UNAVAILABLE"):
        models.open_model(tmp_path / "frl_dgt", f"http://127.0.0.1:{port}")
