"""Labels by file names and by tables: what counts, what does not, and what is refused."""

from __future__ import annotations

import pandas as pd
import pytest

from core.data.labels import (
    FILE_COLUMNS,
    LABEL_COLUMNS,
    MAX_TABLE_BYTES,
    labels_from_names,
    labels_from_table,
)
from core.errors import LabelError

# Names


@pytest.mark.parametrize(
    ("name", "label"),
    [
        *[("7.png", 7), ("0.JPEG", 0), ("7", 7)],
        *[("photo_7.png", 7), ("mnist-12-3.webp", 3), ("_9.gif", 9), ("a b_c-4.tiff", 4)],
        *[("7/photo.png", 7), ("set/7/img_0012.png", 7), ("C:\\digits\\7\\a.png", 7)],
        *[("7/photo_7.png", 7), ("two\nlines_7.png", 7), ("../../etc/8", 8)],
        *[("photo.png", None), ("photo7.png", None), ("7a.png", None), ("", None)],
        *[("12.png", None), ("img_0007.png", None), ("photo 7.png", None), ("7 (1).png", None)],
        *[("7/x/photo.png", None), ("77/photo.png", None), ("7/photo_3.png", None)],
        *[("٣.png", None), ("²_².png", None), ("-3.5", None), ("a\0b.png", None)],
    ],
)
def test_what_a_name_tells(name, label):
    assert labels_from_names([name]) == [label]


def test_numbers_that_count_are_no_labels():
    names = ["scan_7.png", "scan_12.png", "digit_7.png", "a/scan_7.png", "3.png", "11.png"]
    assert labels_from_names(names) == [None, None, 7, 7, None, None]


def test_a_folder_tells_though_its_names_count():
    assert labels_from_names(["5/scan_7.png", "5/scan_12.png"]) == [5, 5]


def test_ten_digits_are_ten_labels():
    assert labels_from_names([f"digit_{n}.png" for n in range(10)]) == list(range(10))
    assert labels_from_names([]) == []


# Tables


def refused(table: bytes | pd.DataFrame) -> str:
    with pytest.raises(LabelError) as error:
        labels_from_table(table)
    text = str(error.value)
    assert "\n" not in text and text.endswith(".") and len(text) < 300
    assert error.value.exit_status == 1
    return text


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_tables_as_programs_write_them(delimiter, end, mark):
    rows = [["note", " File ", "Label"], ["x", '"a, b;.png"', "7"], ["", "c.png", " 3.0 "]]
    table = mark + end.join(delimiter.join(row) for row in rows)
    assert labels_from_table(table.encode()) == {"a, b;.png": 7, "c.png": 3}


def test_rows_without_a_label_are_left_out():
    assert labels_from_table(b"file,label\na.png,\n\nb.png\nc.png,0\n") == {"c.png": 0}
    frame = pd.DataFrame({"name": ["a", "b", "c"], "digit": [1.0, float("nan"), 9.0]})
    assert labels_from_table(frame) == {"a": 1, "c": 9}


@pytest.mark.parametrize("file", FILE_COLUMNS)
@pytest.mark.parametrize("label", LABEL_COLUMNS)
def test_columns_by_their_names(file, label):
    assert labels_from_table(pd.DataFrame({label: [4], file: ["a"]})) == {"a": 4}


def test_classes_may_be_named():
    names = ("T-shirt/top", "Trouser", "Bag")
    table = b"file,label\na,Bag\nb,1\n"
    assert labels_from_table(table, names) == {"a": 2, "b": 1}
    assert "Row 2" in refused(table)


def test_the_same_label_twice_is_no_contradiction():
    assert labels_from_table(b"file,label\na,1\na,1\n") == {"a": 1}
    assert "Row 3" in refused(b"file,label\na,1\na,2\n")


@pytest.mark.parametrize("label", ["10", "-1", "7.5", "seven", "nan", "1e0", "٣", "9" * 5000])
def test_what_is_no_class_is_refused(label):
    assert "Row 3" in refused(f"file,label\na,1\nb,{label}\n".encode())


@pytest.mark.parametrize(
    ("table", "word"),
    [
        (b"", "no table"),
        (b"\xff\xfe\x00", "no table"),
        (b"\x89PNG\r\n\x1a\n", "no table"),
        (b'file,label\n"' + b"a" * 200_000, "no table"),
        (b"file,label\n,3\n", "no file name"),
        (b"picture,label\na,3\n", "no column 'file'"),
        (b"file,number\na,3\n", "no column 'label'"),
        (b" " * (MAX_TABLE_BYTES + 1), "larger than 2 MB"),
        (pd.DataFrame(), "no column 'file'"),
    ],
)
def test_what_is_no_table_is_refused(table, word):
    assert word in refused(table)
