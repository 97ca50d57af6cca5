"""Events as annotations for ELAN, the annotation tool of the Max Planck Institute for
Psycholinguistics: its own XML, and the text that it imports.

Format: EAF 3.0, https://www.mpi.nl/tools/elan/EAFv3.0.xsd. A tier "micro-expression" holds the
class of each event; its child "regions" says what moved, and follows when a coder moves an event.
"""

from __future__ import annotations

import datetime
import mimetypes
import os
import pathlib
import typing
from xml.etree import ElementTree

EVENTS, REGIONS = "micro-expression", "regions"  # the tiers
SCHEMA = "http://www.w3.org/2001/XMLSchema-instance"
PLACE = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
ASSOCIATION = "Symbolic_Association"
CONSTRAINTS = {  # those that ELAN writes into every file
    "Time_Subdivision": "Time subdivision of parent annotation's time interval, no time gaps "
    "allowed within this interval",
    "Symbolic_Subdivision": "Symbolic subdivision of a parent annotation. Annotations refering to "
    "the same parent are ordered",
    ASSOCIATION: "1-1 association with a parent annotation",
    "Included_In": "Time alignable annotations within the parent annotation's time interval, gaps "
    "are allowed",
}


class Annotation(typing.NamedTuple):
    """An event: `begin` and `end` in ms, its class, and the regions that moved, in words."""

    begin: int
    end: int
    value: str
    regions: str


def as_text(annotations: typing.Sequence[Annotation]) -> str:
    """Lines of tier, begin, end and value with tabs between, times as hh:mm:ss.ms."""
    rows = [(EVENTS, a.begin, a.end, a.value) for a in annotations]
    rows += [(REGIONS, a.begin, a.end, a.regions) for a in annotations if a.regions]
    lines = (
        "\t".join((tier, _clock(begin), _clock(end), value)) for tier, begin, end, value in rows
    )
    return "".join(f"{line}\n" for line in lines)


def _clock(ms):
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{ms:03d}"


def as_eaf(annotations: typing.Sequence[Annotation], media: str, folder: pathlib.Path) -> str:
    """The annotations as an EAF 3.0 document.

    Args:
        annotations: in the order of time.
        media: path of the video; one that is no file is not named.
        folder: where the document will be, for the relative path of the video.
    """
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    facts = {"AUTHOR": "me-keras", "DATE": now, "FORMAT": "3.0", "VERSION": "3.0"}
    ElementTree.register_namespace("xsi", SCHEMA)
    facts[f"{{{SCHEMA}}}noNamespaceSchemaLocation"] = PLACE
    root = ElementTree.Element("ANNOTATION_DOCUMENT", facts)
    _header(root, media, folder, 2 * len(annotations))
    slots = ElementTree.SubElement(root, "TIME_ORDER")
    slot_of = _time_order(slots, annotations)
    whole = {"TIER_ID": EVENTS, "LINGUISTIC_TYPE_REF": "event"}
    part = {"TIER_ID": REGIONS, "LINGUISTIC_TYPE_REF": "what moved", "PARENT_REF": EVENTS}
    events = ElementTree.SubElement(root, "TIER", whole)
    regions = ElementTree.SubElement(root, "TIER", part)
    for number, annotation in enumerate(annotations, start=1):
        begin, end = slot_of[number - 1]
        name = {"ANNOTATION_ID": f"a{number}"}
        span = {"TIME_SLOT_REF1": begin, "TIME_SLOT_REF2": end}
        _annotation(events, "ALIGNABLE_ANNOTATION", {**name, **span}, annotation.value)
        child = {"ANNOTATION_ID": f"a{len(annotations) + number}", "ANNOTATION_REF": f"a{number}"}
        _annotation(regions, "REF_ANNOTATION", child, annotation.regions)
    _types(root)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _header(root, media, folder, last):
    header = ElementTree.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    path = pathlib.Path(media).expanduser()
    if path.is_file():
        kind = mimetypes.guess_type(path.name)[0] or "video/*"
        place = {"MEDIA_URL": path.resolve().as_uri(), "MIME_TYPE": kind}
        near = pathlib.Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
        place["RELATIVE_MEDIA_URL"] = near if near.startswith("../") else f"./{near}"
        ElementTree.SubElement(header, "MEDIA_DESCRIPTOR", place)
    ElementTree.SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId").text = str(last)


def _time_order(parent, annotations):
    """Writes the time slots, earliest first; returns those of each annotation's begin and end."""
    times = [
        (getattr(a, which), i, which)
        for i, a in enumerate(annotations)
        for which in ("begin", "end")
    ]
    names: dict = {}
    for number, (time, index, which) in enumerate(sorted(times, key=lambda t: t[0]), start=1):
        names[index, which] = f"ts{number}"
        slot = {"TIME_SLOT_ID": f"ts{number}", "TIME_VALUE": str(time)}
        ElementTree.SubElement(parent, "TIME_SLOT", slot)
    return [(names[i, "begin"], names[i, "end"]) for i in range(len(annotations))]


def _annotation(tier, kind, facts, value):
    holder = ElementTree.SubElement(tier, "ANNOTATION")
    ElementTree.SubElement(
        ElementTree.SubElement(holder, kind, facts), "ANNOTATION_VALUE"
    ).text = value


def _types(root):
    """The linguistic types of the tiers, and the constraints that they may have."""
    free = {"LINGUISTIC_TYPE_ID": "event", "TIME_ALIGNABLE": "true"}
    bound = {"LINGUISTIC_TYPE_ID": "what moved", "TIME_ALIGNABLE": "false"}
    for facts in (free, {**bound, "CONSTRAINTS": ASSOCIATION}):
        ElementTree.SubElement(root, "LINGUISTIC_TYPE", facts, GRAPHIC_REFERENCES="false")
    for name, words in CONSTRAINTS.items():
        ElementTree.SubElement(root, "CONSTRAINT", STEREOTYPE=name, DESCRIPTION=words)
