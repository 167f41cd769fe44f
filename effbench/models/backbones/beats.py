"""BEATs: a post-normalised transformer whose relative positions are gated by the queries."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effbench.models.backbones.backbone import PATCH, Backbone
from effbench.models.backbones.vit import group_by_block, run_block


class RelativePositionBias(nn.Module):
    """One learned logit per head and bucket of distances, the same for all layers.

    Distances up to half the buckets of one sign have a bucket each; beyond, buckets grow with the logarithm
    up to ``max_distance``.

    Args:
        heads: number of attention heads.
        buckets: number of buckets of both signs together.
        max_distance: from which on all distances share the last bucket.

    Shape:
        number of tokens -> (heads, tokens, tokens): query, key

    Source: Raffel et al. 2020 (T5).
    """

    def __init__(self, heads: int, *, buckets: int = 320, max_distance: int = 800) -> None:
        super().__init__()
        self.max_distance = max_distance
        self.weight = nn.Parameter(torch.empty(buckets, heads))
        nn.init.normal_(self.weight, 0.0, 0.02)

    def bucket(self, distance: Tensor) -> Tensor:
        """Bucket of each distance, key's position less the query's; same shape."""
        buckets = len(self.weight) // 2
        exact = buckets // 2
        size = distance.abs()
        octaves = math.log(self.max_distance / exact)
        # As a float32 logarithm, cut off: a bucket's border lies where the published implementation has it.
        far = exact + ((size.clamp(min=1).float() / exact).log() / octaves * (buckets - exact)).long()
        near = torch.where(size < exact, size, far.clamp(max=buckets - 1))
        return near + (distance > 0) * buckets

    def forward(self, tokens: int) -> Tensor:
        # Every distance is looked up once.
        distance = torch.arange(1 - tokens, tokens, device=self.weight.device)
        by_distance = self.weight[self.bucket(distance)].T
        token = torch.arange(tokens, device=self.weight.device)
        return by_distance[:, token - token[:, None] + (tokens - 1)]


class GatedBiasAttention(nn.Module):
    """Multi-head self-attention; each query scales the relative position bias that it sees.

    ``dropout`` is the rate on the attention weights, training only.

    Shape:
        (batch, tokens, dim), bias (heads, tokens, tokens) -> (batch, tokens, dim)

    Source: Chen et al. 2022 (WavLM), section 3.1: gated relative position bias.
    """

    def __init__(self, dim: int, heads: int, *, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.k_proj, self.v_proj, self.q_proj = (nn.Linear(dim, dim) for _ in range(3))
        self.out_proj = nn.Linear(dim, dim)
        self.grep_linear = nn.Linear(dim // heads, 8)
        self.grep_a = nn.Parameter(torch.ones(1, heads, 1, 1))

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        q, k, v = (
            project(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        update, reset = self.grep_linear(q).unflatten(3, (2, 4)).sum(4).sigmoid().split(1, 3)
        gate = update * (reset * self.grep_a - 1.0) + 2.0
        out = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=gate.to(q.dtype) * bias.to(q.dtype),
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.out_proj(out.transpose(1, 2).flatten(2))


class PositionalConvolution(nn.Module):
    """Grouped convolution over the tokens, normalised to one weight norm per tap; as many tokens as before.

    Shape:
        (batch, dim, tokens) -> (batch, dim, tokens)

    Source: Baevski et al. 2020 (wav2vec 2.0), section 2.
    """

    def __init__(self, dim: int, *, kernel: int, groups: int) -> None:
        super().__init__()
        self.kernel, self.groups = kernel, groups
        self.bias = nn.Parameter(torch.zeros(dim))
        self.weight_g = nn.Parameter(torch.empty(1, 1, kernel))
        self.weight_v = nn.Parameter(torch.empty(dim, dim // groups, kernel))
        nn.init.normal_(self.weight_v, 0.0, math.sqrt(4.0 / (kernel * dim)))
        with torch.no_grad():
            self.weight_g.copy_(self.weight_v.norm(dim=(0, 1), keepdim=True))

    def forward(self, x: Tensor) -> Tensor:
        weight = torch._weight_norm(self.weight_v, self.weight_g, 2)
        x = F.pad(x, (self.kernel // 2, (self.kernel - 1) // 2))
        return F.conv1d(x, weight, self.bias, groups=self.groups)


class BeatsLayer(nn.Module):
    """Attention and feed-forward, each with a scaled residual and a normalisation after it.

    ``residual_scale`` is the factor on each residual; ``dropout`` the rate of all dropouts, training only.

    Shape:
        (batch, tokens, dim), bias (heads, tokens, tokens) -> (batch, tokens, dim)

    Source: Wang et al. 2022 (DeepNet).
    """

    def __init__(self, dim: int, heads: int, *, residual_scale: float, dropout: float) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.self_attn = GatedBiasAttention(dim, heads, dropout=dropout)
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)
        self.final_layer_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        out = self.dropout(self.self_attn(x, bias))
        x = self.self_attn_layer_norm(self.residual_scale * x + out)
        out = self.dropout(self.fc2(F.gelu(self.fc1(x))))
        return self.final_layer_norm(self.residual_scale * x + out)


class BeatsEncoder(nn.Module):
    """Positional convolution, normalisation and the layers, which the backward pass may recompute.

    Shape:
        (batch, tokens, dim) -> (batch, tokens, dim)
    """

    def __init__(
        self, dim: int, depth: int, heads: int, *, kernel: int, groups: int, dropout: float, layer_drop: float
    ) -> None:
        super().__init__()
        self.layer_drop = layer_drop
        self.relative_attention_bias = RelativePositionBias(heads)
        self.pos_conv = nn.Sequential(PositionalConvolution(dim, kernel=kernel, groups=groups), nn.GELU())
        self.layer_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        scale = (2.0 * depth) ** 0.25
        self.layers = nn.ModuleList(
            BeatsLayer(dim, heads, residual_scale=scale, dropout=dropout) for _ in range(depth)
        )

    def forward(self, x: Tensor, *, recompute: bool = False) -> Tensor:
        x = x + self.pos_conv(x.transpose(1, 2)).transpose(1, 2)
        x = self.dropout(self.layer_norm(x))
        bias = self.relative_attention_bias(x.shape[1])
        for layer in self.layers:
            if self.training and float(torch.rand(())) <= self.layer_drop:
                continue
            x = run_block(layer, x, bias, recompute=recompute)
        return x


class Beats(Backbone):
    """BEATs: patches of 160 ms x 16 bands, eight in each time step.

    Clips of any length from one patch on; feature frames that fill no patch are not used. The detector
    pools the tokens as they come, eight to a time step, to 25 frames per second, as published.

    Args:
        dim: model width.
        depth: number of layers.
        heads: attention heads of each layer.
        patch_dim: width of the patches' embedding before its projection.
        kernel: taps of the positional convolution.
        groups: of the positional convolution.
        dropout: rate of all dropouts, training only.
        layer_drop: probability that a layer is skipped in training (from torch's generator).

    Attributes:
        gradient_checkpointing: recompute each layer in the backward pass, which saves memory in training.

    Shape:
        (batch, 1, n_mels, feature frames) -> (batch, time steps * n_mels // 16, dim)

    Source: Chen et al. 2023, "BEATs: audio pre-training with acoustic tokenizers".
    """

    label = "BEATs"
    n_mels = 128
    extra_hops = 2
    min_feature_frames = PATCH
    gradient_checkpointing = False

    def __init__(
        self,
        dim: int = 768,
        depth: int = 12,
        heads: int = 12,
        *,
        patch_dim: int = 512,
        kernel: int = 128,
        groups: int = 16,
        dropout: float = 0.1,
        layer_drop: float = 0.05,
    ) -> None:
        super().__init__()
        self.embed_dim = dim
        self.patch_embedding = nn.Conv2d(1, patch_dim, PATCH, PATCH, bias=False)
        self.layer_norm = nn.LayerNorm(patch_dim)
        self.post_extract_proj = nn.Linear(patch_dim, dim)
        self.dropout = nn.Dropout(dropout)
        self.encoder = BeatsEncoder(
            dim, depth, heads, kernel=kernel, groups=groups, dropout=dropout, layer_drop=layer_drop
        )
        for layer in self.encoder.layers:
            _initialise(layer, gain=(8.0 * depth) ** -0.25)

    def forward(self, features: Tensor) -> Tensor:
        self.check(features)
        x = self.patch_embedding(features.transpose(2, 3)).flatten(2).transpose(1, 2)
        x = self.dropout(self.post_extract_proj(self.layer_norm(x)))
        return self.encoder(x, recompute=self.gradient_checkpointing)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """One group per layer; what comes before the layers joins the first."""
        return group_by_block(self, self.encoder.layers)


def _initialise(layer: nn.Module, *, gain: float) -> None:
    """Xavier weights, smaller where they feed a residual; biases zero."""
    for name, module in layer.named_modules():
        if isinstance(module, nn.Linear):
            if name.endswith("grep_linear"):
                nn.init.normal_(module.weight, 0.0, 0.02)
            else:
                nn.init.xavier_normal_(module.weight, 1.0 if name.endswith(("q_proj", "k_proj")) else gain)
            nn.init.zeros_(module.bias)
