"""M2D (masked modeling duo): a vision transformer whose frames are stacks of five frequency patches."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effbench.models.backbones.backbone import PATCH
from effbench.models.backbones.vit import PatchEmbedding, VisionTransformer, initialise, layer_norm

#: Patches of one time step, and feature frames that run together.
_ROWS, _CHUNK = 5, 1001


class M2d(VisionTransformer):
    """M2D: patches of 16 bands x 160 ms; the patches of one time step, side by side, are one embedding.

    Clips of any length: audio beyond 10 s runs in chunks of 1001 feature frames that do not see each other,
    the last one filled up to whole patches with zeros, as published. Of a chunk's 1001 frames the last 9 are
    not used. The detector interpolates the 6.25 embeddings per second to 25 frames.

    Shape:
        (batch, 1, n_mels, feature frames) -> (batch, time steps, 5 * dim)

    Source: Niizumi et al. 2023, "Masked modeling duo".
    """

    label = "M2D"
    n_mels = 80
    extra_hops = -1
    piece = _CHUNK

    def __init__(self, dim: int = 768, depth: int = 12, heads: int = 12) -> None:
        super().__init__(dim, depth, heads)
        self.embed_dim = dim * _ROWS
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + _ROWS * (_CHUNK // PATCH), dim))
        # In published files, and so in published parameter counts; the front-end has constants of its own.
        self.norm_stats = nn.Parameter(torch.tensor([-7.1, 4.2]), requires_grad=False)
        self.patch_embed = PatchEmbedding(dim)
        self.norm = layer_norm(dim)
        self.apply(initialise)
        nn.init.normal_(self.cls_token, 0.0, 1e-6)

    def forward(self, features: Tensor) -> Tensor:
        self.check(features)
        if features.shape[3] <= _CHUNK:
            steps = (features.shape[3] + PATCH - 1) // PATCH
            steps -= steps // (_CHUNK // PATCH + 1)
            return self._encode(F.pad(features, (0, PATCH))[..., : PATCH * steps])
        last = features.shape[3] % _CHUNK
        features = F.pad(features, (0, -last % PATCH))
        chunks = features.split(_CHUNK, 3)
        # Where filling up reaches beyond a whole chunk, those few frames are no chunk of their own.
        return torch.cat([self._encode(c) for c in chunks if c.shape[3] >= PATCH], 1)

    def _encode(self, features: Tensor) -> Tensor:
        """One chunk, (batch, 1, n_mels, feature frames) -> (batch, time steps, embed_dim)."""
        x = self.patch_embed(features)
        steps = x.shape[1] // _ROWS
        table = self.pos_embed[:, 1:].unflatten(1, (_ROWS, -1))[:, :, :steps]
        first = (self.cls_token + self.pos_embed[:, :1]).expand(x.shape[0], -1, -1)
        x = self.run_blocks(torch.cat((first, x + table.flatten(1, 2)), 1))
        x = self.norm(x[:, 1:])
        return x.unflatten(1, (_ROWS, steps)).transpose(1, 2).flatten(2)
