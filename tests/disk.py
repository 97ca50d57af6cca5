"""Copies of databases on disk, of one-pixel frames: for loaders, which look at names alone."""

import cv2
import numpy as np

from pipelines.synthetic import census, copies, layouts

PIXEL = {
    suffix: cv2.imencode(suffix, np.zeros((2, 2), np.uint8))[1].tobytes()
    for suffix in (".jpg", ".png", ".bmp")
}


def write_frames(root, database, rows):
    """Writes the frames of `rows`; returns the folder of the last."""
    path = root
    for row in rows:
        for number in row.numbers:
            path = root / copies.COPIES[database].frame(row, number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(PIXEL[path.suffix])
    return path.parent


def write_sheets(root, database, rows):
    """Writes the sheets of `rows`; returns the paths."""
    tables = copies.COPIES[database].tables(rows)
    for table in tables:
        layouts.write_sheet(table.rows, root / table.path, table.sheet)
    return [root / table.path for table in tables]


def write_copy(root, database, rows=None):
    """Writes a copy of a database, a whole one when `rows` is None; returns its rows."""
    rows = census.rows(database) if rows is None else rows
    write_frames(root, database, rows)
    write_sheets(root, database, rows)
    return rows
