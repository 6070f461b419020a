"""Text cells of a CSV that a spreadsheet would run as a formula, and text that UTF-8 cannot encode.

A cell that begins with =, +, -, @, a tab or a line break is run as a formula when the table is opened. File names, findings and
other texts of input tables enter hilum's CSVs, so such a text is prefixed with an apostrophe, which marks it as text; so is one
that begins with apostrophes and then such a sign, so that reading removes exactly one. Numbers (-0.5, +1e-3) stay unchanged.
hilum removes the apostrophe wherever it reads a table back: `read_cell` is the inverse of
`guard_cell`.
Source: OWASP, CSV Injection.
"""

import re

ESCAPE = re.compile(r"\\(?=udc[89a-f][0-9a-f]|x0d|x5c)")  # how an escape of `escape_name` begins
FORMULA = re.compile(r"'*[=+\-@\t\r\n].", re.DOTALL)  # a sign alone is no formula
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def guard_cell(text: str) -> str:
    """The text as it is written into a CSV."""
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def read_cell(cell: str) -> str:
    """The text that `guard_cell` wrote."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def escape(text: str) -> str:
    r"""The text as valid UTF-8: bytes of a file's name that are not UTF-8 become `\udce9`, a carriage return `\r`."""
    return text.encode(errors="backslashreplace").decode().replace("\r", "\\r")


def escape_name(name: str) -> str:
    r"""A file name as unique valid UTF-8: bytes that are not UTF-8 become `\udce9`, a carriage return `\x0d`.

    A backslash in the name that would read as the start of one of these becomes `\x5c`.
    """
    return escape(ESCAPE.sub(r"\\x5c", name).replace("\r", "\\x0d"))
