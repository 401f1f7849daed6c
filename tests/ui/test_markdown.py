"""What somebody typed, or a file is called, is shown as it is."""

from __future__ import annotations

import pytest

from ui.markdown import escape


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("Job 1: 98.20 %, seeds 1-3 (5 epochs).", "Job 1: 98.20 %, seeds 1-3 (5 epochs)."),
        ("![x](y)", r"!\[x\](y)"),
        ("*a* __b__ `c` $d$ ~e~", r"\*a\* \_\_b\_\_ \`c\` \$d\$ \~e\~"),
        (":red[a] :material/x: :tada:", r"\:red\[a\] \:material/x: \:tada:"),
        (r"<b> &lt; C:\x", r"\<b\> \&lt; C:\\x"),
    ],
)
def test_only_what_markdown_would_change_is_escaped(text, escaped):
    assert escape(text) == escaped
