"""The three releases of SMIC-HS, with the gaps and errors they are known for."""

import pathlib

import pandas as pd

TOKENS = ("ne", "po", "sur")
FOLDERS = ("negative", "positive", "surprise")
RELEASES = ("raw", "cropped", "long")
SHEET = "SMIC-HS-E_annotation.xlsx"
# Clips that SMIC-HS-E keeps inside another's recording, or not at all.
HELD = {
    "s3_ne_03": "s3_ne_02",
    "s4_ne_05": "s4_ne_04",
    "s4_ne_06": "s4_ne_04",
    "s9_sur_02": "s9_sur_01",
}
ABSENT = {"long": ("s1_ne_02", "s2_sur_05", "s3_ne_20"), "cropped": ("s18_sur_03",)}
# Frames that the cropped release lacks at a clip's end; the sheet's offset is too low by as many.
SHORT = {"s3_ne_16": 1, "s3_po_08": 2, "s3_sur_01": 1, "s3_sur_05": 1}
SAID_NEGATIVE = ("s18_sur_03",)  # by the cell, not by the name


def plain(clip: str) -> str:
    """The database's unpadded spelling of a clip: "s01_ne_01" -> "s1_ne_01"."""
    subject, rest = clip.split("_", 1)
    return f"s{int(subject[1:])}_{rest}"


def frame(release: str, clip: str, number: int) -> pathlib.PurePath:
    """Path of a frame below the root; `number` is the one in the recording."""
    name = plain(clip)
    subject, token, _ = name.split("_")
    if release == "long":
        folder = pathlib.PurePath("HS_long", "SMIC-HS-E", f"s{int(subject[1:]):02d}")
        return folder / HELD.get(name, name) / f"image{number:06d}.jpg"
    prefix = "reg_image" if release == "cropped" else "image"
    kind = FOLDERS[TOKENS.index(token)]
    folder = pathlib.PurePath(f"SMIC_all_{release}", "HS", subject, "micro", kind, name)
    return folder / f"{prefix}{number:06d}.bmp"


def numbers(release: str, clip: str, onset: int, offset: int) -> range:
    """The frames of a clip that a release has; none if it lacks the clip."""
    name = plain(clip)
    if name in ABSENT.get(release, ()):
        return range(0)
    return range(onset, offset + 1 - (SHORT.get(name, 0) if release == "cropped" else 0))


def annotation(clips) -> pd.DataFrame:
    """The sheet `HS` of SMIC-HS-E, a row per recording; `clips` are (name, onset, offset) each."""
    rows: dict[str, dict] = {}
    for clip, onset, offset in sorted(clips, key=lambda c: plain(c[0]) in HELD):
        name = plain(clip)
        recording = HELD.get(name, name)
        offset -= SHORT.get(name, 0)
        row = rows.setdefault(recording, {"Subject": name.split("_")[0], "Filename": recording})
        held = next(h for h in ("", "2", "3") if f"Onset{h}F" not in row)
        row |= {f"Onset{held}F": onset, f"Offset{held}F": offset}
        word = FOLDERS[TOKENS.index(name.split("_")[1])]
        row["Emotion"] = "negative" if name in SAID_NEGATIVE else word
    columns = ["Subject", "Filename", "OnsetF", "OffsetF", "Onset2F", "Offset2F", "Onset3F"]
    return pd.DataFrame(list(rows.values())).reindex(columns=[*columns, "Offset3F", "Emotion"])
