"""Versions that come, go and break, and requests for them; the models are plain objects."""

import gc
import shutil
import weakref

import pytest
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec

from me_keras.serving.errors import ServingError
from me_keras.serving.models import Models
from pipelines.schema import DataError


class Model:
    """What `load` gives; holds itself, as a SavedModel's functions and variables do."""

    definitions: dict = {}

    def __init__(self, name):
        self.name = name
        self.itself = self


def put(base, version, text="good"):
    """A version folder that appears whole."""
    partial = base / f".tmp-{version}"
    partial.mkdir(parents=True)
    (partial / "saved_model.pb").write_text(text)
    partial.rename(base / str(version))


def load(folder):
    text = (folder / "saved_model.pb").read_text()
    if text != "good":
        raise ServingError("INTERNAL", f"{folder.name} is {text}")
    return Model(folder.name)


@pytest.fixture
def base(tmp_path):
    put(tmp_path / "m", 1)
    return tmp_path / "m"


@pytest.fixture
def models(base):
    made = Models(base, "m", load)
    made.start()
    return made


def spec(version=None, name="m", label=""):
    made = ModelSpec(name=name, version_label=label)
    if version is not None:
        made.version.value = version
    return made


def now(models, version=None, label=""):
    number, model = models.find(spec(version, label=label))
    assert model.name == str(number)
    return number


def states(models):
    names = ModelVersionStatus.State
    found = models.status(spec()).model_version_status
    assert [each.version for each in found] == sorted((e.version for e in found), reverse=True)
    return {each.version: names.Name(each.state) for each in found}


def test_the_highest_number_answers_and_the_one_before_stays(base):
    for version in (2, 10, 9):
        put(base, version)
    (base / "notes").mkdir()
    models = Models(base, "m", load)
    models.start()
    assert now(models) == 10 and now(models, 9) == 9
    assert states(models) == {10: "AVAILABLE", 9: "AVAILABLE"}
    with pytest.raises(ServingError, match=r"Servable not found for request: Specific\(m, 2\)"):
        now(models, 2)


def test_a_new_version_takes_over_and_the_third_last_ends(base, models):
    assert now(models) == 1
    put(base, 2)
    models.poll()
    assert now(models) == 2 and now(models, 1) == 1
    put(base, 3)
    models.poll()
    assert now(models) == 3 and now(models, 2) == 2
    assert states(models) == {3: "AVAILABLE", 2: "AVAILABLE", 1: "END"}
    with pytest.raises(ServingError, match=r"Specific\(m, 1\)"):
        now(models, 1)


def test_a_request_under_way_keeps_its_version_and_then_it_is_freed(base, models):
    _, held = models.find(spec())
    alive = weakref.ref(held)
    for version in (2, 3):
        put(base, version)
        models.poll()
    assert states(models)[1] == "END" and held.name == "1"
    gc.disable()
    try:
        del held
        assert alive() is not None  # it holds itself
        models.poll()
        assert alive() is None
    finally:
        gc.enable()


def test_the_old_version_answers_while_the_new_one_loads(base):
    seen = []

    def slow(folder):
        if folder.name == "2":
            seen.append((now(models), states(models)))
        return load(folder)

    models = Models(base, "m", slow)
    models.start()
    put(base, 2)
    models.poll()
    assert seen == [(1, {1: "AVAILABLE", 2: "LOADING"})] and now(models) == 2


def test_a_broken_version_leaves_the_others_and_is_tried_again_when_it_changes(
    base, models, capsys
):
    put(base, 2)
    put(base, 3, "broken")
    for _ in range(3):
        models.poll()
    assert now(models) == 2 and now(models, 1) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if "cannot be served" in line]
    assert len(said) == 1 and said[0].endswith(
        "version 3 cannot be served (loaded: 1): 3 is broken"
    )
    [found] = models.status(spec(3)).model_version_status
    assert found.state == ModelVersionStatus.END
    assert (found.status.error_code, found.status.error_message) == (13, "3 is broken")
    (base / "3" / "saved_model.pb").write_text("good")
    models.poll()
    assert now(models) == 3 and states(models)[1] == "END"


def test_a_version_taken_away_gives_way_to_the_one_before(base, models):
    put(base, 2)
    models.poll()
    shutil.rmtree(base / "2")
    models.poll()
    assert now(models) == 1 and states(models) == {1: "AVAILABLE", 2: "END"}


def test_without_any_version_the_loaded_one_goes_on(base, models):
    shutil.rmtree(base)
    models.poll()
    assert now(models) == 1


def test_labels_name_versions_and_keep_them_loaded(base):
    for version in (2, 3, 4):
        put(base, version)
    models = Models(base, "m", load, {"stable": 1, "canary": 4, "next": 5})
    models.start()
    assert now(models, label="stable") == 1 and now(models, label="canary") == 4
    assert states(models) == dict.fromkeys((4, 3, 1), "AVAILABLE")
    with pytest.raises(ServingError, match=r"Specific\(m, 5\)"):  # not there yet
        now(models, label="next")
    put(base, 5)
    models.poll()
    assert now(models, label="next") == 5 == now(models) and now(models, label="stable") == 1
    assert models.status(spec(label="stable")).model_version_status[0].version == 1


@pytest.mark.parametrize(
    "asked, code, said",
    [
        (spec(name="other"), "NOT_FOUND", r"Servable not found for request: Latest\(other\)"),
        (spec(3, name="other"), "NOT_FOUND", r"Specific\(other, 3\)"),
        (spec(7), "NOT_FOUND", r"Specific\(m, 7\)"),
        (spec(name=""), "INVALID_ARGUMENT", "no name"),
        (spec(label="stable"), "INVALID_ARGUMENT", "label: stable"),
    ],
)
def test_what_is_not_found(models, asked, code, said):
    for ask in (models.find, models.metadata):
        with pytest.raises(ServingError, match=said) as caught:
            ask(asked)
        assert caught.value.code == code


@pytest.mark.parametrize(
    "asked, said",
    [
        (spec(7), "Could not find version 7 of model m"),
        (spec(name="other"), "Could not find any versions of model other"),
    ],
)
def test_status_of_what_was_never_seen(models, asked, said):
    with pytest.raises(ServingError, match=said):
        models.status(asked)


def test_one_version_folder_is_served_for_good(base):
    models = Models(base / "1", "m", load)
    models.start()
    put(base, 2)
    models.poll()
    assert now(models) == 1 and states(models) == {1: "AVAILABLE"}


@pytest.mark.parametrize(
    "prepare, said",
    [
        (lambda base: shutil.rmtree(base), "no such folder"),
        (lambda base: shutil.rmtree(base / "1"), "no version"),
        (lambda base: (base / "1" / "saved_model.pb").write_text("torn"), "1 is torn"),
        (lambda base: put(base, 2, "torn"), "2 is torn"),
    ],
)
def test_a_start_without_the_newest_model_is_a_clear_error(base, prepare, said):
    prepare(base)
    with pytest.raises(DataError, match=said):
        Models(base, "m", load).start()


def test_a_version_folder_has_a_number(base):
    (base / "1").rename(base / "best")
    with pytest.raises(DataError, match="named by a number"):
        Models(base / "best", "m", load).start()
