"""Filters, warp, strain, crops and the fusion Transformer; the mirror of `me_keras.layers`.

In PyTorch, too, a mean is several times faster as a matrix product than by padding and pooling;
differences are faster by slicing. Matrices are buffers of modules, so that torch.compile and moves
to another device find them.
"""

import torch
from torch import nn
from torch.nn import functional

from me_keras.layers import filters


class Separable(nn.Module):
    """Filters rows and columns of `(b, c, side, side)` with one matrix, in float32."""

    def __init__(self, matrix):
        super().__init__()
        self.register_buffer("rows", torch.from_numpy(matrix), persistent=False)
        self.register_buffer("columns", self.rows.T.contiguous(), persistent=False)

    def forward(self, field):
        with torch.autocast("cpu", enabled=False):  # sub-pixel motion does not survive bfloat16
            return self.rows @ (field @ self.columns)


def box_mean(side, size):
    """Mean over a `size` x `size` window, mirrored at the border."""
    return Separable(filters.box(side, size))


def half_size(side, size=1, times=1):
    """Mean of 2 x 2 pixels, then `times` over a `size` x `size` window of the result."""
    matrix = filters.halve(side)
    for _ in range(times):
        matrix = filters.box(side // 2, size) @ matrix
    return Separable(matrix)


def double_size(side):
    """Twice the resolution, bilinearly."""
    return Separable(filters.enlarge(side))


def spatial_gradient(field):
    """Central differences along x and y, one-sided at the border: two `(b, c, h, w)`."""
    padded = functional.pad(field, (1, 1, 1, 1), mode="replicate")
    dx = 0.5 * (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2])
    dy = 0.5 * (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1])
    return dx, dy


def dense_warp(image, displacement):
    """Samples `image` at `p + displacement(p)`, bilinearly, clamped at the border."""
    height, width = image.shape[-2:]
    x = torch.arange(width, device=image.device) + displacement[:, 0]  # (b, h, w)
    y = torch.arange(height, device=image.device)[:, None] + displacement[:, 1]
    grid = torch.stack([x * (2 / (width - 1)) - 1, y * (2 / (height - 1)) - 1], dim=-1)
    return functional.grid_sample(image, grid, padding_mode="border", align_corners=True)


def optical_strain(displacement, spacing=1.0):
    """Magnitude of the strain tensor, `(b, 1, h, w)`."""
    dx, dy = spatial_gradient(displacement / spacing)
    (u_x, v_x), (u_y, v_y) = dx.split(1, dim=1), dy.split(1, dim=1)
    return torch.sqrt(u_x**2 + v_y**2 + 0.5 * (u_y + v_x) ** 2 + 1e-6)


class LucasKanade(nn.Module):
    """The displacement `(b, 2, side, side)` of two locally normalised frames, and what is left."""

    def __init__(self, side, iterations=3, window=5, damping=0.02):
        super().__init__()
        self.iterations, self.damping = iterations, damping
        self.average = half_size(side, window, times=2)
        self.enlarge = double_size(side // 2)

    def forward(self, first, second):
        displacement = torch.zeros_like(first.expand(-1, 2, -1, -1))
        left = second - first
        for step in range(self.iterations):
            warped = dense_warp(second, displacement) if step else second
            gx, gy = spatial_gradient(0.5 * (first + warped))
            left = warped - first
            products = torch.cat([gx * gx, gx * gy, gy * gy, gx * left, gy * left], dim=1)
            xx, xy, yy, xt, yt = self.average(products).split(1, dim=1)
            xx, yy = xx + self.damping, yy + self.damping
            found = torch.cat([xy * yt - yy * xt, xy * xt - xx * yt], dim=1)  # Cramer's rule
            displacement = displacement + self.enlarge(found / (xx * yy - xy * xy))
        return displacement, left


def region_crops(maps, boxes, size):
    """Cuts each region out of `(b, c, h, w)` maps, bilinearly; zero beyond the map.

    Args:
        boxes: `(b, r, 4)` y1, x1, y2, x2 as fractions of the map.
    Returns:
        `(b, c, r, size, size)`.
    """
    batch, channels, height, width = maps.shape
    steps = (torch.arange(size, device=maps.device) + 0.5) / size
    corners, sides = boxes[..., :2, None], (boxes[..., 2:] - boxes[..., :2])[..., None]
    y, x = (corners + sides * steps).unbind(dim=2)  # (b, r, s) each, fractions
    places = [x[:, :, None, :].expand(-1, -1, size, -1), y[..., None].expand(-1, -1, -1, size)]
    grid = 2 * torch.stack(places, dim=-1) - 1  # (b, r, s, s, 2)
    crops = functional.grid_sample(maps, grid.flatten(1, 2), align_corners=False)  # (b, c, r s, s)
    inside = _within(y, height)[..., None] & _within(x, width)[:, :, None, :]  # (b, r, s, s)
    return crops.view(batch, channels, -1, size, size) * inside[:, None]


def _within(fractions, pixels):
    """Whether a sample lies between the centres of the first and the last pixel."""
    return (fractions * pixels - 0.5).clamp(0, pixels - 1) == fractions * pixels - 0.5


def patches(maps, size):
    """Square patches in reading order: `(b, c, …, h, w)` to `(b, …, l, size * size * c)`."""
    batch, channels, *lead, height, width = maps.shape
    rows, columns = height // size, width // size
    cut = maps.reshape(batch, channels, -1, rows, size, columns, size)
    cut = cut.permute(0, 2, 3, 5, 4, 6, 1)  # (b, n, rows, columns, size, size, c)
    return cut.reshape(batch, *lead, rows * columns, size * size * channels)


class TransformerBlock(nn.Module):
    """Pre-norm self-attention and perceptron on `(b, l, hidden_dim)`."""

    def __init__(self, hidden_dim, num_heads, dropout):
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.LayerNorm(hidden_dim, eps=1e-6)
        self.query_key_value = nn.Linear(hidden_dim, 3 * hidden_dim)
        self.attention_output = nn.Linear(hidden_dim, hidden_dim)
        self.mlp_norm = nn.LayerNorm(hidden_dim, eps=1e-6)
        self.mlp_hidden = nn.Linear(hidden_dim, 2 * hidden_dim)
        self.mlp_output = nn.Linear(2 * hidden_dim, hidden_dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, tokens):
        tokens = tokens + self.drop(self.attention_output(self._attend(tokens)))
        hidden = functional.gelu(self.mlp_hidden(self.mlp_norm(tokens)))
        return tokens + self.drop(self.mlp_output(hidden))

    def _attend(self, tokens):
        split = self.query_key_value(self.attention_norm(tokens))  # (b, l, 3 hidden_dim)
        query, key, value = split.unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)  # (b, heads, l, d)
        return mixed.transpose(1, 2).flatten(2)


class FusionTransformer(nn.Module):
    """Fuses n inputs `(b, …, l, c_i)` into tokens `(b, …, l, hidden_dim)`, then attends."""

    def __init__(self, channels, lead, positions, options):
        super().__init__()
        hidden_dim = options.hidden_dim
        self.fuse = nn.Linear(sum(channels), hidden_dim)
        self.position = nn.Parameter(0.02 * torch.randn(*lead, positions, hidden_dim))
        block = (hidden_dim, options.num_heads, options.dropout)
        self.blocks = nn.Sequential(*(TransformerBlock(*block) for _ in range(options.num_layers)))
        self.norm = nn.LayerNorm(hidden_dim, eps=1e-6)

    def forward(self, sources):
        tokens = self.fuse(torch.cat(sources, dim=-1)) + self.position  # (b, …, l, hidden_dim)
        mixed = self.blocks(tokens.flatten(0, -3))
        return self.norm(mixed).unflatten(0, tokens.shape[:-2])
