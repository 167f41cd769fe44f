"""effbench: performance-complexity trade-offs of sound event detection models.

The public names, listed with their types in ``__init__.pyi``, are loaded when first used, so that
``import effbench`` stays fast.
"""

from __future__ import annotations

import lazy_loader

from effbench.version import VERSION as __version__

__getattr__, __dir__, _exports = lazy_loader.attach_stub(__name__, __file__)

__all__ = [*_exports, "__version__"]
