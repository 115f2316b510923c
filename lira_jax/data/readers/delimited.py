"""Rows of numbers as text, with any separator, quoted or not, under a header or none.

numpy.loadtxt reads what is nothing but numbers, at about 80 MB a second; what it refuses is taken
apart by the csv module, which is slower, and then knows the line and the column of an error.
"""

import csv
import dataclasses
import io
import itertools
import re
from collections.abc import Iterator, Sequence

import numpy as np

from lira_jax.data.readers.reading import one_line
from lira_jax.errors import UserError

_ROWS_AT_ONCE = 4096
_LINES_LOOKED_AT = 20  # before it is decided how the file is laid out

_SEPARATORS = "\t;|,"
_NAMES = {"\t": "tabs", ";": "';'", "|": "'|'", ",": "','", None: "blanks"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LONG = re.compile(
    r"(?<![\d.eE])(?<![eE][+-])\d{16,}(?![\d.eE])", re.ASCII
)  # more than 53 bits, perhaps
_TRUTH = {"True": "1", "False": "0", "true": "1", "false": "0", "TRUE": "1", "FALSE": "0"}
_MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-", "inf", "-inf", "+inf", "infinity"}
_LABELS = {"label", "labels", "class", "target"}

Line = tuple[int, str]
"""Its number in the file from 1, and its text without the line break."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the lines of one file are to be read.

    Attributes:
      separator: between two columns; None for any blanks.
      columns: how many there are.
      header: line and names of the columns; None if there is none.
      label: index of the column with labels; None if all hold features.
      words: whether the labels are words.
      trailing: whether lines end with a separator.
      quoted: whether there are quotation marks.
    """

    separator: str | None
    columns: int
    header: tuple[int, list[str]] | None
    label: int | None
    words: bool
    trailing: bool
    quoted: bool

    def column(self, index: int | None) -> str:
        """A column as messages call it, of None the first."""
        index = index or 0
        name = self.header[1][index] if self.header and index < len(self.header[1]) else ""
        return f"column {index + 1}" + (f" ({name[:40]!r})" if name else "")


def blocks(
    file: io.BufferedIOBase, source: str, labelled: bool = True
) -> Iterator[tuple[Layout, np.ndarray, np.ndarray]]:
    """Reads a table block by block, for all of it as float64 may be too much to hold.

    The labels are the column that the header calls label, labels, class, target or, as the last, y;
    else the first. True and False count as 1 and 0. Lines without values are passed over; of lines
    before the first row that begin with #, the last may be the header.

    Args:
      file: UTF-8 text, with a byte order mark or without.
      source: What error messages begin with.
      labelled: Whether one of the columns holds labels.

    Yields:
      The layout, labels [rows] (float64, or str if they are words; empty if not labelled), and
      features float64 [rows, columns].

    Raises:
      UserError: No rows, rows of different lengths, missing values, or other things than numbers.
    """
    # The stubs ask for a file with a name, for TextIOWrapper.name; reading needs none.
    text = io.TextIOWrapper(file, "utf-8-sig")  # type: ignore[type-var]
    lines = ((number, line.rstrip("\n")) for number, line in enumerate(text, 1))
    lines = (line for line in lines if line[1].strip('\t;|, "'))
    comment: Line | None = None
    head: list[Line] = []
    for line in lines:
        if not head and line[1].lstrip().startswith("#"):
            comment = (line[0], line[1].lstrip("# "))
            continue
        head.append(line)
        if len(head) == _LINES_LOOKED_AT:
            break
    if not head:
        raise UserError(f"{source}: no rows in it; give a file of rows label,feature,feature,...")
    layout = _layout(head, comment, source, labelled)
    under_header = layout.header is not None and layout.header[0] == head[0][0]
    rows = itertools.chain(head[1:] if under_header else head, lines)
    empty = True
    while block := list(itertools.islice(rows, _ROWS_AT_ONCE)):
        yield layout, *_read(block, layout, source)
        empty = False
    if empty:
        raise UserError(f"{source}: no rows under its header; give rows label,feature,feature,...")


def _layout(head: Sequence[Line], comment: Line | None, source: str, labelled: bool) -> Layout:
    separator = _separator(head)
    rows = [_cells(line, separator, source) for line in head]
    trailing = separator is not None and all(len(row) > 1 and not row[-1] for row in rows)
    rows = [row[:-1] if trailing else row for row in rows]
    header = None
    if _is_header(rows):
        header = (head[0][0], rows.pop(0))
    columns = len(rows[0] if rows or header is None else header[1])
    if comment and not header:  # numpy.savetxt has the names behind a #
        names = _cells(comment, separator, source)
        if len(names) == columns and not any(map(_is_number, names)):
            header = (comment[0], names)
    if header and len(header[1]) != columns:
        raise UserError(
            f"{source}: its header, line {header[0]}, has {len(header[1])} names, the row below "
            f"{columns} fields (separated by {_NAMES[separator]}); make them equal"
        )
    label = _label_column(header[1] if header else [], source) if labelled else None
    labels = [] if label is None else [row[label] for row in rows if len(row) > label]
    known = [cell for cell in labels if cell.lower() not in _MISSING]
    words = bool(known) and not any(map(_is_number, known))
    quoted = any('"' in line for _, line in head)
    return Layout(separator, columns, header, label, words, trailing, quoted)


def _separator(head: Sequence[Line]) -> str | None:
    first, last = (re.sub(r'"[^"]*"', "0", line).strip(" ") for _, line in (head[0], head[-1]))
    for separator in _SEPARATORS:
        if separator in first and separator in last:
            return separator
    return None if " " in last else ","


def _cells(line: Line, separator: str | None, source: str) -> list[str]:
    number, text = line
    if separator is None:
        return [cell.strip('"') for cell in text.split()]
    try:
        (cells,) = csv.reader([text], delimiter=separator, skipinitialspace=True)
    except (csv.Error, ValueError) as error:  # a field without end, or a quote left open
        raise UserError(f"{source}: line {number}: {one_line(error)}; repair it") from None
    return [cell.strip() for cell in cells]


def _is_number(cell: str) -> bool:
    return cell in _TRUTH or bool(_NUMBER.fullmatch(cell))


def _is_header(rows: list[list[str]]) -> bool:
    """Whether the first row holds names.

    It holds nothing that is a number, or no number where the next row has one first, or the numbers
    that pandas gives to columns.
    """
    first, below = rows[0], rows[1] if len(rows) > 1 else None
    counted = [str(i) for i in range(len(first))]
    if len(first) > 2 and first in (counted, ["", *counted[:-1]]):
        return True
    if any(_is_number(cell) for cell in first):
        return below is not None and not _is_number(first[0]) and _is_number(below[0])
    if len(first) > 1:
        return True
    return below is not None and (_is_number(below[0]) or first[0].lower() in _LABELS)


def _label_column(names: list[str], source: str) -> int:
    found = [i for i, name in enumerate(names) if name.lower() in _LABELS]
    if not found and names and names[-1].lower() == "y" and "x" not in map(str.lower, names):
        found = [len(names) - 1]
    if len(found) > 1 and 0 not in found:
        told = " and ".join(repr(names[i]) for i in found)
        raise UserError(f"{source}: both {told} may be the labels; put them into the first column")
    return 0 if not found or 0 in found else found[0]


def _read(lines: Sequence[Line], layout: Layout, source: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels and features of some lines."""
    if not layout.words:
        table = _numbers([text for _, text in lines], layout)
        if table is not None:
            return _apart(table, layout)
    rows = [_row(line, layout, source) for line in lines]
    label = layout.label
    words = np.array([] if label is None or not layout.words else [row.pop(label) for row in rows])
    plain = dataclasses.replace(
        layout,
        separator="\t",
        columns=layout.columns - layout.words,
        trailing=False,
        quoted=False,
    )
    table = _numbers(["\t".join(row) for row in rows], plain)
    if table is None:
        table = _numbers(["\t".join([_TRUTH.get(c, c) for c in row]) for row in rows], plain)
    unusable = [word for word in np.unique(words) if _is_number(word) or word.lower() in _MISSING]
    if table is None or unusable:
        raise _bad_cell(lines, layout, source)
    return (words, table) if layout.words else _apart(table, layout)


def _apart(table: np.ndarray, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    if layout.label is None:
        return table[:0, 0], table
    labels = table[:, layout.label].copy()  # not a view, which would keep the table in memory
    if not layout.label:
        return labels, table[:, 1:]
    return labels, np.delete(table, layout.label, axis=1)


def _numbers(lines: list[str], layout: Layout) -> np.ndarray | None:
    """float64 [rows, columns] if the lines are nothing but numbers that it can hold, else None."""
    if layout.trailing:
        lines = [line.rstrip().removesuffix(layout.separator or "") for line in lines]
    if not layout.columns:
        return np.empty((len(lines), 0))
    if not any(line.strip() for line in lines):
        return None  # of which numpy warns
    try:
        table = np.loadtxt(
            lines,
            np.float64,
            comments=None,
            delimiter=layout.separator,
            ndmin=2,
            quotechar='"' if layout.quoted else None,
        )
    except ValueError:
        return None
    if table.shape != (len(lines), layout.columns) or not np.isfinite(table).all():
        return None
    if max(table.max(), -table.min()) >= 2**53:
        whole = (number for line in lines for number in _LONG.findall(line))
        if any(int(number) != int(float(number)) for number in whole):
            return None
    return table


def _row(line: Line, layout: Layout, source: str) -> list[str]:
    cells = _cells(line, layout.separator, source)
    if layout.trailing and len(cells) > layout.columns and not cells[-1]:
        cells.pop()
    if len(cells) != layout.columns:
        raise UserError(
            f"{source}: line {line[0]} has {len(cells)} fields, the first {layout.columns} "
            f"(separated by {_NAMES[layout.separator]}); make them equal"
        )
    return cells


def _bad_cell(lines: Sequence[Line], layout: Layout, source: str) -> UserError:
    """The error of the first cell that is not as it should be."""
    for line in lines:
        for index, cell in enumerate(_row(line, layout, source)):
            wrong = _wrong(cell, layout.words and index == layout.label)
            if wrong:
                return UserError(
                    f"{source}: line {line[0]}, {layout.column(index)} {wrong} (columns are "
                    f"separated by {_NAMES[layout.separator]})"
                )
    return UserError(
        f"{source}: lines {lines[0][0]} to {lines[-1][0]} are not rows of numbers; repair them"
    )


def _wrong(cell: str, word: bool) -> str | None:
    if cell.lower() in _MISSING:
        shown = f", but {cell!r}" if cell else ""
        return f"has no value{shown}; fill it in, or remove the line"
    if word:
        wrong = f"has {cell!r} where other lines have words; label all alike"
        return wrong if _is_number(cell) else None
    if not _is_number(cell):
        fix = "write it like 1234.5"
        if any(letter.isalpha() for letter in cell) and not any(map(str.isdigit, cell)):
            fix = "write words as numbers (a column of 0 and 1 for each), or remove the column"
        return f"has {cell[:40]!r} where a number should be; {fix}"
    number = float(_TRUTH.get(cell, cell))
    if not np.isfinite(number):
        return f"has {cell[:40]!r}, too large for a number; scale the column"
    if any(int(digits) != int(float(digits)) for digits in _LONG.findall(cell)):
        return f"has {cell[:40]}, of which a float64 keeps 16 digits; subtract the smallest value"
    return None
