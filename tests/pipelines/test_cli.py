"""Flags from nested records, and files of options."""

import dataclasses
import json
from typing import Optional

import pytest

from pipelines import __version__, cli
from pipelines.schema import OptionError


@dataclasses.dataclass(frozen=True)
class Model:
    """What is built."""

    name: str = cli.option("a", "a kind", ("a", "b"), flag="model", common=True)
    hidden_dim: Optional[int] = cli.option(None, "width", least=1)


@dataclasses.dataclass(frozen=True)
class Data:
    """What is read."""

    rate: float = cli.option(0.5, "a rate", within="[0, 1)", common=True)
    sizes: tuple[int, ...] = cli.option((1, 2), "sizes", nargs="+", metavar="N")
    kinds: tuple[str, ...] = cli.option((), "kinds", ("x", "y"), nargs="+")
    model: Model = Model()

    def __post_init__(self):
        cli.check(self)


@dataclasses.dataclass(frozen=True)
class Options:
    """The rest."""

    data: Data = Data()
    fast: bool = cli.option(False, "a switch", common=True)
    name: Optional[str] = cli.option(None, "a name", common=True)


RENAMED = {"width": "hidden_dim"}


def parse(*argv):
    return cli.parse(Options, list(argv), "prog", "What it does.", renamed=RENAMED)[0]


def refused(capsys, *argv):
    """The line with which a command line is refused."""
    with pytest.raises(SystemExit) as stop:
        parse(*argv)
    assert stop.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_types_and_depths():
    assert parse() == Options()
    words = "--rate 0.25 --name x --fast --sizes 3 4 --kinds y x --model b --hidden-dim 8"
    expected = Options(Data(0.25, (3, 4), ("y", "x"), Model("b", 8)), True, "x")
    assert parse(*words.split()) == expected
    assert parse("--no-fast").fast is False
    assert parse(*cli.words(expected)) == expected and cli.words(Options()) == []
    assert "--name" not in cli.words(expected, leave_out=("name",))


def test_debug_is_no_option_of_the_record():
    assert cli.parse(Options, ["--debug"], "prog", "What it does.") == (Options(), True)


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--rate", "1"], r"error: rate must lie in [0, 1), got 1.0"),
        (["--hidden-dim", "0"], "error: hidden_dim must be at least 1, got 0"),
        (["--model", "c"], "--model: invalid choice: 'c'"),
        (["--kinds", "z"], "--kinds: invalid choice: 'z'"),
        (["--sizes", "1", "x"], "--sizes: invalid int value: 'x'"),
        (["--width", "3"], "error: --width is now --hidden-dim"),
        (["--width=3"], "error: --width is now --hidden-dim"),
        (["--rat", "0.1"], "unrecognized arguments: --rat"),
    ],
)
def test_wrong_flags_are_named(capsys, argv, message):
    if argv[0] == "--hidden-dim":  # `Model` checks nothing by itself, as its author forgot
        with pytest.raises(OptionError, match="hidden_dim must be at least 1"):
            cli.check(Model(hidden_dim=0))
        return
    assert message in refused(capsys, *argv)


def test_help_shows_what_people_use_and_help_all_the_rest(capsys):
    texts = []
    for flag in ("--help", "--help-all"):
        with pytest.raises(SystemExit) as stop:
            parse(flag)
        assert stop.value.code == 0
        texts.append(capsys.readouterr().out)
    for flag in ("--rate", "--fast, --no-fast", "--model {a,b}", "--help-all", "--debug"):
        assert flag in texts[0] and flag in texts[1]
    for flag in ("--sizes N [N ...]", "--hidden-dim"):
        assert flag not in texts[0] and flag in texts[1]
    assert "a rate (default: 0.5)" in texts[0] and "a name\n" in texts[0]
    order = [texts[1].index(f"{title}:\n") for title in ("What is read", "What is built")]
    assert order[0] < texts[1].index("--rate") < order[1] < texts[1].index("--model {a,b}")


@dataclasses.dataclass(frozen=True)
class Numbered:
    """What has versions of its own."""

    version: int = cli.option(1, "a number")


def test_the_version_is_that_of_the_source(capsys):
    for record_class, argv in (
        (Options, ["--version"]),
        (Options, ["--fast", "--version"]),
        (Numbered, ["--version"]),
    ):
        with pytest.raises(SystemExit) as stop:
            cli.parse(record_class, argv, "prog", "doc")
        assert stop.value.code == 0
        assert capsys.readouterr().out == f"me-keras {__version__}\n"
    assert cli.parse(Numbered, ["--version", "3"], "prog", "doc")[0] == Numbered(3)


def test_options_by_name():
    options = cli.replace(Options(), hidden_dim=4, rate=0.1, fast=True)
    assert options == Options(Data(rate=0.1, model=Model(hidden_dim=4)), True)
    assert cli.value_of(options, "hidden_dim") == 4 and cli.value_of(options, "model") == "a"
    with pytest.raises(OptionError, match="unknown option 'speed'"):
        cli.replace(Options(), speed=1)
    with pytest.raises(OptionError, match=r"rate must lie in \[0, 1\), got 2"):
        cli.replace(Options(), rate=2)
    assert list(cli.leaves(Options))[:2] == ["rate", "sizes"]


def test_values_that_only_fit_together_are_replaced_at_once():
    @dataclasses.dataclass(frozen=True)
    class Pair:
        """Two numbers."""

        low: int = cli.option(0, "low")
        high: int = cli.option(1, "high")

        def __post_init__(self):
            if self.low >= self.high:
                raise OptionError("low must be below high")

    assert cli.replace(Pair(), low=5, high=6) == Pair(5, 6)
    assert cli.from_json(Pair, {"low": 5, "high": 6}) == Pair(5, 6)


@pytest.mark.parametrize("nested", [True, False])
def test_options_come_back_from_json(nested):
    options = Options(Data(0.25, (3,), ("x",), Model("b", 8)), True, "x")
    values = cli.to_json(options)
    assert values["data"]["model"] == {"name": "b", "hidden_dim": 8}
    if not nested:  # as older versions wrote it, under an older name and with other things beside
        values = {"rate": 0.25, "sizes": [3], "kinds": ["x"], "model": "b", "width": 8}
        values |= {"fast": True, "name": "x", "versions": {"python": "3"}}
    read = cli.from_json(Options, json.loads(json.dumps(values)), RENAMED, ignored=("versions",))
    assert read == options


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "cannot be read as JSON"),
        ("[1]", "expected a JSON object"),
        ('{"speed": 1}', "unknown option 'speed'; see --help-all"),
        ('{"data": {"speed": 1}}', "unknown option 'data.speed'"),
        ('{"rate": "high"}', "rate must be float, got 'high'"),
        ('{"fast": 1}', "fast must be bool, got 1"),
        ('{"data": {"model": {"hidden_dim": true}}}', "hidden_dim must be int, got True"),
        ('{"sizes": [1, 2.5]}', "sizes must be int, got 2.5"),
        ('{"rate": -1}', "rate must lie in [0, 1), got -1"),
    ],
)
def test_a_bad_file_of_options_is_named(tmp_path, capsys, content, message):
    path = tmp_path / "c.json"
    path.write_text(content)
    line = refused(capsys, "--config", str(path))
    assert message in line and line.count("c.json") == 1


def test_a_missing_file_of_options_is_named(capsys):
    assert "nowhere.json: cannot be read" in refused(capsys, "--config", "nowhere.json")


def test_flags_win_over_the_file(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"data": {"rate": 0.1, "sizes": [9]}, "name": None}))
    found = parse("--config", str(path), "--rate", "0.3")
    assert found == Options(Data(0.3, (9,)))


def test_choices_are_checked_in_files_too():
    with pytest.raises(OptionError, match="model must be one of a, b, got 'c'"):
        cli.check(Model("c"))


@dataclasses.dataclass(frozen=True)
class Words:
    """What is named without a flag."""

    names: tuple[str, ...] = cli.option((), "names", metavar="NAME", positional=True)
    out: str = cli.option("a", "a place")


def test_words_without_a_flag_may_stand_before_or_after_the_flags(capsys):
    for argv in (["x", "y", "--out", "z"], ["--out", "z", "x", "y"]):
        assert cli.parse(Words, argv, "prog", "doc")[0] == Words(("x", "y"), "z")
    assert cli.parse(Words, [], "prog", "doc")[0] == Words()
    with pytest.raises(SystemExit):
        cli.parse(Words, ["--help"], "prog", "doc")
    assert capsys.readouterr().out.startswith("usage: prog NAME ... [options]\n")
