"""Several exported runs as one file, and such a file taken apart again. No streamlit.

The bundle is a zip archive that holds exported runs as they are, without compressing them again.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

from core.errors import RunError
from core.training.archive import DAMAGE, FIRST_DATE, MAX_ARCHIVE_BYTES, export_run
from ui.runs_data import Entry

ENDING = ".zip"
MAX_RUNS = 200


def export_several(entries: Sequence[Entry]) -> bytes:
    """A bundle of the runs' files; `RunError` names the first that is not finished and whole."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as bundle:
        for entry in entries:
            info = zipfile.ZipInfo(entry.file_name + ENDING, FIRST_DATE)
            info.external_attr = 0o644 << 16
            bundle.writestr(info, export_run(entry.run))
    return buffer.getvalue()


def unpack(name: str, content: bytes) -> list[tuple[str, bytes]]:
    """(name, content) of each exported run in a file: of all in a bundle, else the file itself.

    What is in it is judged by `import_run`. `RunError` for a bundle that claims more than it is.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as bundle:
            members = bundle.infolist()
            if not members or not all(one.filename.endswith(ENDING) for one in members):
                return [(name, content)]
            _check_bundle(members, len(content))
            return [(one.filename, bundle.read(one)) for one in members]
    except DAMAGE:
        return [(name, content)]


def _check_bundle(members: Sequence[zipfile.ZipInfo], size: int) -> None:
    """Nothing in it may be larger than what is there: that would be a bomb."""
    if len(members) > MAX_RUNS:
        raise RunError(f"The file holds {len(members)} runs, more than {MAX_RUNS}")
    stored = all(one.compress_type == zipfile.ZIP_STORED for one in members)
    if not stored or sum(one.file_size for one in members) > size:
        raise RunError("The file is no bundle of exported runs: what it holds is compressed again")
    if any(one.file_size > MAX_ARCHIVE_BYTES for one in members):
        raise RunError(f"The file holds one of more than {MAX_ARCHIVE_BYTES} bytes")
