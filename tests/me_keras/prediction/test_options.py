"""What contradicts itself among the options of `predict`."""

import pytest

from me_keras.prediction.options import OutputOptions, PredictOptions
from pipelines import cli
from pipelines.schema import OptionError


@pytest.mark.parametrize(
    "values, message",
    [
        ({}, "give --clip, or --onset and --apex"),
        ({"onset": "a"}, "belong together"),
        ({"clip": ("a",), "onset": "b", "apex": "c"}, "not both"),
        ({"onset": "a", "apex": "b", "apex_frame": 3}, "are for --clip"),
    ],
)
def test_what_is_to_be_looked_at(values, message):
    with pytest.raises(OptionError, match=message):
        cli.replace(PredictOptions(), **values).sources  # noqa: B018


def test_sources_are_clips_or_one_pair():
    assert cli.replace(PredictOptions(), clip=("a", "b")).sources == ["a", "b"]
    assert cli.replace(PredictOptions(), onset="a", apex="b").sources == [("a", "b")]


def test_outputs():
    with pytest.raises(OptionError, match=r"must end in .png, .pdf, .svg, got 'a.docx'"):
        OutputOptions(figure="a.docx")
    with pytest.raises(OptionError, match=r"--explain must end in .png, .pdf, .svg, got 'a'"):
        OutputOptions(explain="a")
    with pytest.raises(OptionError, match=r"--events must end in .csv, .txt, .eaf, got 'a.xml'"):
        OutputOptions(events="a.xml")
    with pytest.raises(OptionError, match="--json - and --csv - cannot share the terminal"):
        OutputOptions(json="-", csv="-")
    with pytest.raises(OptionError, match="--csv - and --regions - cannot share the terminal"):
        OutputOptions(csv="-", regions="-")
