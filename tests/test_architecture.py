"""The import rule: data flow one way, and no part loads or does what it need not."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
ROOMS = (
    "core.errors",
    "core.config",
    "core.device",
    "core.data",
    "core.model",
    "core.training",
    "core.published",
    "core.analysis",
    "core.cli",
    "core.__main__",
    "ui",
    "pages",
    "streamlit_app",
)
"""Each may import from itself and from those before it."""

INTERFACE = ("ui", "pages", "streamlit_app")
TORCH_FREE = (
    *("core.config", "core.errors", "core.published", "core.training.runs"),
    *("core.training.storage", "core.training.insights"),
    *("core.training.jobs", "core.training.job", "core.training.request", "core.training.manage"),
    *("core.training.archive", "core.training.waiting", "core.training.estimate"),
    *("core.analysis.metrics", "core.analysis.significance", "core.analysis.resolution_sentence"),
    *("core.analysis.methods", "core.analysis.target", "core.analysis.baselines"),
    *("core.analysis.transplant_matrix", "core.analysis.flow_table"),
    *("core.analysis.derived", "core.analysis.robustness", "core.analysis.robustness_table"),
    *("core.data.datasets", "core.data.image_gate", "core.data.preprocess"),
    *("core.data.corruptions", "core.analysis.by_hand", "core.analysis.by_hand_table"),
    *("core.analysis.by_hand_changes", "core.analysis.by_hand_example"),
    *("ui.charts", "ui.images", "ui.resources", "ui.sidebar"),
)
TORCH_FREE_PAGES = (
    "streamlit_app",
    *("pages.overview", "pages.curves", "pages.failures", "pages.explain"),
    *("pages.nuisance", "pages.batch_mates", "pages.transplants", "pages.inside"),
    "pages.normalization",
    "pages.predict",
    "pages.runs",
)


def module_name(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {
    module_name(path): path
    for folder in ("core", "ui", "pages")
    for path in sorted((REPOSITORY / folder).rglob("*.py"))
} | {"streamlit_app": REPOSITORY / "streamlit_app.py"}


@cache
def imports_of(source: str, at_import_only: bool = False) -> tuple[str, ...]:
    """Modules that `source` imports, anywhere or only when it is imported itself."""
    return tuple(_imports_of(source, at_import_only))


def _imports_of(source: str, at_import_only: bool) -> Iterator[str]:
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            # `from ui import state` may name a module or what is in one.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield ast.literal_eval(node.args[0])
        lazy = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if not (at_import_only and (lazy or typing)):
            waiting.extend(ast.iter_child_nodes(node))


def room_of(module: str) -> int | None:
    """The position of its room; None if it is not ours."""
    for position, room in enumerate(ROOMS):
        if module == room or module.startswith(f"{room}."):
            return position
    return None


def violations(module: str, source: str) -> list[str]:
    """What `module` imports from rooms behind its own."""
    own = room_of(module)
    assert own is not None, f"{module} lies in no room"
    return [name for name in imports_of(source) if (room_of(name) or 0) > own]


def test_a_file_imports_only_from_rooms_before_its_own():
    found = {
        module: violations(module, path.read_text())
        for module, path in SOURCES.items()
        if module != "core"
    }
    assert {module: names for module, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import ui.state",
        "from ui import state",
        "from core.training import runs",
        "from core.training.runs import Run",
        "def later():\n    from core.analysis import metrics",
        "if TYPE_CHECKING:\n    import pages.curves",
        "import importlib\nimportlib.import_module('core.cli.output')",
    ],
)
def test_the_rule_would_notice(source):
    assert len(violations("core.model.network", source)) == 1
    assert violations("pages.curves", source) == []


def imports_package(module: str, *packages: str) -> list[str]:
    return [
        name for name in imports_of(SOURCES[module].read_text()) if name.split(".")[0] in packages
    ]


def test_the_interface_is_confined():
    core = [module for module in SOURCES if not module.startswith(INTERFACE)]
    pure = [module for module in SOURCES if module.startswith(("ui.charts", "ui.images"))]
    assert len(core) > 100 and len(pure) > 10
    of_interface = ("streamlit", "altair", "ui", "pages", "streamlit_app")
    assert {m: names for m in core if (names := imports_package(m, *of_interface))} == {}
    assert {m: names for m in pure if (names := imports_package(m, "streamlit"))} == {}


def test_only_one_file_imports_torchvision_and_none_unpickles():
    users = [m for m in SOURCES if imports_package(m, "torchvision")]
    assert users == ["core.data.download"]
    for module, path in SOURCES.items():
        assert imports_package(module, "pickle", "joblib", "dill") == [], module
        calls = (
            node.func
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call)
        )
        assert "torch.load" not in {ast.unparse(call) for call in calls}, module


def loaded_by(module: str) -> set[str]:
    """Everything, ours or not, that importing `module` imports, by the source text."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        # `from core.config import Variant` names what is in a module.
        source = name if name in SOURCES else name.rpartition(".")[0]
        if source in SOURCES and source not in seen:
            waiting.extend(imports_of(SOURCES[source].read_text(), at_import_only=True))
        seen |= {name, source}
    return seen


@pytest.mark.parametrize("module", TORCH_FREE_PAGES)
def test_the_first_pages_do_not_import_torch(module):
    names = loaded_by(module)
    assert not {name for name in names if name.split(".")[0] in ("torch", "torchvision")}


def test_the_search_for_imports_finds_what_is_there():
    assert "torch" in loaded_by("core.cli.doctor")
    assert {"core.training.runs", "ui.resources", "numpy"} <= loaded_by("pages.overview")


def run_python(script: str, folder: Path, *arguments: str) -> dict:
    """The JSON document that a fresh interpreter prints, working in `folder`."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NORMLAB")}
    result = subprocess.run(
        [sys.executable, "-B", "-c", script, *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_the_modules_of_the_first_page_work_without_torch(tmp_path):
    script = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""
    loaded = run_python(script, tmp_path, *TORCH_FREE)
    assert not {"torch", "torchvision", "sklearn"} & set(loaded)


def test_importing_core_does_no_work(tmp_path):
    """No file, no thread, no output, no random number, no interface, no download machinery."""
    script = """
import contextlib, importlib, io, json, random, sys, threading
import numpy, rich.progress, torch  # rich draws a random number when it is imported

def states():
    return [random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]

before, said = states(), io.StringIO()
with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
    for name in sys.argv[1:]:
        importlib.import_module(name)
print(json.dumps({
    "same": states() == before,
    "said": said.getvalue(),
    "threads": threading.active_count(),
    "loaded": sorted({name.split(".")[0] for name in sys.modules}),
    "grad": torch.is_grad_enabled(),
}))
"""
    modules = [name for name in SOURCES if name.startswith("core")]
    assert len(modules) > 30
    found = run_python(script, tmp_path, *modules)
    loaded = set(found.pop("loaded"))
    assert found == {"same": True, "said": "", "threads": 1, "grad": True}
    assert not loaded & {"streamlit", "altair", "torchvision", "sklearn", "matplotlib"}
    assert list(tmp_path.iterdir()) == []


def too_long(module: str, source: str) -> list[str]:
    """The functions with more than 50 lines, and the file itself if it has too many."""
    limit = 120 if module.startswith("pages.") else 300
    functions = [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.end_lineno - node.lineno >= 50
    ]
    return [*functions, *([module] if len(source.splitlines()) > limit else [])]


def test_files_and_functions_stay_short():
    found = {module: too_long(module, path.read_text()) for module, path in SOURCES.items()}
    assert {module: names for module, names in found.items() if names} == {}


def test_what_is_too_long_would_be_noticed():
    long = "def f():\n" + "    f()\n" * 50
    assert too_long("pages.curves", long) == ["f"]
    assert too_long("pages.curves", "f()\n" * 121) == ["pages.curves"]
    assert too_long("core.config", "f()\n" * 121) == []
