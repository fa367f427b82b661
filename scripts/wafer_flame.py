#!/usr/bin/env python3
"""Draws folded stacks as a flame graph: one SVG file that needs nothing else.

Usage: wafer_flame.py [FILE.folded] > FILE.svg

The outermost function is at the bottom; a function is as wide as the samples in which it was
running or waiting for what it called. The mouse shows names and shares, a click enlarges a
function to the full width, and a click on the lowest bar goes back.
"""
import re
import sys
import xml.sax.saxutils

WIDTH = 1200
ROW = 18
TOP = 46
MARGIN = 10
CHARACTER = 7.0   # width of a letter of the font below
NARROWEST = 0.3   # nothing is drawn below this width
WASM_NAME = re.compile(r"^wasm\.\d+\.(.+)$")

STYLE = """text{font:12px monospace;pointer-events:none;fill:#111}
rect{stroke:#fff;stroke-width:.5}g:hover rect{stroke:#000}.title{font:bold 15px sans-serif}"""

# x and w of each bar stand in its attributes; zooming only rescales them.
SCRIPT = """
var W=%(width)d,M=%(margin)d,C=%(character)s;
function draw(x0,w0){document.querySelectorAll('g[data-w]').forEach(function(g){
var x=+g.dataset.x,w=+g.dataset.w,a=Math.max(x,x0),b=Math.min(x+w,x0+w0),s=(W-2*M)/w0;
g.style.display=b-a>1e-9&&(b-a)*s>%(narrowest)s?'':'none';if(g.style.display)return;
var r=g.querySelector('rect'),t=g.querySelector('text'),n=g.dataset.n,px=(b-a)*s;
r.setAttribute('x',M+(a-x0)*s);r.setAttribute('width',px);t.setAttribute('x',M+(a-x0)*s+3);
var k=Math.floor((px-6)/C);t.textContent=k<3?'':n.length<=k?n:n.slice(0,k-1)+'\\u2026';});}
document.addEventListener('click',function(e){var g=e.target.closest('g[data-w]');
if(g)draw(+g.dataset.x,+g.dataset.w);});"""


class Frame:
    """A function in one place of the tree, with the samples that passed through it."""

    def __init__(self, name):
        self.name = name
        self.count = 0
        self.callees = {}

    def callee(self, name):
        return self.callees.setdefault(name, Frame(name))


def parse(lines):
    """(tree, idle, lost) of folded stacks: outer;inner COUNT."""
    root = Frame("all")
    apart = {"idle": 0, "lost": 0}
    for line in lines:
        stack, _, count = line.strip().rpartition(" ")
        if not stack or not count.isdigit():
            continue
        if stack in apart:
            apart[stack] += int(count)
            continue
        root.count += int(count)
        frame = root
        for name in stack.split(";"):
            frame = frame.callee(name)
            frame.count += int(count)
    return root, apart["idle"], apart["lost"]


def depth(frame):
    """Rows that the tree needs, without recursion: stacks may be deep."""
    deepest, level = 0, [frame]
    while level:
        deepest += 1
        level = [callee for each in level for callee in each.callees.values()]
    return deepest


def colour(name):
    """Wasm functions are warm, the kernel is blue; a name always has the same shade."""
    shade = sum(ord(letter) * (place % 7 + 1) for place, letter in enumerate(name)) % 50
    if WASM_NAME.match(name):
        return f"rgb({215 + shade % 40},{110 + 2 * shade},{60 + shade})"
    return f"rgb({110 + shade},{160 + shade},{225 + shade % 30})"


def plain(name):
    match = WASM_NAME.match(name)
    return match.group(1) if match else name


def fit(name, width):
    room = int((width - 6) / CHARACTER)
    if room < 3:
        return ""
    return name if len(name) <= room else name[:room - 1] + "\u2026"


def bar(frame, x, level, height, total):
    """One function: a box, its name as far as it fits, and a title."""
    scale = (WIDTH - 2 * MARGIN) / total
    left, width = MARGIN + x * scale, frame.count * scale
    y = height - MARGIN - (level + 1) * ROW
    name = plain(frame.name)
    escaped = xml.sax.saxutils.escape(name)
    attribute = xml.sax.saxutils.quoteattr(name)
    return (f'<g data-x="{x}" data-w="{frame.count}" data-n={attribute}>'
            f"<title>{escaped}: {frame.count} samples, {100 * frame.count / total:.1f} %</title>"
            f'<rect x="{left:.2f}" y="{y}" width="{width:.2f}" height="{ROW - 1}" rx="1" '
            f'fill="{colour(frame.name)}"/><text x="{left + 3:.2f}" y="{y + 13}">'
            f"{xml.sax.saxutils.escape(fit(name, width))}</text></g>")


def draw(lines, title):
    """The SVG of folded stacks."""
    root, idle, lost = parse(lines)
    total = max(root.count, 1)
    height = TOP + depth(root) * ROW + MARGIN
    bars, level, row = [], [(root, 0)], 0
    while level:
        above = []
        for frame, x in level:
            if frame.count * (WIDTH - 2 * MARGIN) / total < NARROWEST:
                continue
            bars.append(bar(frame, x, row, height, total))
            for name in sorted(frame.callees):
                above.append((frame.callees[name], x))
                x += frame.callees[name].count
        level, row = above, row + 1
    share = 100 * idle / max(root.count + idle, 1)
    subtitle = f"{root.count} samples at work; idle in {share:.0f} % of all"
    subtitle += f"; {lost} lost" if lost else ""
    script = SCRIPT % {"width": WIDTH, "margin": MARGIN, "character": CHARACTER,
                       "narrowest": NARROWEST}
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}"><style>{STYLE}</style>'
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
            f'<text class="title" x="{MARGIN}" y="20">{xml.sax.saxutils.escape(title)}</text>'
            f'<text x="{MARGIN}" y="38">{subtitle}. Orange: WebAssembly, blue: kernel.</text>'
            + "\n".join(bars) + f"\n<script>{xml.sax.saxutils.escape(script)}</script></svg>\n")


def main(arguments):
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        sys.stderr.write(__doc__)
        return 2
    source = open(arguments[0], encoding="utf-8", errors="replace") if arguments else sys.stdin
    with source:
        sys.stdout.write(draw(source, arguments[0] if arguments else "flame graph"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
