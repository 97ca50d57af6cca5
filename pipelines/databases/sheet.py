"""Reads annotation sheets, whatever hands they went through: .xlsx, .xls or .csv, by column name.

Columns are matched by their letters and digits alone, so case, blanks, line breaks and stray
apostrophes do not matter. The header is the first row that names the first two columns asked for;
what stands above it, blank rows and blank columns are ignored. Full-width characters count as the
plain ones, and a cell merged over several rows counts for each of them.
"""

from __future__ import annotations

import codecs
import collections.abc
import csv
import dataclasses
import io
import pathlib
import re
import unicodedata

from pipelines import schema

_UNIT = re.compile(r"(?:AU)?([LRTB]?)(\d+)([A-E]?)")
_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII")
# What stands for a number that nobody knows.
UNKNOWN = ("", "/", "\\", "-", "nan")


@dataclasses.dataclass(frozen=True)
class Line:
    """A row of a sheet."""

    place: str  # "PATH: line N", N counted from 1 in the file
    cells: dict[str, str]  # field -> its stripped text; "" where the column lacks
    headers: dict[str, str]  # field -> the column's name in the sheet

    def __getitem__(self, field: str) -> str:
        return self.cells.get(field, "")

    def number(self, field: str) -> int | None:
        """The number in a cell, as `numbers`."""
        return self.numbers(field)[field]

    def numbers(self, *fields: str) -> dict[str, int | None]:
        """The numbers in cells; None for one of `UNKNOWN`.

        Raises DataError, naming columns and texts, if they hold anything else.
        """
        found = {f: self[f] for f in fields if self[f].lower() not in UNKNOWN}
        wrong = [f for f, text in found.items() if not re.fullmatch(r"[0-9]+", text)]
        if wrong:
            cells = ", ".join(f"column {self.headers[f]}: {found[f]!r}" for f in wrong)
            raise schema.DataError(
                f"{cells} is no whole number: correct the cell, or leave it blank if the number is "
                "unknown"
            )
        return {f: int(found[f]) if f in found else None for f in fields}


def read(
    path, columns: collections.abc.Mapping[str, tuple[str, ...]], optional=(), tab=""
) -> list[Line]:
    """The rows below the header of the first sheet that has one.

    Args:
        path: of the file.
        columns: field -> its names in the sheets that circulate, as `plain` gives them; the first
            two fields are those without which a row is none.
        optional: fields whose column may lack; "" then.
        tab: name of the sheet to look at first.
    Returns:
        A `Line` per row that has its first two fields.
    Raises:
        DataError: not a spreadsheet, no header, a column missing, no rows.
    """
    path = pathlib.Path(path)
    first, second = list(columns)[:2]
    cells, start = _with_header(path, columns, tab)
    header = [plain(cell) for cell in cells[start]]
    places: dict[str, int] = {}
    for field, names in columns.items():
        at = next((header.index(name) for name in names if name in header), None)
        if at is not None:
            places[field] = at
        elif field not in optional:
            raise schema.DataError(
                f"{path}: no column for {field} ({' or '.join(names)}); the sheet has "
                f"{', '.join(filter(None, cells[start]))}"
            )
    headers = {field: " ".join(cells[start][at].split()) for field, at in places.items()}
    needed = [field for field in columns if field != "subject" and field not in optional]
    lines: list[Line] = []
    for index, row in enumerate(cells[start + 1 :], start=start + 2):
        values = {field: row[at] for field, at in places.items()}
        if lines and values.get("subject") == "" and all(values[field] for field in needed):
            values["subject"] = lines[-1]["subject"]  # a cell merged with the one above
        if values[first] and values[second]:
            lines.append(Line(f"{path}: line {index}", values, headers))
    if not lines:
        raise schema.DataError(f"{path}: holds no rows below its header")
    return lines


def plain(cell) -> str:
    """A column's name without case, blanks and punctuation: "Onset Frame " -> "onsetframe"."""
    return re.sub(r"[^a-z0-9]", "", str(cell).lower())


def action_units(cell: str) -> tuple[str, ...]:
    """Splits a cell: "L4+7" -> ("L4", "7"); "?" and blanks -> ().

    Of alternatives ("R12 or L15") the first is taken. References ("ref(…)") and units marked as
    static, "(k)", which are there from the first frame to the last, are left out; so are those
    whose mark is misspelt ("4(k", "4k)").
    """
    text = re.sub(r"ref\s*\(.*?\)", "", cell, flags=re.IGNORECASE)
    text = re.sub(r"\W*k\W*", "(k)+", text, flags=re.IGNORECASE)
    text = re.sub(r"\bor\b.*?(?=\+|$)", "", text, flags=re.IGNORECASE)
    tokens = (token.strip().upper() for token in re.split(r"[+,;]", text))
    matches = (_UNIT.fullmatch(re.sub(r"\s", "", token)) for token in tokens)
    return tuple("".join(match.groups()) for match in matches if match)


def objective(cell: str) -> str:
    """An objective class, "I" to "VII", from a Roman or Arabic numeral; "" if it is neither."""
    if re.fullmatch(r"[1-7]", cell):
        return _ROMAN[int(cell) - 1]
    return cell.upper() if cell.upper() in _ROMAN else ""


def _with_header(path, columns, tab):
    """(cells, row) of the first sheet in which a row names the first two columns.

    Where there is none, a row that names the first will do: the message then says what lacks.
    """
    first, second = list(columns.values())[:2]
    second_best = None
    for cells in _sheets(path, tab):
        for index, row in enumerate(cells):
            names = [name for name in map(plain, row) if name]
            if set(first) & set(names) and set(second) & set(names):
                return cells, index
            if second_best is None and set(first) & set(names):
                second_best = cells, index
    if second_best is None:
        name = first[0].title()
        raise schema.DataError(f"{path}: no header with the column {name}: another file?")
    return second_best


def _sheets(path, first):
    """The sheets of a file as text, the `first` first: rows of equal length, blank cells as ""."""
    try:
        if path.suffix.lower() == ".csv":
            tables = {"": _csv_rows(path)}
        else:
            tables = _workbook_rows(path)
    except Exception as error:  # whatever the readers of three formats raise on a damaged file
        raise schema.DataError(f"{path}: cannot be read as a spreadsheet ({error})") from None
    for _, rows in sorted(tables.items(), key=lambda item: item[0] != first):
        width = max(map(len, rows), default=0)
        yield [[_as_typed(cell) for cell in [*row, *[""] * (width - len(row))]] for row in rows]


def _as_typed(cell) -> str:
    """A cell before a spreadsheet, or pandas, made "1.0" of a 1 and "nan" of a blank."""
    text = unicodedata.normalize("NFKC", "" if cell is None else str(cell)).strip()
    return re.sub(r"^(\d+)\.0+$", r"\1", "" if text in ("nan", "None") else text)


def _workbook_rows(path):
    """The rows of every sheet; read without pandas, for which an error ("#REF!") is a blank."""
    if path.read_bytes()[:2] == b"PK":
        import openpyxl

        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        rows = {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets}
        book.close()
        return rows
    import xlrd

    book = xlrd.open_workbook(path)

    def value(cell):
        if cell.ctype == xlrd.XL_CELL_ERROR:
            return xlrd.error_text_from_code[cell.value]
        if cell.ctype == xlrd.XL_CELL_DATE:
            return xlrd.xldate_as_datetime(cell.value, book.datemode)
        return cell.value

    return {
        sheet.name: [[value(cell) for cell in row] for row in sheet.get_rows()]
        for sheet in book.sheets()
    }


def _csv_rows(path):
    """The rows of a CSV file, whichever of comma, semicolon and tab parts its cells."""
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16")
    elif b"\0" in data[:2]:  # UTF-16 without a mark: every other byte of plain text is 0
        text = data.decode("utf-16-be" if data[0] == 0 else "utf-16-le")
    else:
        text = data.decode("utf-8-sig", errors="replace")
    mark = max(",;\t", key=text.count)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=mark))
