"""Looks a copy of a database over and changes nothing in it.

Says what layout, clips, subjects and classes it finds, how they differ from what the protocol
expects, and what is wrong: frames that are missing or cannot be read, apexes in odd places, clips
that are there twice, faces that are not found, too large, too small or mirrored, archives not
unpacked, and files that do not belong there; each with its file and a remedy.

Exit code: 0 healthy, 1 something found, 2 misuse. A note, which says what is known, is no finding.
"""

import dataclasses
import pathlib
import sys
from typing import Optional

from pipelines import cli, schema
from pipelines.databases import DATABASES


@dataclasses.dataclass(frozen=True)
class DoctorOptions:
    """What is looked over, and what is written"""

    dataset: str = cli.option("synthetic", "database of the copy", tuple(DATABASES))
    data_root: Optional[tuple[str, ...]] = cli.option(
        None,
        "folder of the copy (default: $ME_KERAS_DATA; synthetic is rendered on the spot); for "
        "megc2019 one folder that holds the three copies, or smic=DIR casme2=DIR samm=DIR",
        metavar="DIR",
        nargs="+",
    )
    protocol: Optional[str] = cli.option(
        None, "whose clips are expected (default: the field's usual one)", metavar="NAME"
    )
    sample: int = cli.option(100, "clips whose faces are looked at, evenly spread", least=0)
    all: bool = cli.option(False, "look at the faces of all clips")
    json: Optional[str] = cli.option(None, "write the report there too", metavar="FILE")
    sheet: Optional[str] = cli.option(
        None, "write a contact sheet of aligned faces (PNG), clips with findings first",
        metavar="FILE",
    )  # fmt: skip
    sheet_clips: int = cli.option(24, "clips on the contact sheet", least=1)
    jobs: int = cli.option(0, "parallel processes; 0 for one per core", least=0)

    def __post_init__(self):
        cli.check(self)


def main(argv=None) -> int:
    """Runs the command; returns its exit code."""
    options, debug = cli.parse(DoctorOptions, argv, "python -m pipelines.doctor", __doc__)
    return cli.run(_examine, options, stopped="stopped: nothing was changed", debug=debug)


def _examine(options) -> int:
    from pipelines import files
    from pipelines.doctor import contact_sheet, report

    place = report.Place(options.dataset, options.data_root)
    for name in ("json", "sheet"):
        _check_output(name, getattr(options, name), place.roots.values())
    found = report.make(
        place, options.protocol, -1 if options.all else options.sample, options.jobs
    )
    print(report.text(found))
    if options.json:
        files.write_whole(pathlib.Path(options.json).expanduser(), report.json_text(found))
    if options.sheet and found.clips:
        picture = contact_sheet.of_report(found, options.sheet_clips, options.jobs)
        files.write_whole(pathlib.Path(options.sheet).expanduser(), contact_sheet.png(picture))
    return 0 if found.healthy else 1


def _check_output(name, path, roots):
    """Nothing is written into the copy, nor into a folder that is not there."""
    if path is None:
        return
    own = pathlib.Path(path).expanduser().resolve()
    if any(root.resolve() in own.parents for root in roots):
        raise schema.DataError(f"--{name} {path} lies in the copy: write it elsewhere")
    if not own.parent.is_dir():
        raise schema.DataError(f"--{name} {path}: no such folder: {own.parent}")


if __name__ == "__main__":
    sys.exit(main())
