"""A Ray cluster: connecting to it, and what its machines have."""

from __future__ import annotations

import logging
import os
from typing import Any

from effbench.errors import EffbenchError
from effbench.own_cards import CARDS_VARIABLE


def connect(address: str | None = None) -> Any:
    """Ray, connected to a cluster (``auto``: the one that this machine belongs to), by default a local one.

    ``ray.shutdown()`` leaves the cluster, or ends the local one.

    Raises:
        EffbenchError: Ray is not installed, or there is no such cluster.
    """
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what fails is reported in words
    try:
        import ray
    except ImportError:
        raise EffbenchError("Ray is not installed: pip install 'effbench[ray]'") from None
    environment = {name: os.environ[name] for name in (CARDS_VARIABLE,) if name in os.environ}
    options: dict[str, Any] = {} if address else {"include_dashboard": False}
    try:
        ray.init(
            address=address or "local",
            runtime_env={"env_vars": environment},
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
            **options,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise EffbenchError(f"no Ray cluster at '{address}': {str(error).splitlines()[0]}") from None
    return ray


def machines(ray: Any) -> list[dict[str, Any]]:
    """The machines of the cluster that are alive, as Ray describes them."""
    nodes: list[dict[str, Any]] = ray.nodes()
    return [node for node in nodes if node["Alive"]]
