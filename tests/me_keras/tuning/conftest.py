import pytest
from flow_fixture import write_flow
from tuning_fixture import SUBJECTS, StubTrainer, stub_datasets


@pytest.fixture
def flow(tmp_path):
    return write_flow(tmp_path / "flow", SUBJECTS)


@pytest.fixture
def seen(monkeypatch):
    """Trials take milliseconds; returns the subjects of every dataset that is made."""
    from me_keras import training
    from me_keras.evaluation import data
    from me_keras.tuning import figures

    monkeypatch.setattr(training, "Trainer", StubTrainer)
    monkeypatch.setattr(StubTrainer, "built", [])
    monkeypatch.setattr(data, "forget_trainers", lambda: None)
    monkeypatch.setattr(figures, "REPEATS", 1)
    return stub_datasets(monkeypatch)


@pytest.fixture
def quick(seen):
    """Trials take milliseconds; returns the list of trainers that were built."""
    return StubTrainer.built


@pytest.fixture
def options(flow, tmp_path, monkeypatch):
    """Makes `SearchOptions` of the small database."""
    from me_keras.tuning.options import SearchOptions
    from pipelines import cli

    monkeypatch.chdir(tmp_path)
    common = {"dataset": "smic-flow", "data_root": (str(flow),), "out": "tuned", "inner_folds": 2}
    common |= {"batch_size": 4, "epochs": 2, "hidden_dim": 16, "num_heads": 2}
    common |= {"only": ("learning_rate",)}

    def make(**changes):
        return cli.replace(SearchOptions(), **{**common, **changes})

    return make


@pytest.fixture
def plan(options):
    from me_keras.tuning.plan import make_plan

    def make(**changes):
        return make_plan(options(**changes))

    return make
