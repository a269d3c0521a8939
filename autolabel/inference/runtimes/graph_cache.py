"""A folder of things that cost seconds to make and can be made again: exported graphs, mostly.

``AUTOLABEL_CACHE`` names it, else it is ``autolabel`` in the user's cache folder (``XDG_CACHE_HOME``, ``~/.cache``). It
can be deleted at any time. A file that is damaged, or that belongs to another version, is made again; where the folder
cannot be written everything works, a little slower.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from autolabel.errors import StorageError
from autolabel.storage.durable import make_folder, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE = "AUTOLABEL_CACHE"


def cache_folder() -> Path:
    """Return the folder, which need not exist."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autolabel"


def cached(name: str, make: Callable[[], bytes], *, folder: Path | None = None) -> bytes:
    """Return the content of a file of the cache; make and keep it when it is not there, whole.

    Parameters
    ----------
    name
        Holds a digest of everything that the content depends on. A digest of the content itself stands beside it in
        ``NAME.sha256``, written last.
    folder
        Another folder than the cache's.
    """
    path = (folder or cache_folder()) / name
    proof = path.with_name(path.name + ".sha256")
    with contextlib.suppress(OSError):
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() == proof.read_text(encoding="ascii", errors="replace").strip():
            return data
    data = make()
    with contextlib.suppress(StorageError):  # a cache that cannot be written is no reason to fail
        make_folder(path.parent)
        write_atomically(path, data, sync=False)
        write_atomically(proof, hashlib.sha256(data).hexdigest().encode(), sync=False)
    return data
