"""Parts that the audio transformers share: patches, blocks, and how blocks are run and grouped."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from effbench.models.backbones.backbone import PATCH, Backbone
from effbench.models.layers import initialise_normal


class Attention(nn.Module):
    """Multi-head self-attention with one projection, with or without bias, for queries, keys and values.

    Shape:
        (batch, tokens, dim) -> (batch, tokens, dim)

    Source: Vaswani et al. 2017, section 3.2.
    """

    def __init__(self, dim: int, heads: int, *, qkv_bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two linear layers with exact GELU between them, (batch, tokens, dim) -> (batch, tokens, dim)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class TransformerBlock(nn.Module):
    """Attention and feed-forward, each after a normalisation and with a residual.

    Shape:
        (batch, tokens, dim) -> (batch, tokens, dim)

    Source: Dosovitskiy et al. 2021 (ViT), equations 2 and 3.
    """

    def __init__(self, dim: int, heads: int, *, qkv_bias: bool = True) -> None:
        super().__init__()
        self.norm1 = layer_norm(dim)
        self.attn = Attention(dim, heads, qkv_bias=qkv_bias)
        self.norm2 = layer_norm(dim)
        self.mlp = FeedForward(dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


def layer_norm(dim: int) -> nn.LayerNorm:
    """Layer normalisation with ViT's epsilon."""
    return nn.LayerNorm(dim, eps=1e-6)


class PatchEmbedding(nn.Module):
    """One token for each patch of 16 x 16, in row-major order; what is left of either axis is dropped.

    Shape:
        (batch, 1, rows, columns) -> (batch, rows // 16 * (columns // 16), dim)
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, dim, PATCH, PATCH)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class VisionTransformer(Backbone):
    """The stack of blocks and its final normalisation; each backbone brings its own tokens and positions.

    Args:
        dim: model width.
        depth: number of blocks.
        heads: attention heads of each block.
        qkv_bias: whether the attention's input projections have a bias.

    Attributes:
        gradient_checkpointing: recompute each block in the backward pass, which saves memory in training.
        last_norm: name of the final normalisation.
    """

    gradient_checkpointing = False
    last_norm = "norm"

    def __init__(self, dim: int, depth: int, heads: int, *, qkv_bias: bool = True) -> None:
        super().__init__()
        self.embed_dim = dim
        self.blocks = nn.ModuleList(TransformerBlock(dim, heads, qkv_bias=qkv_bias) for _ in range(depth))

    def run_blocks(self, x: Tensor) -> Tensor:
        """All blocks in turn, (batch, tokens, dim) -> (batch, tokens, dim)."""
        for block in self.blocks:
            x = run_block(block, x, recompute=self.gradient_checkpointing)
        return x

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """One group per block; what comes before the blocks joins the first, the last norm the last."""
        return group_by_block(self, self.blocks, self.get_submodule(self.last_norm))


def run_block(block: nn.Module, *inputs: Tensor, recompute: bool) -> Tensor:
    """``block(*inputs)``, with its intermediate values recomputed in the backward pass if asked for."""
    if recompute and torch.is_grad_enabled():
        return checkpoint(block, *inputs, use_reentrant=False)
    return block(*inputs)


def group_by_block(
    backbone: nn.Module, blocks: Sequence[nn.Module] | nn.ModuleList, top: nn.Module | None = None
) -> list[list[nn.Parameter]]:
    """One group of parameters per block; what comes before the blocks joins the first, ``top`` the last."""
    groups = [list(block.parameters()) for block in blocks]
    groups[-1] += list(top.parameters()) if top is not None else []
    grouped = {id(parameter) for group in groups for parameter in group}
    groups[0] = [p for p in backbone.parameters() if id(p) not in grouped] + groups[0]
    return groups


def initialise(module: nn.Module) -> None:
    """Linear weights and tables of positions from N(0, 0.02), as ViT's; biases zero (for ``Module.apply``).

    The published initialisation cuts the distribution at 100 standard deviations, which changes nothing.
    """
    initialise_normal(module)
    for name, table in module.named_parameters(recurse=False):
        if name.endswith(("_token", "_embed")):
            nn.init.normal_(table, 0.0, 0.02)
