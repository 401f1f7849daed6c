"""`fetch`: data sets from the internet, checked; and what is known of those that are here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TextColumn

from core.cli.output import DataDirOption, JsonOption, error_stream, one_line_errors, print_json
from core.cli.progress import BAR
from core.data.datasets import (
    DIGITS,
    SPLITS,
    DatasetStatus,
    check_dataset,
    get_dataset,
    load_split,
)
from core.data.datasets import data_dir as find_data_dir
from core.data.download import download_dataset
from core.errors import DataError


@one_line_errors
def fetch(
    datasets: Annotated[list[str], typer.Argument(help="Such as mnist or kmnist.")],
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Download data sets, or what of them is missing or damaged, and check them."""
    root = find_data_dir(data_dir)
    found = []
    for info in [get_dataset(name) for name in dict.fromkeys(datasets)]:
        download(info.key, root)
        status = read_status(info.key, root)
        if not status.present:
            raise DataError(str(status.reason))
        found.append(status)
    if as_json:
        print_json({"datasets": [dataset_entry(status) for status in found]})
        return
    for status in found:
        always = ", always: nothing to download" if status.key == DIGITS else ""
        print(f"{status.key} is in {status.path}{always}")


def download(key: str, root: Path) -> None:
    """Fetches what is missing or damaged, with progress on standard error."""
    console = Console(file=error_stream())
    with Progress(TextColumn("{task.description}"), *BAR, DownloadColumn(), console=console) as bar:
        task = bar.add_task(f"downloading {key} into {root}", total=None, visible=False)
        download_dataset(
            *(key, root),
            lambda done, total: bar.update(task, completed=done, total=total, visible=True),
        )


def read_status(key: str, root: Path) -> DatasetStatus:
    """Whether a data set is here and, all of it having been read, whole."""
    status = check_dataset(key, root)
    try:
        for split in SPLITS if status.present else ():
            load_split(key, root, split)
    except DataError as error:
        return replace(status, present=False, damaged=True, reason=str(error))
    return status


def dataset_entry(status: DatasetStatus) -> dict:
    """What a document says of a data set."""
    about = {"present": status.present, "damaged": status.damaged}
    return {"name": status.key, **about, "path": str(status.path)}
