"""Rows of effbench before it had the precision tf32: what they call fp32 was often TF32 on a GPU."""

from __future__ import annotations

from collections.abc import Mapping


def true_precision(conditions: Mapping[str, object], environment: object) -> dict[str, object]:
    """Conditions of a row, in which fp32 means float32.

    Torch computes convolutions in TF32 on a GPU that has it unless told not to; environments tell. Rows that
    effbench writes now are told, and stay as they are. A row becomes ``tf32``, with what alone was computed
    so under ``tf32`` (``convolutions``), or ``fp32 or tf32`` where its environment tells nothing.
    """
    gpu = environment.get("gpu") if isinstance(environment, Mapping) else None
    if conditions.get("precision") != "fp32" or not isinstance(gpu, Mapping) or not gpu:
        return dict(conditions)
    flags = {"convolutions": gpu.get("tf32_convolutions"), "matrix products": gpu.get("tf32_matrix_products")}
    if conditions.get("part") == "frontend":  # which has no convolutions
        del flags["convolutions"]
    if None in flags.values():
        return {**conditions, "precision": "fp32 or tf32"}
    used = [what for what, in_tf32 in flags.items() if in_tf32]
    if not used:
        return dict(conditions)
    alone = {} if len(used) == 2 else {"tf32": used[0]}
    return {**conditions, "precision": "tf32", **alone}
