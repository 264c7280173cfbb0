"""Runs a command on a terminal of its own and draws what is on its screen at the end.

    python3 scripts/record.py OUT.svg [--columns N] [--title TEXT] -- COMMAND ...

The picture is what the command wrote, in an SVG of text: nothing is typed in or left out
but for what scrolled away. docs/images/demo.svg is made by

    python3 scripts/record.py docs/images/demo.svg --title "clonecratesio demo" -- clonecratesio demo -once -dir mirror
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from html import escape
from pathlib import Path

LINE, CHAR, MARGIN, BAR = 17, 8.0, 14, 30
COLOURS = {"31": "#f47067", "32": "#8ddb8c", "33": "#f2cc60", "34": "#6cb6ff", "36": "#76e3ea", "2": "#8b949e", "90": "#8b949e"}
# What a program says to its terminal: an escape sequence, one of the controls, or text.
TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b[^\[]|([\r\n\b\t])|([^\x1b\r\n\b\t]+)")


class Screen:
    """The lines of a terminal that is high enough for everything."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines: list[list[tuple[str, str]]] = [[]]
        self.row = self.column = 0
        self.colour = ""

    def feed(self, text: str) -> None:
        for argument, command, control, plain in TOKEN.findall(text):
            if plain:
                for char in plain:
                    self.put(char)
            elif control:
                self.control(control)
            elif command:
                self.sequence(argument, command)

    def put(self, char: str) -> None:
        if self.column >= self.columns:
            self.control("\n")
            self.column = 0
        line = self.lines[self.row]
        line.extend([(" ", "")] * (self.column + 1 - len(line)))
        line[self.column] = (char, self.colour)
        self.column += 1

    def control(self, char: str) -> None:
        if char == "\r":
            self.column = 0
        elif char == "\b":
            self.column = max(0, self.column - 1)
        elif char == "\t":
            self.column += 8 - self.column % 8
        else:
            self.row += 1
            if self.row == len(self.lines):
                self.lines.append([])

    def sequence(self, argument: str, command: str) -> None:
        count = int(argument) if argument.isdigit() else 0
        if command == "m":
            self.colour = next((COLOURS[c] for c in argument.split(";") if c in COLOURS), "")
        elif command == "A":
            self.row = max(0, self.row - max(1, count))
        elif command == "K":
            del self.lines[self.row][0 if count == 2 else self.column :]
        elif command == "J":
            del self.lines[self.row][self.column :]
            del self.lines[self.row + 1 :]
        elif command == "G":
            self.column = max(1, count) - 1


def run(command: list[str], columns: int) -> str:
    """What the command writes on a terminal."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8")
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    said = b""
    while True:
        try:
            part = os.read(terminal, 1 << 16)
        except OSError:  # Linux says so at the end
            break
        if not part:
            break
        said += part
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        sys.exit(f"{command[0]} ended with exit code {code}: {said.decode()}")
    return said.decode()


def draw(screen: Screen, title: str) -> str:
    while screen.lines and not screen.lines[-1]:
        screen.lines.pop()
    width = round(screen.columns * CHAR + 2 * MARGIN)
    height = BAR + len(screen.lines) * LINE + 2 * MARGIN
    rows = []
    for i, line in enumerate(screen.lines):
        spans, last = "", None
        for char, colour in line:
            if colour != last:
                spans += ("</tspan>" if last else "") + (f'<tspan fill="{colour}">' if colour else "")
                last = colour
            spans += escape(char.replace(" ", "\u00a0"), quote=False)  # spaces would be folded
        spans += "</tspan>" if last else ""
        rows.append(f'<text x="{MARGIN}" y="{BAR + MARGIN + i * LINE + 12}">{spans}</text>')
    dots = "".join(f'<circle cx="{18 + 18 * i}" cy="15" r="5" fill="#3d444d"/>' for i in range(3))
    text = "\n".join(rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title)}">\n'
        f'<rect width="{width}" height="{height}" rx="8" fill="#161b22"/>{dots}\n'
        f'<text x="{width / 2}" y="20" fill="#8b949e" font-family="monospace" font-size="13" text-anchor="middle">{escape(title)}</text>\n'
        f'<g fill="#e6edf3" font-family="ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="13">\n'
        f"{text}\n</g>\n</svg>\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--title", default="")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    screen = Screen(arguments.columns)
    screen.feed(run(arguments.command, arguments.columns))
    arguments.out.write_text(draw(screen, arguments.title), encoding="utf-8")


if __name__ == "__main__":
    main()
