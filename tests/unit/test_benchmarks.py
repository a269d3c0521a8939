"""Every benchmark still fits the code it measures: it imports, and what it names of this project is there."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "benchmarks").rglob("*.py")
    if path.name not in {"__main__.py", "__init__.py"}
)


def test_there_are_benchmarks():
    assert len(MODULES) > 20


@pytest.mark.parametrize("module", MODULES)
def test_it_can_be_imported(module):
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in {"autolabel", "benchmarks"}:
            raise
        pytest.skip(f"{error.name} is not installed: a peer that this benchmark is run beside")
