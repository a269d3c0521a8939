"""Limited-memory BFGS in float32, for smooth convex functions whose value and slope are one pass over data.

SciPy's optimiser works in float64 and keeps room for bounds, which takes two fifths of the time beside matrix products
in float32. This one keeps all steps and changes of slope in one matrix and knows their inner products, so that an
iteration reads the matrix twice (vector-free L-BFGS: Chen, Wang and Zhou, NeurIPS 2014).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MEMORY = 5
"""Steps remembered; ten take as many iterations, and longer ones."""
SUFFICIENT = 1e-4
"""Share of the slope's promise that a step must keep (Armijo)."""
SHORTENINGS = 20
"""Attempts at a step before no descent is believed in any more."""
CURVED = 1e-7
"""A step's curvature below this share of the change of slope is rounding."""


def minimise(
    objective: Callable[[NDArray[np.float32]], tuple[float, NDArray[np.float32]]],
    size: int,
    *,
    iterations: int,
    tolerance: float,
    flat: float,
) -> NDArray[np.float32]:
    """Minimise a convex function from zero; shape ``(size,)``, float32.

    Parameters
    ----------
    objective
        Value and slope at a point; the slope is copied. Its variables should have curvatures of about one: the first
        step is the negative slope.
    iterations
        At most so many steps.
    tolerance
        Stop when two steps in a row gain less than this share of the value, or of 1 where the value is smaller; one
        alone may have been a bad step (on heads it left the value up to thirty times as far from the least one).
    flat
        Stop when no component of the slope is larger.
    """
    at = np.zeros(size, np.float32)
    value, slope = objective(at)
    history, small = _History(slope), 0
    for _ in range(iterations):
        if float(np.abs(history.slope).max(initial=0.0)) <= flat:
            break
        direction, promised = history.direction()
        length, before = 1.0, value
        for _ in range(SHORTENINGS):
            there = at + np.float32(length) * direction
            value, slope = objective(there)
            if value <= before + SUFFICIENT * length * promised:
                break
            bend = value - before - length * promised
            length *= min(0.5, max(0.1, -0.5 * length * promised / bend))  # the least of a parabola, within limits
        else:
            return at  # float32 tells no descent from rounding here
        at = there
        small = small + 1 if before - value <= tolerance * max(abs(before), abs(value), 1.0) else 0
        if small == 2:
            break
        history.moved(np.float32(length) * direction, slope)
    return at


class _History:
    """The last steps and changes of slope, the slope itself, and all their inner products.

    Rows of `rows`, shape ``(2 * MEMORY + 1, size)``: steps, changes of slope, and the slope last.
    """

    def __init__(self, slope: NDArray[np.float32]) -> None:
        self._rows = np.zeros((2 * MEMORY + 1, len(slope)), np.float32)
        self._rows[-1] = slope
        self._products = np.zeros((2 * MEMORY + 1, 2 * MEMORY + 1))
        self._products[-1, -1] = float(slope @ slope)
        self._order: list[int] = []

    @property
    def slope(self) -> NDArray[np.float32]:
        """The slope at the last point."""
        slope: NDArray[np.float32] = self._rows[-1]
        return slope

    def moved(self, step: NDArray[np.float32], slope: NDArray[np.float32]) -> None:
        """Remember a step and what it changed; the oldest one is forgotten."""
        place = self._order.pop(0) if len(self._order) == MEMORY else len(self._order)
        self._rows[place] = step
        np.subtract(slope, self._rows[-1], out=self._rows[MEMORY + place])
        self._rows[-1] = slope
        used = [place, MEMORY + place, 2 * MEMORY]
        products = self._rows @ self._rows[used].T
        self._products[:, used] = products
        self._products[used, :] = products.T
        curvature = self._products[place, MEMORY + place]
        if curvature > CURVED * self._products[MEMORY + place, MEMORY + place]:
            self._order.append(place)
        else:
            self._order = []  # begin anew: whatever is remembered no longer says how the function bends

    def direction(self) -> tuple[NDArray[np.float32], float]:
        """Where to go, shape ``(size,)``, and the slope along it: the two loops, on coefficients of the rows."""
        products, weights = self._products, np.zeros(2 * MEMORY + 1)
        weights[-1] = -1.0
        alphas = {}
        for place in reversed(self._order):
            alphas[place] = float(products[place] @ weights) / products[place, MEMORY + place]
            weights[MEMORY + place] -= alphas[place]
        if self._order:
            last = self._order[-1]
            weights *= products[last, MEMORY + last] / products[MEMORY + last, MEMORY + last]
        for place in self._order:
            beta = float(products[MEMORY + place] @ weights) / products[place, MEMORY + place]
            weights[place] += alphas[place] - beta
        where: NDArray[np.float32] = weights.astype(np.float32) @ self._rows
        return where, float(products[-1] @ weights)
