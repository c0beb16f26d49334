"""Charts as SVG. They are hidden from screen readers, which read the same figures in tables."""

from collections.abc import Sequence

from markupsafe import Markup

HEIGHT, LABEL_HEIGHT = 70, 14
"""The heights of the tallest column and of the labels below."""

MIN_WIDTH = 240
"""The width of a chart with few columns, which would be very broad otherwise."""

LABEL_DISTANCE = 18
"""The distance between the middles of two labels, at least: the width of a year and a gap."""

MAX_LABELS = 20
"""The labels of a chart with many columns."""


def columns(values: Sequence[tuple[str, float]]) -> Markup:
    """A chart with a column for each value, and below it its label if there is room. The values are not
    negative.
    """
    width = 20 if len(values) <= 12 else 12
    most = max((value for _, value in values), default=0) or 1
    distance = max(LABEL_DISTANCE, len(values) * width // MAX_LABELS + 1)
    parts = [
        Markup('<rect x="{}" y="{:.1f}" width="{}" height="{:.1f}"/>').format(
            number * width + 2, HEIGHT * (1 - value / most), width - 4, HEIGHT * value / most + 1
        )
        for number, (_, value) in enumerate(values)
    ]
    labels, free = list[Markup](), 0
    for number, (label, _) in enumerate(values):
        middle = number * width + width // 2
        if label and middle >= free:
            labels.append(
                Markup('<text x="{}" y="{}">{}</text>').format(middle, HEIGHT + LABEL_HEIGHT - 3, label)
            )
            free = middle + distance
    box = Markup('<svg class="columns" viewBox="0 0 {} {}" aria-hidden="true" focusable="false">').format(
        max(len(values) * width, MIN_WIDTH), HEIGHT + LABEL_HEIGHT
    )
    return box + Markup().join([*parts, *labels]) + Markup("</svg>")


def bar(value: float, most: float) -> Markup:
    """A horizontal bar that is as long as the share of a value in the largest one."""
    return Markup(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"'
        ' focusable="false"><rect width="{:.1f}" height="10"/></svg>'
    ).format(100 * value / most if most else 0)
