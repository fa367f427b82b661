#!/usr/bin/env python3
"""Draws the table of bench/http.py (CSV) as small bar charts in one SVG.

Usage: bench/chart.py TABLE.csv OUTPUT.svg
"""
import csv
import sys
from html import escape

PANELS = [  # figure in the table, or several to add; title; whether less is better
    (["instructions/request, 64 open"], "Guest instructions a request, 64 connections", True),
    (["instructions/request, 64 active of 10,000 open"],
     "Guest instructions a request, 64 active of 10,000", True),
    (["notifications/request, 64 open", "interrupts/request, 64 open"],
     "Notifications + interrupts a request", True),
    (["instructions/KiB, 1 MiB file"], "Guest instructions a KiB, 1 MiB file", True),
    (["wrk -t16 -c800: requests/s"], "Requests/s, 800 connections", False),
    (["wrk -t2 -c64: p99 ms"], "p99 latency in ms, 64 connections", True),
]
COLUMNS, PANEL_WIDTH, BAR, GAP = 2, 440, 16, 6
LABEL_WIDTH, VALUE_WIDTH, TITLE_HEIGHT, MARGIN = 158, 58, 30, 16
WAFER, OTHER = "#2a6f97", "#b7b7b7"


def number(value):
    return f"{value:,.{2 if value < 1 else 1 if value < 10 else 0}f}"


def scale_end(values):
    """The value at the end of the axis: a single one far above the others does not set it."""
    *others, largest = sorted(values) or [1]
    return others[-1] * 1.15 if others and largest > 2.5 * others[-1] > 0 else largest or 1


def text(x, y, content, size=12, anchor="start", weight="normal"):
    return (f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(content)}</text>')


def panel(x, y, title, less_is_better, bars):
    """One chart; bars are (label, value or None)."""
    parts = [text(x, y + 14, title, 13, weight="bold"),
             text(x + PANEL_WIDTH - MARGIN, y + 14,
                  "less is better" if less_is_better else "more is better", 10, "end")]
    end = scale_end([value for _, value in bars if value is not None])
    for index, (label, value) in enumerate(bars):
        top = y + TITLE_HEIGHT + index * (BAR + GAP)
        parts.append(text(x + LABEL_WIDTH - 6, top + BAR - 4, label, 11, "end"))
        if value is None:
            parts.append(text(x + LABEL_WIDTH + 4, top + BAR - 4, "not measured", 10))
            continue
        full = PANEL_WIDTH - LABEL_WIDTH - VALUE_WIDTH - MARGIN
        width = max(1.0, min(value / end, 1) * full)
        colour = WAFER if label.endswith("on Wafer") else OTHER
        parts.append(f'<rect x="{x + LABEL_WIDTH:g}" y="{top}" width="{width:.1f}" '
                     f'height="{BAR}" fill="{colour}"/>')
        if value > end:  # the bar is cut
            cut = x + LABEL_WIDTH + full - 16
            parts.append(f'<path d="M{cut:g} {top + BAR} l4 {-BAR} h4 l-4 {BAR} z" fill="#fff"/>')
        parts.append(text(x + LABEL_WIDTH + width + 4, top + BAR - 4, number(value), 11))
    return parts


def draw(table, output):
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    names = rows[0][1:]
    figures = {row[0]: [float(cell) if cell else None for cell in row[1:]] for row in rows[1:]}
    panels = [(title, less, [figures[name] for name in wanted])
              for wanted, title, less in PANELS if all(name in figures for name in wanted)]
    height = TITLE_HEIGHT + len(names) * (BAR + GAP) + 18
    total_width = COLUMNS * PANEL_WIDTH + MARGIN
    total_height = (len(panels) + COLUMNS - 1) // COLUMNS * height + MARGIN
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total_width} {total_height}" '
             f'width="{total_width}" height="{total_height}" '
             'font-family="Helvetica, Arial, sans-serif" fill="#222">',
             '<rect width="100%" height="100%" fill="#fff"/>']
    for index, (title, less, series) in enumerate(panels):
        sums = [None if None in values else sum(values) for values in zip(*series)]
        parts += panel(MARGIN + index % COLUMNS * PANEL_WIDTH,
                       MARGIN + index // COLUMNS * height, title, less, list(zip(names, sums)))
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join([*parts, "</svg>", ""]))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    draw(sys.argv[1], sys.argv[2])
