"""How others pick, each in a process of its own.

    python peers.py NAME DATA OBJECTS PICKS

Needs numpy, and of the peer only what NAME says; prints one JSON line: picks in order and seconds.

numpy-float64
    Greedy k-center as it is written down: the oracle.
numpy-float32
    The same by one matrix-vector product a pick.
scikit-activeml
    `k_greedy_center`, what its `CoreSet` calls.
scikit-learn
    `kmeans_plusplus` on gradient embeddings that are written out.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np

CLASSES = 10


def main() -> int:
    name, data, objects, picks = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    features = np.load(data, mmap_mode="r")[:objects].astype(np.float32)
    wall, cpu = time.perf_counter(), time.process_time()
    found = PEERS[name](features, picks)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        json.dumps(
            {
                "picks": [int(pick) for pick in found],
                "wall": wall,
                "cpu": cpu,
                "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
            }
        )
    )
    return 0


def naive(features, picks):
    """Every squared difference of every pick, in float64."""
    x = features.astype(np.float64)
    chosen, distance = [0], ((x - x[0]) ** 2).sum(axis=1)
    while len(chosen) < picks:
        distance[chosen] = -1.0
        chosen.append(int(distance.argmax()))
        np.minimum(distance, ((x - x[chosen[-1]]) ** 2).sum(axis=1), out=distance)
    return chosen


def products(features, picks):
    """One matrix-vector product a pick."""
    squares = np.einsum("nd,nd->n", features, features)
    chosen, distance = [0], np.full(len(features), np.inf, np.float32)
    while len(chosen) < picks:
        last = chosen[-1]
        np.minimum(distance, squares + squares[last] - 2.0 * (features @ features[last]), out=distance)
        distance[chosen] = -1.0
        chosen.append(int(distance.argmax()))
    return chosen


def scikit_activeml(features, picks):
    """The object 0 is labeled, as everyone else starts from it."""
    from skactiveml.pool._core_set import k_greedy_center

    labels = np.full(len(features), np.nan)
    labels[0] = 0
    return [0, *k_greedy_center(features, labels, batch_size=picks - 1, random_state=0)[0]]


def scikit_learn(features, picks):
    """K-means++ with one trial a pick, as D^2 seeding is defined, on N x C F numbers."""
    from sklearn.cluster import kmeans_plusplus

    q = probabilities(features, CLASSES)
    q[np.arange(len(q)), q.argmax(axis=1)] -= 1.0
    written_out = (q[:, :, None] * features[:, None, :]).reshape(len(q), -1)
    return kmeans_plusplus(written_out, picks, random_state=0, n_local_trials=1)[1]


def probabilities(features, classes):
    """Class probabilities of a head that is drawn at random, with margins of every size."""
    logits = features @ (4.0 * np.random.default_rng(0).standard_normal((classes, features.shape[1]), np.float32)).T
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


PEERS = {
    "numpy-float64": naive,
    "numpy-float32": products,
    "scikit-activeml": scikit_activeml,
    "scikit-learn": scikit_learn,
}

if __name__ == "__main__":
    raise SystemExit(main())
