"""Annotations for ELAN: the text, and the XML by the rules of the EAF 3.0 schema."""

import pathlib
from xml.etree import ElementTree

from me_keras.prediction import elan

FOUND = [
    elan.Annotation(1230, 1540, "positive 0.83", "mouth left 1.20 px up and out"),
    elan.Annotation(3_725_004, 3_725_400, "surprise <&> 0.51", ""),
]
ORDER = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "CONSTRAINT"]  # of the schema


def parsed(tmp_path, annotations=FOUND, media="film.mp4"):
    (tmp_path / "film.mp4").write_bytes(b"")
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    text = elan.as_eaf(annotations, str(tmp_path / media), out)
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT')
    return ElementTree.fromstring(text.encode())


def test_text_has_a_line_per_tier_and_event():
    lines = elan.as_text(FOUND).splitlines()
    assert [line.split("\t") for line in lines] == [
        ["micro-expression", "00:00:01.230", "00:00:01.540", "positive 0.83"],
        ["micro-expression", "01:02:05.004", "01:02:05.400", "surprise <&> 0.51"],
        ["regions", "00:00:01.230", "00:00:01.540", "mouth left 1.20 px up and out"],
    ]
    assert elan.as_text([]) == ""


def test_the_document_keeps_the_order_and_attributes_of_the_schema(tmp_path):
    root = parsed(tmp_path)
    assert root.attrib["FORMAT"] == root.attrib["VERSION"] == "3.0"
    place = root.attrib["{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"]
    assert place.endswith("EAFv3.0.xsd") and root.attrib["AUTHOR"] and "T" in root.attrib["DATE"]
    order = [ORDER.index(child.tag) for child in root]
    assert order == sorted(order) and set(order) == set(range(len(ORDER)))
    assert root.find("HEADER").attrib == {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"}
    media = root.find("HEADER/MEDIA_DESCRIPTOR").attrib
    assert media["MEDIA_URL"] == (tmp_path / "film.mp4").resolve().as_uri()
    assert media["MIME_TYPE"] == "video/mp4" and media["RELATIVE_MEDIA_URL"] == "../film.mp4"
    types = {
        each.attrib["LINGUISTIC_TYPE_ID"]: each.attrib for each in root.iter("LINGUISTIC_TYPE")
    }
    stereotypes = {each.attrib["STEREOTYPE"] for each in root.iter("CONSTRAINT")}
    tiers = {tier.attrib["TIER_ID"]: tier.attrib for tier in root.iter("TIER")}
    assert all(tier["LINGUISTIC_TYPE_REF"] in types for tier in tiers.values())
    assert types["event"]["TIME_ALIGNABLE"] == "true" and "CONSTRAINTS" not in types["event"]
    assert types["what moved"]["CONSTRAINTS"] in stereotypes and len(stereotypes) == 4
    assert tiers["regions"]["PARENT_REF"] == "micro-expression"
    assert "PARENT_REF" not in tiers["micro-expression"]


def test_times_rise_and_every_reference_leads_somewhere(tmp_path):
    root = parsed(tmp_path)
    slots = {s.attrib["TIME_SLOT_ID"]: int(s.attrib["TIME_VALUE"]) for s in root.iter("TIME_SLOT")}
    assert list(slots.values()) == sorted(slots.values()) == [1230, 1540, 3_725_004, 3_725_400]
    events, regions = root.findall("TIER")
    for annotation, element in zip(FOUND, events.iter("ALIGNABLE_ANNOTATION")):
        assert slots[element.attrib["TIME_SLOT_REF1"]] == annotation.begin
        assert slots[element.attrib["TIME_SLOT_REF2"]] == annotation.end
        assert element.findtext("ANNOTATION_VALUE") == annotation.value
    names = [e.attrib["ANNOTATION_ID"] for e in root.iter() if "ANNOTATION_ID" in e.attrib]
    assert len(set(names)) == len(names) == 4
    assert root.findtext("HEADER/PROPERTY") == "4"  # the last number given to an annotation
    assert [e.attrib["ANNOTATION_REF"] for e in regions.iter("REF_ANNOTATION")] == ["a1", "a2"]
    assert regions.findtext(".//ANNOTATION_VALUE") == FOUND[0].regions


def test_no_events_and_no_file_are_a_whole_document_too(tmp_path):
    root = parsed(tmp_path, [], "frames")
    assert root.find("TIME_ORDER") is not None and len(root.findall("TIER")) == 2
    assert root.find("HEADER/MEDIA_DESCRIPTOR") is None
    beside = elan.as_eaf([], str(tmp_path / "film.mp4"), pathlib.Path(tmp_path))
    assert 'RELATIVE_MEDIA_URL="./film.mp4"' in beside
