"""Distances to a growing set of centres: bounds by float32 products, and exactly where bounds cannot tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

WIDTH = 256
"""Centres of one matrix product: with a few thousand rows its result stays in cache."""
PAIRS = 2_048
"""Distances computed in float64 at a time."""


class Centres:
    """Centres so far, with what a product with them needs: memory is reserved for `most_centres` of width `dim`.

    Attributes
    ----------
    count
        How many, K.
    """

    def __init__(self, dim: int, most_centres: int) -> None:
        self._rows = np.empty((most_centres, dim), np.float32)
        self._doubled = np.empty((most_centres, dim), np.float32)
        self._squares = np.empty(most_centres, np.float32)
        self.count = 0

    @property
    def rows(self) -> NDArray[np.float32]:
        """The centres, shape ``(K, D)``."""
        return self._rows[: self.count]

    def add(self, rows: NDArray[np.float32]) -> None:
        """Append centres ``(k, D)``."""
        end = self.count + len(rows)
        self._rows[self.count : end] = rows
        self._doubled[self.count : end] = -2.0 * rows
        self._squares[self.count : end] = np.einsum("kd,kd->k", rows, rows)
        if not np.isfinite(self._squares[self.count : end]).all():
            raise ValueError("found features whose squares overflow float32; scale them down")
        self.count = end

    def head(self, most_centres: int) -> Centres:
        """Return the first centres only."""
        rows = self.rows[:most_centres]
        found = Centres(rows.shape[1], len(rows))
        found.add(rows)
        return found

    def slices(self, begin: int, end: int) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.float32]]]:
        """Centres from `begin` to `end`, `WIDTH` at a time: place of the first, -2 times the rows, their squares."""
        for start in range(begin, end, WIDTH):
            part = slice(start, min(start + WIDTH, end))
            yield start, self._doubled[part], self._squares[part]

    def bounds(
        self, x: NDArray[np.float32], squares: NDArray[np.float32], begin: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bounds of the least squared distance of ``(n, D)`` rows to the centres from `begin` on, each ``(n,)``."""
        low = np.full(len(x), np.inf)
        high = np.full(len(x), np.inf)
        for _, doubled, row_squares in self.slices(begin, self.count):
            nearest = _products(x, doubled, row_squares).min(axis=1).astype(np.float64) + squares
            slack = _slack(x.shape[1], squares, row_squares.max())
            np.minimum(low, nearest - slack, out=low)
            np.minimum(high, nearest + slack, out=high)
        return np.maximum(low, 0.0, out=low), high

    def exact(self, x: NDArray[np.float32], squares: NDArray[np.float32]) -> NDArray[np.float64]:
        """Least squared distance of ``(n, D)`` rows to all centres in float64, shape ``(n,)``.

        Only pairs that rounding cannot tell from the nearest are computed, and where the nearest is a copy no other:
        among many copies every pair would have to be.
        """
        high, at = self._nearest(x, squares)
        found = np.concatenate(
            [
                squared_distances(x[begin : begin + PAIRS], self._rows[at[begin : begin + PAIRS]])
                for begin in range(0, len(x), PAIRS)
            ]
        )
        left = np.flatnonzero(found > 0.0)
        x, squares, high = x[left], squares[left], high[left]
        for start, doubled, row_squares in self.slices(0, self.count):
            near = _products(x, doubled, row_squares) + squares[:, None]
            row, centre = np.nonzero(near <= (high + _slack(x.shape[1], squares, row_squares.max()))[:, None])
            for begin in range(0, len(row), PAIRS):
                pair = slice(begin, begin + PAIRS)
                distance = squared_distances(x[row[pair]], self._rows[start + centre[pair]])
                np.minimum.at(found, left[row[pair]], distance)
        return found

    def _nearest(
        self, x: NDArray[np.float32], squares: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Upper bound of each row's least squared distance, as in `bounds`, and the centre nearest up to rounding."""
        high, best = np.full(len(x), np.inf), np.full(len(x), np.inf)
        at = np.zeros(len(x), np.int64)
        for start, doubled, row_squares in self.slices(0, self.count):
            products = _products(x, doubled, row_squares)
            place = products.argmin(axis=1)
            near = products[np.arange(len(x)), place].astype(np.float64) + squares
            np.minimum(high, near + _slack(x.shape[1], squares, row_squares.max()), out=high)
            closer = near < best
            at[closer] = start + place[closer]
            best[closer] = near[closer]
        return high, at


def squared_distances(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squared distances of pairs of rows ``(n, D)`` as sums of squared differences in float64, shape ``(n,)``."""
    difference = one.astype(np.float64) - other
    return np.asarray((difference * difference).sum(axis=1))


def _products(
    x: NDArray[np.float32], doubled: NDArray[np.float32], centre_squares: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Squared distances less the rows' own squares, shape ``(n, k)``."""
    found = x @ doubled.T
    found += centre_squares
    return np.asarray(found)


def _slack(dim: int, squares: NDArray[np.float32], largest: np.float32) -> NDArray[np.float64]:
    """Bound of the rounding of `_products` plus squares, shape ``(n,)``.

    A float32 sum of D products errs by at most D u times the sum of their sizes, in any order (Higham 2002, section
    3.1), u = 2^-24; the three sums together by less than (2 D + 16) u (|x|^2 + |c|^2). Products that underflow add D
    times the least normal number.
    """
    unit = 2.0**-24
    return (2 * dim + 16) * (unit * (squares + np.float64(largest)) + 2.0**-126)
