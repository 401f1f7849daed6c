"""Text that may come from anywhere, for widgets that read Markdown. No streamlit."""

from __future__ import annotations

import re

MARKS = re.compile(r"[\\`*_\[\]#|~$<>&]|:(?=\w)")


def escape(text: str) -> str:
    """`text` as Markdown shows it letter by letter."""
    return MARKS.sub(r"\\\g<0>", text)
