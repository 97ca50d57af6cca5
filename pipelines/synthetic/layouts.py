"""Where the real databases keep a frame: file names and annotation sheets, as distributed."""

import pathlib

import pandas as pd

SMIC_FOLDERS = ("negative", "positive", "surprise")
SMIC_TOKENS = ("ne", "po", "sur")
SMIC_LAYOUTS = ("raw", "cropped", "long")
# The clips of SMIC-HS that SMIC-HS-E keeps inside another long clip, or not at all.
SMIC_HELD = {
    "s3_ne_03": "s3_ne_02",
    "s4_ne_05": "s4_ne_04",
    "s4_ne_06": "s4_ne_04",
    "s9_sur_02": "s9_sur_01",
}
# Known gaps and errors of two releases, rendered as they are.
SMIC_E_ABSENT = ("s1_ne_02", "s2_sur_05", "s3_ne_20")
SMIC_E_SHORT = {"s3_ne_16": 1, "s3_po_08": 2, "s3_sur_01": 1, "s3_sur_05": 1}  # offset too low by
SMIC_E_NEGATIVE = ("s18_sur_03",)  # its cell says so, its name does not
SMIC_CROPPED_ABSENT = ("s18_sur_03",)
SMIC_CROPPED_SHORT = SMIC_E_SHORT  # frames lacking at the end

SMIC_E_SHEET = "SMIC-HS-E_annotation.xlsx"
CASME2_SHEET = "CASME2-coding-20140508.xlsx"


def smic_clip(name):
    """The database's unpadded spelling of a clip: "s01_ne_01" -> "s1_ne_01"."""
    subject, rest = name.split("_", 1)
    return f"s{int(subject[1:])}_{rest}"


def smic_frame(layout, clip, label, number):
    """Path of one frame of SMIC-HS below the database's root.

    Args:
        layout: "raw", "cropped" or "long".
        clip: "s01_ne_01".
        label: 0, 1 or 2.
        number: of the frame in the recording.
    """
    name = smic_clip(clip)
    subject = int(name[1:].split("_")[0])
    if layout == "long":
        folder = pathlib.PurePath("HS_long", "SMIC-HS-E", f"s{subject:02d}")
        return folder / SMIC_HELD.get(name, name) / f"image{number:06d}.jpg"
    prefix = "reg_image" if layout == "cropped" else "image"
    folder = pathlib.PurePath(
        f"SMIC_all_{layout}", "HS", f"s{subject}", "micro", SMIC_FOLDERS[label], name
    )
    return folder / f"{prefix}{number:06d}.bmp"


def smic_missing(layout, clip):
    """How many frames at a clip's end this release lacks: 0 as a rule, None if the whole clip."""
    name = smic_clip(clip)
    absent = {"cropped": SMIC_CROPPED_ABSENT, "long": SMIC_E_ABSENT}.get(layout, ())
    short = SMIC_CROPPED_SHORT if layout == "cropped" else {}
    return None if name in absent else short.get(name, 0)


def smic_e_annotation(clips):
    """The sheet `HS` of SMIC-HS-E, a row per long clip.

    Args:
        clips: (clip name, label, first frame number, last frame number) each.
    """
    rows: dict[str, dict] = {}
    for name, label, onset, offset in sorted(clips, key=lambda c: smic_clip(c[0]) in SMIC_HELD):
        name = smic_clip(name)
        long_clip = SMIC_HELD.get(name, name)
        offset -= SMIC_E_SHORT.get(name, 0)
        row = rows.setdefault(long_clip, {"Subject": int(name[1:].split("_")[0])})
        row.setdefault("Filename", long_clip)
        held = "" if "OnsetF" not in row else "2" if "Onset2F" not in row else "3"
        row |= {f"Onset{held}F": onset, f"Offset{held}F": offset}
        row["FirstF"] = min(onset, row.get("FirstF", onset))
        row["LastF"] = max(offset, row.get("LastF", offset))
        row[f"TotalMF{held or 1}"] = offset - onset + 1
        row["Emotion"] = SMIC_FOLDERS[0 if name in SMIC_E_NEGATIVE else label]
    columns = ["Subject", "Filename", "OnsetF", "OffsetF", "Onset2F", "Offset2F", "Onset3F"]
    columns += ["Offset3F", "FirstF", "LastF", "TotalMF1", "TotalMF2", "TotalMF3", "TotalVL"]
    columns += ["Emotion"]
    table = pd.DataFrame(list(rows.values())).reindex(columns=columns)
    return table.assign(TotalVL=table.LastF - table.FirstF + 1)


def casme2_frame(subject, clip, number):
    """Path of one frame of CASME2_RAW_selected below the database's root."""
    return pathlib.PurePath("CASME2_RAW_selected", subject, clip, f"img{number}.jpg")


def casme2_annotation(clips):
    """CASME II's coding sheet, its two blank columns included.

    Args:
        clips: ("sub01", clip, onset, apex, offset, action units, emotion) each.
    """
    names = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame"]
    table = pd.DataFrame(clips, columns=[*names, "Action Units", "Estimated Emotion"])
    table["Subject"] = table["Subject"].str.slice(3)
    table.insert(2, "Unnamed: 2", None)
    table.insert(6, "Unnamed: 6", None)
    return table


def write_sheet(table, path, sheet):
    """Writes `table` to an .xlsx whose blank columns have blank headers, as the databases' have.

    Lines of text in `table.attrs["above"]` go above the header, one to a row.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    headers = ["" if str(name).startswith("Unnamed") else name for name in table.columns]
    above = table.attrs.get("above", [])
    with pd.ExcelWriter(path) as writer:
        table.to_excel(writer, sheet_name=sheet, index=False, header=headers, startrow=len(above))
        for line, text in enumerate(above, start=1):
            writer.sheets[sheet].cell(line, 1, text)
