"""Core-set by greedy k-center: ask the object farthest from everything asked (Sener and Savarese 2018), exactly.

Distances to the nearest centre only fall as centres are added, so an old one is an upper bound. A front of the objects
with the largest bounds is kept up to date; picks come from it until its best falls to the largest bound outside. Only
then are others caught up with all centres they have missed, in one matrix product instead of one a pick (the lazy
greedy of Minoux 1978, in blocks).

Products are of float32. Their rounding is bounded, so every distance is an interval, and where intervals overlap the
distance is computed again as a float64 sum of squared differences: picks are those of the plain float64 algorithm, bit
for bit, and ties go to the lower place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.selection.batch import Batch, informative, most
from autolabel.selection.centres import PAIRS, Centres, squared_distances

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from autolabel.selection.view import PoolView

    Rows = Callable[[NDArray[np.int64]], NDArray[np.float32]]

FRONT = 8_192
"""Objects kept up to date with every pick: a product with them costs a millisecond at 512 features."""
HEIGHT = 4_096
"""Rows of one matrix product."""
CUT_SAMPLE = 16_384
"""Bounds looked at to guess who is in the front."""
FIRST_CENTRES = 256
"""Labeled objects that everyone is compared with at once; with the others only who may be the farthest."""


def core_set(view: PoolView, size: int, rng: np.random.Generator) -> Batch:
    """Take k-center's picks around the labeled objects; without any the first pick is drawn uniformly.

    Notes
    -----
    Memory: 36 bytes an object, the labeled features and the front, whatever the pool's width.
    """
    size = most(view, size)
    if not size:
        return informative(view, np.empty(0, np.int64))
    first = None if len(view.labeled) else int(rng.integers(len(view)))
    centres = view.labeled_features() if first is None else view.features(np.asarray([first]))[:0]
    return informative(view, k_center(view.features, len(view), size, centres=centres, first=first))


def k_center(
    rows: Rows, count: int, size: int, *, centres: NDArray[np.float32], first: int | None = None
) -> NDArray[np.int64]:
    """Pick `size` of `count` rows, each the farthest from the centres and all earlier picks, in order.

    Parameters
    ----------
    rows
        Gives the rows ``(n, D)``, float32, of ascending places ``(n,)``.
    centres
        Where to start, shape ``(L, D)``, float32.
    first
        Place of the first pick; needed when there are no centres.

    Raises
    ------
    ValueError
        Neither centres nor a first pick, more picks than rows, or features whose squares overflow.
    """
    if size > count:
        raise ValueError(f"found {size} picks of {count} rows; expected at most all of them")
    if first is None and not len(centres):
        raise ValueError("found no centre and no first pick; expected one of them: distances need something to be to")
    centre_rows = Centres(centres.shape[1], len(centres) + size)
    centre_rows.add(centres)
    picks = [] if first is None else [first]
    if first is not None:
        centre_rows.add(rows(np.asarray([first])))
    search = _Search(rows, count, centre_rows)
    search.drop(picks)
    while len(picks) < size:
        front = search.front()
        taken = list(_take(front, centre_rows, size - len(picks)))
        search.put_back(front)
        search.drop(taken)
        picks += taken
    return np.asarray(picks[:size], np.int64)


@dataclass(slots=True)
class _Front:
    """Objects with the largest bounds, up to date: places ascending, rows, squares and bounds of distances."""

    places: NDArray[np.int64]
    x: NDArray[np.float32]
    squares: NDArray[np.float32]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    outside: float
    """Largest bound of an object outside."""
    first_outside: int
    """Lowest place outside with that bound."""

    def wins(self, best: int) -> bool:
        """Whether row `best`, whose distance is at least its `low`, is before everyone outside."""
        value = self.low[best]
        return bool(value > self.outside or (value == self.outside and self.places[best] < self.first_outside))


class _Search:
    """Bounds of every row's distance to its nearest centre, each up to the centre it was last compared with."""

    def __init__(self, rows: Rows, count: int, centres: Centres) -> None:
        self._rows = rows
        self._centres = centres
        self._squares = np.empty(count, np.float32)
        self._low = np.zeros(count)
        self._high = np.full(count, np.inf)
        self._level = np.zeros(count, np.int64)
        first = centres.head(FIRST_CENTRES)
        for begin in range(0, count, HEIGHT):
            places = np.arange(begin, min(begin + HEIGHT, count))
            x = rows(places)
            self._squares[places] = np.einsum("nd,nd->n", x, x)
            if not np.isfinite(self._squares[places]).all():
                raise ValueError("found features whose squares overflow float32; scale them down")
            self._low[places], self._high[places] = first.bounds(x, self._squares[places], 0)
        self._level[:] = first.count

    def drop(self, places: list[int]) -> None:
        """Never offer these again."""
        self._low[places] = self._high[places] = -np.inf

    def front(self) -> _Front:
        """Catch up the rows with the largest bounds; they are the front."""
        places = _largest(self._high, FRONT)
        x = self._rows(places)
        self._catch_up(places, x)
        outside = self._high.copy()
        outside[places] = -np.inf
        most_outside = float(outside.max(initial=-np.inf))
        return _Front(
            places,
            x,
            self._squares[places],
            self._low[places],
            self._high[places],
            most_outside,
            int(outside.argmax()),
        )

    def put_back(self, front: _Front) -> None:
        """Keep what was found out about the front."""
        self._low[front.places] = front.low
        self._high[front.places] = front.high
        self._level[front.places] = self._centres.count

    def _catch_up(self, places: NDArray[np.int64], x: NDArray[np.float32]) -> None:
        """Compare rows with the centres that came after they were last compared.

        Rows that missed nearly as many go together: one large product is quicker than many exact ones.
        """
        missed = self._centres.count - self._level[places]
        scale = np.frexp(missed)[1]  # missed is in [2^(scale-1), 2^scale); 0 for none
        for each in np.unique(scale[missed > 0]).tolist():
            group = np.flatnonzero(scale == each)
            begin = self._centres.count - int(missed[group].max())
            for start in range(0, len(group), HEIGHT):
                part = group[start : start + HEIGHT]
                rows = places[part]
                low, high = self._centres.bounds(x[part], self._squares[rows], begin)
                self._low[rows] = np.minimum(self._low[rows], low)
                self._high[rows] = np.minimum(self._high[rows], high)
        self._level[places] = self._centres.count


def _largest(values: NDArray[np.float64], most_rows: int) -> NDArray[np.int64]:
    """Places of the largest values that are not dropped, ascending; among equals the lower places.

    About `most_rows` of them: a cut guessed from a sample is kept when it is not off by more than a factor of two,
    since an exact one costs ten times as much.
    """
    sampled = np.sort(values[:: max(1, len(values) // CUT_SAMPLE)])
    guess = sampled[-min(len(sampled), 1 + most_rows * len(sampled) // len(values))]
    above = np.flatnonzero(values > guess)
    if most_rows <= 2 * len(above) <= 4 * most_rows:
        return above
    if np.count_nonzero(values > -np.inf) <= most_rows:
        return np.flatnonzero(values > -np.inf)
    least = np.partition(values, len(values) - most_rows)[len(values) - most_rows]
    above = np.flatnonzero(values > least)
    tied = np.flatnonzero(values == least)[: most_rows - len(above)]
    return np.sort(np.concatenate([above, tied]))


def _take(front: _Front, centres: Centres, wanted: int) -> Iterator[int]:
    """Yield picks while the farthest of the front is the farthest of all; each becomes a centre."""
    for _ in range(wanted):
        best = _farthest(front, centres)
        if best is None:
            return
        yield int(front.places[best])
        front.low[best] = front.high[best] = -np.inf
        centres.add(front.x[best : best + 1])
        _come_nearer(front, centres)


def _farthest(front: _Front, centres: Centres) -> int | None:
    """Row of the front that is the farthest of all, computed exactly where bounds do not tell; None: it is outside."""
    most_low = front.low.max(initial=-np.inf)
    if most_low == -np.inf:
        return None
    maybe = np.flatnonzero(front.high >= most_low)
    if len(maybe) == 1 and front.wins(int(maybe[0])):
        return int(maybe[0])
    unsure = maybe[front.low[maybe] < front.high[maybe]]
    if len(unsure):
        front.low[unsure] = front.high[unsure] = centres.exact(front.x[unsure], front.squares[unsure])
    best = int(maybe[front.low[maybe].argmax()])
    return best if front.wins(best) else None


def _come_nearer(front: _Front, centres: Centres) -> None:
    """Lower the front's bounds to the newest centre; distances known exactly stay so."""
    known = front.low == front.high
    low, high = centres.bounds(front.x, front.squares, centres.count - 1)
    touched = np.flatnonzero(known & (low < front.low))
    for begin in range(0, len(touched), PAIRS):
        rows = touched[begin : begin + PAIRS]
        distance = squared_distances(front.x[rows], centres.rows[-1:])
        front.low[rows] = front.high[rows] = np.minimum(front.low[rows], distance)
    np.minimum(front.low, low, out=front.low, where=~known)
    np.minimum(front.high, high, out=front.high, where=~known)
