"""A check of the cluster's nodes before a job starts."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ..errors import JobError

# Seconds within which a node must start a process; a runtime environment is installed in this time.
_PATIENCE = 300.0


def check_nodes(runtime_env: Mapping[str, Any] | None) -> None:
    """Raise unless this package is installed on every node, in the same version.

    Args:
        runtime_env: Ray's runtime environment of the actors.

    Raises:
        JobError: a node where the package is missing or has another version.
    """

    # A local function travels by value, so a node without the package can run it.
    def found() -> tuple[str, str]:
        try:
            import jina_jobs.ray  # noqa: F401
        except ImportError as error:
            return "", str(error)
        from importlib.metadata import version

        return version("jina-jobs"), ""

    options: dict[str, Any] = {"num_cpus": 0, "max_retries": 1}
    if runtime_env is not None:
        options["runtime_env"] = dict(runtime_env)
    probe = ray.remote(**options)(found)
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    calls = {
        address: probe.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote()
        for node, address in nodes.items()
    }
    own = version("jina-jobs")
    for address, call in calls.items():
        try:
            there, problem = ray.get(call, timeout=_PATIENCE)
        except GetTimeoutError:
            raise JobError(f"node {address} did not start a process within {_PATIENCE:g} s: look at its logs") from None
        except RayError as error:
            raise JobError(f"node {address} cannot run actors of this job: {error}") from error
        if problem:
            raise JobError(
                f"node {address} cannot import jina_jobs.ray ({problem}): run pip install 'jina-jobs[ray]' on every "
                "node, or pass runtime_env={'pip': ['jina-jobs[ray]']}"
            )
        if there != own:
            raise JobError(
                f"node {address} has jina-jobs {there}, and this program has {own}: install the same version on every "
                "node"
            )
