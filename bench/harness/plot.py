"""Line plots as SVG, written directly. Axes are linear or logarithmic; a logarithmic one wants
values above zero."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 78, 190, 44, 54
COLOURS = ("#0b6e99", "#c1440e", "#3a7d44", "#8a4fb0", "#b8860b", "#555555")


class Axis:
    def __init__(self, values, start, end, logarithmic, from_zero):
        self.start, self.end, self.logarithmic = start, end, logarithmic
        low, high = min(values), max(values)
        if logarithmic:
            self.low, self.high = low, max(high, low * 1.01)
        else:
            self.low = min(0, low) if from_zero else low
            self.high = high * 1.05 if high > self.low else self.low + 1

    def place(self, value):
        if self.logarithmic:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self):
        return log_ticks(self.low, self.high) if self.logarithmic else even_ticks(self.low,
                                                                                  self.high)


def even_ticks(low, high):
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (step * m) <= 6)
    first = math.ceil(low / step)
    return [first * step + i * step for i in range(int((high - first * step) / step) + 1)]


def log_ticks(low, high):
    decades = [10 ** e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    inside = [d for d in decades if low <= d <= high]
    return inside if len(inside) >= 2 else [low, high]


def short(value):
    for size, letter in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def lines(path, title, x_label, y_label, series, x_log=False, y_log=False, x_ticks=None,
          marks=(), dots=True):
    """series: [(name, [(x, y), …]), …]; marks: [(x, text), …] are vertical lines."""
    points = [p for _, data in series for p in data]
    x = Axis([p[0] for p in points], LEFT, WIDTH - RIGHT, x_log, False)
    y = Axis([p[1] for p in points], HEIGHT - BOTTOM, TOP, y_log, True)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
             f'viewBox="0 0 {WIDTH} {HEIGHT}" '
             f'font-family="sans-serif" font-size="12" fill="#222">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
             text(LEFT, 24, title, size=15)]
    parts += grid(x, y, x_ticks or x.ticks())
    parts += labels(x_label, y_label)
    parts += [mark(x.place(at), words) for at, words in marks]
    for i, (name, data) in enumerate(series):
        parts += curve(x, y, data, COLOURS[i % len(COLOURS)], dots)
        parts += legend(i, name, COLOURS[i % len(COLOURS)])
    path.write_text("\n".join(parts + ["</svg>", ""]), encoding="utf-8")


def text(x, y, words, size=12, anchor="start", more=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{more}>'
            f"{escape(words)}</text>")


def line(x1, y1, x2, y2, colour, more=""):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"'
            f"{more}/>")


def grid(x, y, x_ticks):
    parts = []
    for tick in y.ticks():
        at = y.place(tick)
        parts += [line(LEFT, at, WIDTH - RIGHT, at, "#e4e4e4"),
                  text(LEFT - 8, at + 4, short(tick), anchor="end")]
    for tick in x_ticks:
        at = x.place(tick)
        parts += [line(at, TOP, at, HEIGHT - BOTTOM, "#f0f0f0"),
                  text(at, HEIGHT - BOTTOM + 18, short(tick), anchor="middle")]
    return parts + [line(LEFT, TOP, LEFT, HEIGHT - BOTTOM, "#888"),
                    line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "#888")]


def labels(x_label, y_label):
    middle = (TOP + HEIGHT - BOTTOM) / 2
    return [text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_label, anchor="middle"),
            text(18, middle, y_label, anchor="middle", more=f' transform="rotate(-90 18 {middle})"')]


def mark(at, words):
    return (line(at, TOP, at, HEIGHT - BOTTOM, "#c00", ' stroke-dasharray="4 3"') +
            text(at + 5, TOP + 12, words, size=11, more=' fill="#c00"'))


def curve(x, y, data, colour, dots):
    places = [(x.place(a), y.place(b)) for a, b in data]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>']
    if dots:
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places]
    return parts


def legend(i, name, colour):
    x, y = WIDTH - RIGHT + 14, TOP + 10 + i * 20
    return [line(x, y - 4, x + 18, y - 4, colour, ' stroke-width="3"'), text(x + 24, y, name)]
