"""Names of the files, and places that cannot be written; `test_predict` writes them."""

import os

import pytest

from me_keras.prediction import outputs
from me_keras.prediction.options import OutputOptions
from pipelines.schema import OptionError


def test_files_of_several_clips_have_different_names():
    assert outputs._names(["a.avi"]) == {"a.avi": ""}
    assert outputs._names(["x/a.avi", "b"]) == {"x/a.avi": "a", "b": "b"}
    assert outputs._names(["x/a.avi", "y/a.avi"]) == {"x/a.avi": "a-0", "y/a.avi": "a-1"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OptionError, match="no right to write in"):
        outputs.check_places(OutputOptions(json=str(tmp_path / "x.json")))


def test_places_that_can_be_written(tmp_path):
    outputs.check_places(OutputOptions())
    outputs.check_places(OutputOptions(json="-", csv=str(tmp_path / "x.csv")))
    outputs.check_places(OutputOptions(save_pair=str(tmp_path)))
    outputs.check_places(OutputOptions(save_pair=str(tmp_path / "new")))
