"""Pictures of where processor time goes: samples of stacks become an SVG of nested bars."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape

WIDTH, BAR, MARGIN = 1200, 17, 30
#: What is narrower than this share of the whole is left out, and how deep bars are stacked.
THINNEST, DEEPEST = 0.004, 40
_COLOURS = ("#d9c7a3", "#c9d6b0", "#e0b89a", "#b7cbd8", "#d8b7c5", "#c5c2e0")
_PLACE = re.compile(r"^(?P<name>.+) \((?P<file>[^():]+)(?::\d+)?\)$")
_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
    'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>'
    '<text x="6" y="19" font-size="14">{title}</text>'
)


@dataclass(slots=True)
class Bar:
    """A frame, with how often it or what it called was seen."""

    samples: int = 0
    within: dict[str, "Bar"] = field(default_factory=dict)


def grown(stacks: Mapping[str, int]) -> Bar:
    """Return the bars of stacks, outermost frames first; lines of one function are one bar."""
    root = Bar()
    for stack, samples in stacks.items():
        bar = root
        bar.samples += samples
        for frame in map(_shortened, stack.split(";")):
            bar = bar.within.setdefault(frame, Bar())
            bar.samples += samples
    return root


def picture(title: str, stacks: Mapping[str, int]) -> str:
    """Return the SVG; the outermost bars stand on top."""
    root = grown(stacks)
    boxes = list(_boxes(root, 0.0, 0, root.samples or 1))
    depth = max((level for _, _, level, _, _ in boxes), default=0)
    height = MARGIN + (depth + 1) * BAR + 6
    parts = [_HEAD.format(width=WIDTH, height=height, title=escape(title))]
    parts += [_drawn(*box, total=root.samples or 1) for box in boxes]
    return "\n".join([*parts, "</svg>", ""])


def _boxes(
    bar: Bar, left: float, level: int, total: int
) -> Iterator[tuple[str, float, int, int, int]]:
    """Yield name, left edge, level, samples and a number for the colour of each bar below one."""
    for number, (name, child) in enumerate(
        sorted(bar.within.items(), key=lambda item: -item[1].samples)
    ):
        if child.samples / total >= THINNEST and level < DEEPEST:
            yield name, left, level, child.samples, number + level
            yield from _boxes(child, left, level + 1, total)
        left += child.samples * WIDTH / total


def _drawn(name: str, left: float, level: int, samples: int, colour: int, *, total: int) -> str:
    wide, top = samples * WIDTH / total, MARGIN + level * BAR
    letters = int(wide / 6.2)
    shown = name if len(name) <= letters else name[: letters - 1] + "…" if letters > 3 else ""
    text = f'<text x="{left + 3:.1f}" y="{top + 12}">{escape(shown)}</text>' if shown else ""
    fill = _COLOURS[colour % len(_COLOURS)]
    return (
        f'<g><title>{escape(name)}: {samples / total:.1%}</title><rect x="{left:.1f}" y="{top}" '
        f'width="{max(wide - 0.5, 0.5):.1f}" height="{BAR - 1}" fill="{fill}"/>{text}</g>'
    )


def _shortened(frame: str) -> str:
    """Return a frame as function and file, without the line and what stands before the package."""
    found = _PLACE.match(frame)
    if not found:
        return frame
    file = found["file"].rpartition("site-packages/")[2]
    return f"{found['name']} ({'/'.join(file.split('/')[-3:])})"
