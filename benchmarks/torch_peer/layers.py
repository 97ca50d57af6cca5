"""Filters, warp, strain, crops and the fusion Transformer; the mirror of `me_keras.layers`.

In PyTorch, too, a mean is several times faster as a matrix product than by padding and pooling;
differences are faster by slicing. Matrices are buffers of modules, so that torch.compile and moves
to another device find them.
"""

import torch
from torch import nn
from torch.nn import functional

from me_keras.layers import filters, smooth_solve


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


def double_smooth(side):
    """Twice the resolution of a field that is a sum of slow cosines, exactly."""
    slow, fine = smooth_solve.cosines(side, side // 2), smooth_solve.cosines(2 * side, side // 2)
    return Separable(2**0.5 * fine @ slow.T)


def spatial_gradient(field):
    """Central differences along x and y, one-sided at the border: two `(b, c, h, w)`."""
    padded = functional.pad(field, (1, 1, 1, 1), mode="replicate")
    dx = 0.5 * (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2])
    dy = 0.5 * (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1])
    return dx, dy


def dense_warp(image, displacement):
    """Samples `image`, perhaps enlarged, at `p + displacement(p)`, bilinearly, clamped."""
    height, width = image.shape[-2:]
    scale = height // displacement.shape[-2]
    x = torch.arange(0, width, scale, device=image.device) + scale * displacement[:, 0]  # (b, h, w)
    y = torch.arange(0, height, scale, device=image.device)[:, None] + scale * displacement[:, 1]
    grid = torch.stack([x * (2 / (width - 1)) - 1, y * (2 / (height - 1)) - 1], dim=-1)
    return functional.grid_sample(image, grid, padding_mode="border", align_corners=True)


def optical_strain(displacement, spacing=1.0):
    """Magnitude of the strain tensor, `(b, 1, h, w)`."""
    dx, dy = spatial_gradient(displacement / spacing)
    (u_x, v_x), (u_y, v_y) = dx.split(1, dim=1), dy.split(1, dim=1)
    return torch.sqrt(u_x**2 + v_y**2 + 0.5 * (u_y + v_x) ** 2 + 1e-6)


class SmoothSolve(nn.Module):
    """Solves `(b, 3, side, side)` systems for a smooth field; returns its shares of cosines."""

    def __init__(self, side):
        super().__init__()
        waves = smooth_solve.cosines(side, side // 2)
        self.analyse, self.synthesise = Separable(waves.T.copy()), Separable(waves)
        frequencies = torch.from_numpy(smooth_solve.frequencies(side, side))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, systems, right, roughness, start, iterations):
        certainty = systems[:, ::2].mean(dim=(1, 2, 3), keepdim=True)  # (b, 1, 1, 1)
        inverse = 1.0 / (certainty + roughness + 1e-6)
        shares = self.analyse(start)
        left = self.analyse(right) - self._product(systems, roughness, shares)
        direction = step = inverse * left
        energy = _dot(left, step)
        for _ in range(iterations):
            moved = self._product(systems, roughness, direction)
            length = energy / (_dot(direction, moved) + 1e-12)
            shares = shares + length * direction
            left = left - length * moved
            step = inverse * left
            before, energy = energy, _dot(left, step)
            direction = step + energy / (before + 1e-12) * direction
        return shares

    def _product(self, systems, roughness, shares):
        explained = apply_systems(systems, self.synthesise(shares))
        return self.analyse(explained) + roughness * shares


def _dot(one, other):
    return (one * other).sum(dim=(1, 2, 3), keepdim=True)


def apply_systems(systems, field):
    """Each 2 x 2 matrix times the vector of its place: `(b, 3, …)`, `(b, 2, …)`."""
    xx, xy, yy = systems.split(1, dim=1)
    x, y = field.split(1, dim=1)
    return torch.cat([xx * x + xy * y, xy * x + yy * y], dim=1)


class MotionEquations(nn.Module):
    """As `me_keras.layers.displacement.motion_equations`, on frames of `side` pixels."""

    def __init__(self, side):
        super().__init__()
        self.mean = box_mean(side, 9)
        self.double_size, self.finer = Separable(filters.double(side)), double_smooth(side // 2)

    def comparable(self, onset, apex):
        """Both without their local light and contrast, and the apex at twice its size."""
        both = torch.cat([onset, apex], dim=1)
        both = both - self.mean(both)
        both = both * torch.rsqrt(self.mean(both**2) + 0.02**2)
        onset, apex = both.split(1, dim=1)
        return onset, self.double_size(apex)

    def forward(self, onset, apex, displacement):
        warped = dense_warp(apex, self.finer(displacement))
        gx, gy = spatial_gradient(0.5 * (onset + warped))
        left = onset - warped
        products = torch.cat([gx * gx, gx * gy, gy * gy, gx * left, gy * left, left * left], dim=1)
        systems, right, energy = functional.avg_pool2d(products, 2).split([3, 2, 1], dim=1)
        scale = torch.rsqrt(systems[:, ::2].sum(dim=1, keepdim=True) + 0.02)
        seen = torch.cat([systems * scale, right * scale, energy, displacement], dim=1)
        evidence = [functional.pixel_unshuffle(onset, 4), functional.pixel_unshuffle(seen, 2)]
        right = right + apply_systems(systems, displacement)
        return systems, right, torch.cat(evidence, dim=1)


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
