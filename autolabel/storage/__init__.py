"""One seam for bytes: plain paths and ``s3://``, durable writes, and the objects of a data set."""

from __future__ import annotations

from autolabel.storage.base import Addressing, Stat, StorageOptions, Store
from autolabel.storage.objects import ObjectReader, object_reader
from autolabel.storage.router import Storage

__all__ = ["Addressing", "ObjectReader", "Stat", "Storage", "StorageOptions", "Store", "object_reader"]
