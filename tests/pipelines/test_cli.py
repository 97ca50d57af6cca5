import dataclasses
import json
from typing import Optional

import pytest

from pipelines import cli


@dataclasses.dataclass(frozen=True)
class Base:
    """Sub-options."""

    rate: float = cli.option(0.5, "a rate")

    def __post_init__(self):
        if self.rate < 0:
            raise ValueError(f"rate must not be negative, got {self.rate}")


@dataclasses.dataclass(frozen=True)
class Options(Base):
    """Main options."""

    name: Optional[str] = cli.option(None, "a name")
    fast: bool = cli.option(False, "a switch")
    sizes: tuple[int, ...] = cli.option((1, 2), "sizes", nargs="+")
    kind: str = cli.option("a", "a kind", ("a", "b"))


def parse(*argv):
    return cli.parse(Options, list(argv), "prog", "What it does.")


def test_types():
    assert parse() == Options()
    found = parse("--rate", "2", "--name", "x", "--fast", "--sizes", "3", "4", "--kind", "b")
    assert found == Options(2.0, "x", True, (3, 4), "b")
    assert parse("--no-fast").fast is False


def test_help_groups_and_defaults(capsys):
    with pytest.raises(SystemExit) as stop:
        parse("--help")
    text = capsys.readouterr().out
    assert stop.value.code == 0
    assert text.index("Main options:") < text.index("--kind") < text.index("Sub-options:")
    assert "a rate (default: 0.5)" in text and "a name\n" in text


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "cannot be read as JSON"),
        ("[1]", "expected a JSON object"),
        ('{"speed": 1}', "unknown option 'speed'"),
        ('{"rate": "high"}', "rate must be float, got 'high'"),
        ('{"fast": 1}', "fast must be bool, got 1"),
        ('{"sizes": [1, 2.5]}', "sizes must be int, got 2.5"),
        ('{"rate": -1}', "rate must not be negative"),
    ],
)
def test_bad_files_are_named(tmp_path, capsys, content, message):
    path = tmp_path / "c.json"
    path.write_text(content)
    with pytest.raises(SystemExit) as stop:
        parse("--config", str(path))
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_missing_file(capsys):
    with pytest.raises(SystemExit):
        parse("--config", "nowhere.json")
    assert "nowhere.json: cannot be read" in capsys.readouterr().err


def test_flags_win_over_the_file(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"rate": 1, "sizes": [9], "name": None}))
    assert parse("--config", str(path), "--rate", "3") == Options(3.0, None, False, (9,), "a")
