from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_room_is_packaged():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    rooms = {"autolabel"} | {
        ".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "autolabel").rglob("*/__init__.py")
    }
    assert set(packages) == rooms | {"autolabel_models"}


def test_the_readme_holds_the_table_of_every_member_as_the_code_has_it():
    from autolabel.api.members import members_table

    assert members_table() in (ROOT / "README.md").read_text()


def test_ci_runs_the_command_of_the_readme():
    command = "pip install -e '.[test]' && pytest"
    assert command in (ROOT / "README.md").read_text()
    assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text()
