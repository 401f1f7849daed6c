"""Foreign text in Markdown."""

import pytest

from ui.markdown import literal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Free space: now, 3.5 % (once).", "Free space: now, 3.5 % (once)."),
        ("Net.__init__()", r"Net.\_\_init\_\_()"),
        (":red[*x*] $y$ <b>", r"\:red\[\*x\*\] \$y\$ \<b\>"),
        (r"C:\runs", r"C\:\\runs"),
    ],
)
def test_nothing_in_a_text_is_taken_for_markup(text, shown):
    assert literal(text) == shown
