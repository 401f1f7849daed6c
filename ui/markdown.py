"""Text that a person or the system wrote, for where Markdown is shown. No streamlit."""

from __future__ import annotations

import re


def literal(text: str) -> str:
    """`text` with nothing in it that Markdown would change."""
    return re.sub(r"([\\`*_\[\]#|~$<>]|:(?=\S))", r"\\\1", text)
