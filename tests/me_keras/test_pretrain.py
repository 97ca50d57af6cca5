import numpy as np
import pytest

from me_keras import pretrain, pretrained
from me_keras.models.frl_dgt import displacement_model


@pytest.mark.slow
def test_the_command_makes_weights_that_load(tmp_path, capsys):
    out = tmp_path / "weights.npz"
    words = ["--num-subjects", "1", "--steps", "2", "--out", str(out), "--jobs", "1"]
    assert pretrain.main(words) == 0
    assert "error on known warps 0." in capsys.readouterr().out
    model = displacement_model(32)
    pretrained.load(model, out)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_wrong_use_is_one_line(capsys):
    for words, said in (
        (["--steps", "0"], "steps must be at least 1"),
        (["--steps", "150"], "steps must be a multiple of 100 above it, got 150"),
    ):
        with pytest.raises(SystemExit, match="2"):
            pretrain.main(words)
        assert said in capsys.readouterr().err


def test_where_nothing_can_be_written_is_said_before_the_training(tmp_path, capsys):
    for out in (tmp_path, tmp_path / "none" / "weights.npz"):
        assert pretrain.main(["--out", str(out)]) == 2
        assert f"--out {out}: must be a file in a folder" in capsys.readouterr().err
