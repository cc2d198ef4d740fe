"""How the commands print: tables without boxes, lines that a pipe does not break."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text


def columns(*names: str | tuple[str, str]) -> Table:
    """An empty table; a name may come with its justification, "left" or "right"."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for each in names:
        name, justify = (each, "left") if isinstance(each, str) else each
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
    return table


def fitting(console: Console, *tables: Table) -> Console:
    """`console`, or one wide enough for the tables: a file or a pipe takes lines of any length."""
    if console.is_terminal:
        return console
    wide = Console(highlight=False, width=1000)
    return Console(highlight=False, width=max(wide.measure(table).maximum for table in tables))


def show(console: Console, table: Table) -> None:
    """Print a table."""
    fitting(console, table).print(table)


def say(console: Console, line: str, style: str = "") -> None:
    """Print a line, wrapped by the terminal alone."""
    console.print(Text(line, style=style), soft_wrap=True)
