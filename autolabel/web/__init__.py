"""The labeling page: people label in the browser while the job runs in the same process.

Everything a browser sends is untrusted, and so is everything a manifest holds; see `guard` and `pictures`.
"""

from __future__ import annotations

from autolabel.web.server import serve, serve_review

__all__ = ["serve", "serve_review"]
