"""Understands the terminal output of taskbell, line by line: text, colours, and the movements with which progress is redrawn."""

import re
import unicodedata

STYLES = {"1": "font-weight:700", "2": "opacity:.6", "31": "color:#ff7b72", "32": "color:#7ee787", "33": "color:#e3b341", "36": "color:#79c0ff"}
PAPER, INK, FONTS = "#0d1117", "#e6edf3", "'DejaVu Sans Mono','Noto Sans Mono CJK JP',monospace"
PIECE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b.?|[\r\n\b]|[^\x1b\r\n\b]+")


def style(codes: str) -> str:
    """Returns the declarations of CSS for the codes of a style."""
    found, rest = [], codes.split(";")
    while rest:
        code = rest.pop(0)
        if code == "38" and rest[:1] == ["2"]:
            found.append(f"color:rgb({','.join(rest[1:4])})")
            del rest[:4]
        elif code in STYLES:
            found.append(STYLES[code])
    return ";".join(found)


def width(character: str) -> int:
    """Returns the number of cells that a character takes."""
    if unicodedata.combining(character) or character in "\u200b\u200d\ufe0e\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def is_sign(character: str) -> bool:
    return "\u2000" <= character < "\u3000"


class Screen:
    """A terminal that forgets no line: `rows` begins with the first line of the session."""

    def __init__(self, columns: int, height: int):
        self.columns, self.height = columns, height
        self.rows: list[list[tuple[str, str]]] = [[]]
        self.row = self.column = 0
        self.style = ""

    @property
    def top(self) -> int:
        """Returns the first line that the terminal shows."""
        return max(0, len(self.rows) - self.height)

    def feed(self, text: str) -> None:
        for piece in PIECE.finditer(text):
            arguments, command = piece[1], piece[2]
            if command:
                self.obey(command, arguments)
            elif piece[0] == "\r":
                self.column = 0
            elif piece[0] == "\n":
                self.down(1)
            elif piece[0] == "\b":
                self.column = max(0, self.column - 1)
            elif not piece[0].startswith("\x1b"):
                for character in piece[0]:
                    self.put(character)

    def obey(self, command: str, arguments: str) -> None:
        number = int(arguments) if arguments.isdigit() else 0
        row = self.rows[self.row]
        if command == "m":
            plain = arguments in ("", "0")
            self.style = "" if plain else ";".join(filter(None, [self.style, arguments]))
        elif command == "A":
            self.row = max(self.top, self.row - (number or 1))
        elif command == "B":
            self.row = min(len(self.rows) - 1, self.row + (number or 1))
        elif command == "K" and number == 2:
            row.clear()
        elif command == "K" and number == 0:
            del row[self.column :]
        elif command == "J" and number == 0:
            del row[self.column :]
            for later in self.rows[self.row + 1 :]:
                later.clear()
        elif command not in "hl":
            raise ValueError(f"the terminal does not know ESC[{arguments}{command}")

    def down(self, lines: int) -> None:
        self.row += lines
        while self.row >= len(self.rows):
            self.rows.append([])

    def put(self, character: str) -> None:
        row, cells = self.rows[self.row], width(character)
        if cells == 0:
            if row and self.column:
                before, its_style = row[self.column - 1]
                row[self.column - 1] = (before + character, its_style)
            return
        # As terminals do, a full line goes on below it only with the next character.
        if self.column + cells > self.columns:
            self.column = 0
            self.down(1)
            row = self.rows[self.row]
        row.extend([(" ", "")] * (self.column - len(row)))
        # A wide character leaves its second cell empty.
        row[self.column : self.column + cells] = [(character, self.style), ("", self.style)][:cells]
        self.column += cells

    def runs(self, number: int) -> list[tuple[int, int, str, str]]:
        """Returns the pieces of a line: the column, the width of each character, the text, and its style.

        Two spaces end a piece, and so does a sign: another font than that of the letters may draw it.
        """
        found: list[tuple[int, int, str, str]] = []
        for column, (character, its_style) in enumerate(self.rows[number]):
            if not character:
                continue
            cells = width(character[0])
            last = found[-1] if found else None
            goes_on = character == " " or not last or not last[2].endswith("  ")
            if last and goes_on and (last[1], last[3], is_sign(last[2][-1])) == (cells, its_style, is_sign(character)):
                found[-1] = (last[0], cells, last[2] + character, its_style)
            else:
                found.append((column, cells, character, its_style))
        return found

    def line(self, number: int) -> str:
        return "".join(character for character, _ in self.rows[number]).rstrip()

    def transcript(self) -> str:
        """Returns all lines, with the codes of their styles."""
        lines = []
        for row in self.rows:
            line, last = "", ""
            for character, its_style in row:
                if its_style != last:
                    line += ("\x1b[0m" if last else "") + (f"\x1b[{its_style}m" if its_style else "")
                    last = its_style
                line += character
            lines.append((line + ("\x1b[0m" if last else "")).rstrip())
        return "\n".join(lines).rstrip() + "\n"
