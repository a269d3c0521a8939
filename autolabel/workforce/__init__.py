"""Who answers: people who work with files, and simulated ones."""

from __future__ import annotations

from autolabel.workforce.base import Answer, HumanTask, Workforce
from autolabel.workforce.files import FilesWorkforce
from autolabel.workforce.simulated import SimulatedWorkforce
from autolabel.workforce.spec import workforce_from_spec
from autolabel.workforce.truth import read_truth

__all__ = [
    "Answer",
    "FilesWorkforce",
    "HumanTask",
    "SimulatedWorkforce",
    "Workforce",
    "read_truth",
    "workforce_from_spec",
]
