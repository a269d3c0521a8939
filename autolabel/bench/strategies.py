"""Labeling strategies by name."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from autolabel.bench.ours import ours

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autolabel.bench.setting import Strategy

STRATEGIES: Mapping[str, Strategy] = MappingProxyType({"autolabel": ours})
