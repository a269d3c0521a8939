"""The strategies by name: plain ones as their papers have them, and those a job uses, which also explore."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from autolabel.selection.badge import badge
from autolabel.selection.batch import exploring, random
from autolabel.selection.diversity import spread
from autolabel.selection.dropquery import dropquery
from autolabel.selection.k_center import core_set
from autolabel.selection.typiclust import typiclust
from autolabel.selection.uncertainty import entropy, least_confidence, margin, margin_diverse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autolabel.selection.batch import Strategy

PLAIN_STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {
        "random": random,
        "entropy": entropy,
        "least-confidence": least_confidence,
        "margin": margin,
        "margin-diverse": margin_diverse,
        "core-set": core_set,
        "badge": badge,
        "typiclust": typiclust,
        "dropquery": dropquery,
        "medoids": spread,
    }
)
"""Strategies without exploration, for comparisons."""

STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {name: strategy if strategy is random else exploring(strategy) for name, strategy in PLAIN_STRATEGIES.items()}
)
"""What a job may choose from: a share of every batch is uniform, since the planner learns from it."""

COLD_STRATEGIES = frozenset({"random", "core-set", "typiclust", "medoids"})
"""Strategies that need no model: the view may come without a head."""
