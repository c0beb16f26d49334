"""Charts: columns in proportion, few labels, and texts that stay texts."""

import re
from itertools import pairwise

from entrypoints.web.charts import HEIGHT, MAX_LABELS, MIN_WIDTH, bar, columns


def test_the_height_of_a_column_is_its_share_of_the_largest_value() -> None:
    heights = [
        float(text) for text in re.findall(r'height="([0-9.]+)"/>', columns([("a", 2), ("b", 1), ("c", 0)]))
    ]
    assert heights == [HEIGHT + 1, HEIGHT / 2 + 1, 1]
    assert f'viewBox="0 0 {MIN_WIDTH} ' in columns([])
    assert 'height="1.0"/>' in columns([("a", 0)])


def test_many_columns_have_few_labels_and_an_empty_one_has_none() -> None:
    assert columns([(str(number), 1) for number in range(139)]).count("<text") <= MAX_LABELS
    assert columns([("a", 1), ("", 1)]).count("<text") == 1


def test_labels_do_not_touch() -> None:
    for amount in (3, 12, 13, 17, 40, 139):
        chart = columns([(f"’{number % 100:02}", 1) for number in range(amount)])
        places = [int(text) for text in re.findall(r'<text x="(\d+)"', chart)]
        assert all(after - before >= 18 for before, after in pairwise(places))
    assert columns([("Jan", 1)] * 12).count("<text") == 12


def test_a_label_is_escaped() -> None:
    assert "<text" in columns([("<b>", 1)])
    assert "&lt;b&gt;" in columns([("<b>", 1)])


def test_a_bar_is_as_long_as_the_share_of_its_value() -> None:
    assert 'width="50.0"' in bar(2, 4)
    assert 'width="0.0"' in bar(0, 0)
