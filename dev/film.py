"""Draws a recorded terminal as an SVG that plays in a browser, also within an `<img>`: CSS shows each state of a line in its time.

Without animation, the picture shows the last screen.
"""

import html

import screen

CELL, LINE, PADDING = 7.83, 19, 20
# Changes that follow each other faster than this are shown together.
BLINK_SECONDS = 0.09
FONTS = "ui-monospace,SFMono-Regular,Menlo,Consolas," + screen.FONTS
HEAD = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">
<title>{title}</title>
<style>
text{{font:13px {fonts};fill:{ink};white-space:pre}}
.w{{font-size:14.5px}}
.f{{animation:{seconds:.2f}s step-end infinite}}
.h{{visibility:hidden}}
{rules}
@media (prefers-reduced-motion:reduce){{.w{{font-size:14.5px}}
.f{{animation:none}}}}
</style>
<rect width="100%" height="100%" rx="8" fill="{paper}"/>
<svg x="{padding}" y="{padding}" width="{inner_width}" height="{inner_height}">
<g class="f scroll">
"""


def frames(pieces: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Joins pieces that follow each other at once."""
    joined: list[tuple[float, str]] = []
    for second, text in pieces:
        if joined and second - joined[-1][0] < BLINK_SECONDS:
            joined[-1] = (joined[-1][0], joined[-1][1] + text)
        else:
            joined.append((second, text))
    return joined


class Timeline:
    """Collects the rules of CSS. Lines that come and go together share a rule."""

    def __init__(self, seconds: float):
        self.seconds, self.rules, self.names = seconds, [], {}

    def at(self, second: float) -> str:
        return f"{100 * second / self.seconds:.2f}".rstrip("0").rstrip(".") + "%"

    def shown(self, start: float, end: float | None) -> str:
        """Returns the class of a line that is visible in this time; without an end, to the end."""
        if (start, end) not in self.names:
            name = self.names[start, end] = f"t{len(self.names)}"
            stops = f"0%{{visibility:hidden}}{self.at(start)}{{visibility:visible}}"
            stops += "" if end is None else f"{self.at(end)}{{visibility:hidden}}"
            self.rules.append(f"@keyframes {name}{{{stops}}}.{name}{{animation-name:{name}}}")
        return f"f {self.names[start, end]}" + ("" if end is None else " h")

    def moved(self, name: str, moves: list[tuple[float, str]]) -> None:
        """Moves the element with this class; without animation, to its last place."""
        stops = "".join(f"{self.at(second)}{{transform:{move}}}" for second, move in moves)
        self.rules.append(f"@keyframes {name}{{{stops}}}.{name}{{animation-name:{name};transform:{moves[-1][1]}}}")


def text(number: int, runs: list[tuple[int, int, str, str]]) -> str:
    """Returns a line of the terminal."""
    spans = []
    for column, cells, characters, codes in runs:
        column += len(characters) - len(characters.lstrip(" "))
        characters = characters.strip(" ")
        if not characters:
            continue
        # Wide characters are as wide as two others, whatever their font says.
        places = range(column, column + 2 * len(characters), 2) if cells == 2 else [column]
        style = ' class="w"' if cells == 2 else ""
        style += f' style="{screen.style(codes).replace("color:", "fill:")}"' if codes else ""
        spans.append(f'<tspan x="{" ".join(f"{CELL * place:.4g}" for place in places)}"{style}>{html.escape(characters)}</tspan>')
    return f'<text y="{LINE * number + 14}">{"".join(spans)}</text>' if spans else ""


def draw(pieces: list[tuple[float, str]], seconds: float, columns: int, height: int, title: str) -> str:
    """Returns the recording of a terminal as an SVG. `seconds` is its length."""
    terminal, timeline = screen.Screen(columns, height), Timeline(seconds)
    shown: dict[int, tuple[float, list]] = {}
    scrolls, cursors, lines = [], [], []

    def close(number: int, end: float | None) -> None:
        start, runs = shown.pop(number)
        if drawn := text(number, runs):
            lines.append((timeline.shown(start, end), drawn))

    for second, piece in frames(pieces):
        terminal.feed(piece)
        for number in range(len(terminal.rows)):
            runs = terminal.runs(number)
            if number in shown and shown[number][1] != runs:
                close(number, second)
            shown.setdefault(number, (second, runs))
        second = 0 if not scrolls else second
        column = min(terminal.column, columns - 1)
        scrolls.append((second, f"translateY({-LINE * terminal.top}px)"))
        cursors.append((second, f"translate({CELL * column:.4g}px,{LINE * terminal.row}px)"))
    for number in list(shown):
        close(number, None)
    for name, moves in (("scroll", scrolls), ("cursor", cursors)):
        timeline.moved(name, [move for before, move in zip([None, *moves], moves) if before is None or before[1] != move[1]])
    groups: dict[str, list[str]] = {}
    for name, drawn in lines:
        groups.setdefault(name, []).append(drawn)
    body = "".join(f'<g class="{name}">{"".join(drawn)}</g>\n' for name, drawn in groups.items())
    inner_width, inner_height = round(CELL * columns) + 1, LINE * height
    head = HEAD.format(
        width=inner_width + 2 * PADDING, height=inner_height + 2 * PADDING, title=html.escape(title), fonts=FONTS, ink=screen.INK,
        seconds=seconds, rules="\n".join(timeline.rules), paper=screen.PAPER, padding=PADDING, inner_width=inner_width,
        inner_height=inner_height,
    )
    cursor = f'<rect class="f cursor" width="{CELL}" height="{LINE - 2}" y="1" fill="{screen.INK}" opacity=".6"/>'
    return head + body + cursor + "\n</g>\n</svg>\n</svg>\n"
