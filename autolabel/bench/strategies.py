"""Labeling strategies by name."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from autolabel.bench import rivals
from autolabel.bench.ours import ours

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autolabel.bench.setting import Strategy

OURS = "autolabel"

SAME_TRAINING = frozenset({"fixed confidence 0.95", "PAC labels after 10 %", "conformal labeling"})
"""Strategies that train once, on the same tenth of the objects."""

STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {
        OURS: ours,
        "humans only": rivals.humans,
        "fixed confidence 0.95": rivals.fixed_confidence,
        "bring your own model": rivals.bring_your_own_model,
        "bring your own model, repaired": partial(rivals.bring_your_own_model, repaired=True),
        "Ground Truth emulation": rivals.ground_truth,
        "TBAL": rivals.tbal,
        "MCAL": rivals.mcal,
        "PAC labels after 5 %": partial(rivals.pac_labels, share=0.05),
        "PAC labels after 10 %": partial(rivals.pac_labels, share=0.1),
        "PAC labels after 20 %": partial(rivals.pac_labels, share=0.2),
        "conformal labeling": rivals.conformal,
    }
)
