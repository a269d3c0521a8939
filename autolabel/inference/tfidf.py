"""Text vectors that need no weights: TF-IDF of words and letter groups, narrowed by a truncated SVD (LSA).

Fitted on a sample of the pool itself. Words and pairs of words carry topics; groups of two to four letters inside words
carry spelling variants, and the languages that put no spaces between words. With 500 labels the two together beat
either alone on TREC, AG News and Banking77.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.errors import CheckpointError
from autolabel.inference.encoder import Modality, State, View, digest_of, fingerprint_of
from autolabel.inference.text import checked_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

VERSION = 2
MOST_COMPONENTS = 256
MIN_COMMON = 100
"""From this many texts on, a term that only one of them has is left out."""

_KINDS: dict[str, dict[str, Any]] = {
    "words": {"analyzer": "word", "ngram_range": (1, 2)},
    "letters": {"analyzer": "char_wb", "ngram_range": (2, 4)},
}
_MOST_TERMS = {"words": 20_000, "letters": 10_000}


class TfidfEncoder:
    """TF-IDF over a fixed vocabulary, projected; vectors have unit length, or are zero without a known term.

    Fit it once on a sample of the pool, or build it from an earlier `state`. The same texts give the same state.
    """

    name = "tfidf"
    modality = Modality.TEXT
    window = 256

    def __init__(self, state: State | None = None) -> None:
        self._vectorizers: list[Any] = []
        self._projection: NDArray[np.float32] = np.empty((0, 0), np.float32)
        self._state: State = {}
        self.fingerprint = fingerprint_of("", {"kind": "tfidf", "version": VERSION, "fitted": False})
        if state:
            self.restore(state)

    @property
    def dim(self) -> int:
        """Width D; 0 before fitting."""
        return int(self._projection.shape[1])

    @property
    def views(self) -> tuple[View, ...]:
        """One view."""
        return (View(self.dim),)

    @property
    def fitted(self) -> bool:
        """Whether texts can be encoded."""
        return bool(self._state)

    def fit(self, sample: Sequence[str]) -> None:
        """Learn terms, their weights and the projection from texts of the pool; 20,000 are enough.

        Raises
        ------
        CheckpointError
            The texts have no term in common.
        """
        from scipy.sparse import hstack
        from sklearn.utils.extmath import randomized_svd

        fitted = {kind: _fit(kind, sample) for kind in _KINDS}
        used = [each for each in fitted.values() if each is not None]
        if not used:
            raise CheckpointError(f"no term occurs twice in {len(sample)} texts; use an encoder with weights")
        counted = hstack([each.transform(sample) for each in used], format="csr")
        # Halko, Martinsson & Tropp 2011; the seed is fixed because the sample already carries the job's.
        _, _, components = randomized_svd(counted, min(MOST_COMPONENTS, *counted.shape), random_state=0)
        state: State = {kind: _joined(vectorizer) for kind, vectorizer in fitted.items()}
        state["idf"] = np.concatenate([each.idf_ for each in used]).astype(np.float32)
        # Half precision halves the largest part of a checkpoint; it is rounded before it is first used.
        state["components"] = components.astype(np.float16)
        self.restore(state)

    def restore(self, state: State) -> None:
        """Take over what an earlier `fit` had learned; `CheckpointError` when it is not of that form."""
        terms = {kind: _terms(state, kind) for kind in _KINDS}
        size = sum(map(len, terms.values()))
        idf, components = state.get("idf"), state.get("components")
        if idf is None or components is None or idf.shape != (size,) or components.shape[1:] != (size,):
            raise CheckpointError(
                f"the state of a tfidf encoder has {size} terms, but not as many idf values and component columns"
            )
        split = len(terms["words"])
        weights = {"words": idf[:split], "letters": idf[split:]}
        self._vectorizers = [_vectorizer(kind, terms[kind], weights[kind]) for kind in _KINDS if terms[kind]]
        self._projection = np.ascontiguousarray(components.T, dtype=np.float32)
        self._state = {name: state[name] for name in (*_KINDS, "idf", "components")}
        self.fingerprint = fingerprint_of(digest_of(self._state), {"kind": "tfidf", "version": VERSION, "fitted": True})

    def prepare(self, raw: bytes | str) -> str:
        """Check the text; `ObjectError` when it has nothing visible."""
        return checked_text(raw)

    def encode(self, batch: Sequence[str]) -> NDArray[np.float32]:
        """Project the TF-IDF vectors of texts; shape ``(B, D)``, float32."""
        if not self.fitted:
            raise CheckpointError("tfidf learns from the pool before it encodes; call fit() or give it a state")
        if not batch:
            return np.empty((0, self.dim), np.float32)
        from scipy.sparse import hstack

        counted = hstack([each.transform(batch) for each in self._vectorizers], format="csr")
        vectors = np.asarray(counted @ self._projection, dtype=np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)

    @property
    def route(self) -> str:
        """Which scikit-learn splits the texts and counts."""
        return f"scikit-learn {version('scikit-learn')}"

    def state(self) -> State:
        """Return what `restore` takes; empty before fitting.

        ``words`` and ``letters`` are uint8, UTF-8 terms separated by line feeds; ``idf`` is ``(V,)`` float32 and
        ``components`` ``(D, V)`` float16, where V counts both kinds of terms.
        """
        return dict(self._state)


def _fit(kind: str, texts: Sequence[str]) -> Any:
    """Fit one kind of terms; ``None`` when none remains, as for words in texts of signs only."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    least = 2 if len(texts) >= MIN_COMMON else 1
    vectorizer = TfidfVectorizer(
        sublinear_tf=True, dtype=np.float32, min_df=least, max_features=_MOST_TERMS[kind], **_KINDS[kind]
    )
    try:
        return vectorizer.fit(texts)
    except ValueError:
        return None


def _vectorizer(kind: str, vocabulary: list[str], idf: NDArray[np.float32]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, vocabulary=vocabulary, **_KINDS[kind])
    vectorizer.idf_ = idf
    return vectorizer


def _joined(vectorizer: Any) -> NDArray[np.uint8]:
    """Terms in column order; no term holds a line feed, because both kinds are split at white space."""
    terms = () if vectorizer is None else vectorizer.get_feature_names_out()
    return np.frombuffer("\n".join(terms).encode(), dtype=np.uint8)


def _terms(state: State, kind: str) -> list[str]:
    packed = state.get(kind)
    if packed is None or packed.dtype != np.uint8:
        raise CheckpointError(f"the state of a tfidf encoder has no {kind!r} of type uint8")
    try:
        text = packed.tobytes().decode()
    except UnicodeDecodeError as error:
        raise CheckpointError(f"the state of a tfidf encoder has {kind!r} that are not UTF-8: {error}") from error
    terms = text.split("\n") if text else []
    if len(set(terms)) != len(terms):
        raise CheckpointError(f"the state of a tfidf encoder has {kind!r} that repeat a term")
    return terms
