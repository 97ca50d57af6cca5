"""FRL-DGT in PyTorch: displacement generator, region crops, three fusions, head."""

import math

import torch
from torch import nn
from torch.nn import functional

from benchmarks.torch_peer.layers import (
    FusionTransformer,
    MotionEquations,
    SmoothSolve,
    dense_warp,
    double_smooth,
    optical_strain,
    patches,
    region_crops,
)
from me_keras.layers.displacement import ITERATIONS, ROUGHNESS, TRUST

INPUTS = 48  # channels the U-Net sees: 4 x 4 pixels of the onset, 2 x 2 of eight maps
FIXED = {  # what the peer has no other way of
    "fusion_order": "before",
    "stochastic_depth": 0.0,
    "local_fusion": True,
    "global_fusion": True,
    "face_fusion": True,
}


class DisplacementGenerator(nn.Module):
    """As `me_keras.layers.DisplacementGenerator`, on frames of `image_size` pixels.

    Returns the displacement at half resolution `(b, 2, h/2, w/2)`, in pixels of the full one, and
    features `(b, filters[0], h/4, w/4)`.
    """

    def __init__(self, image_size, filters, max_displacement, iterations=2):
        super().__init__()
        self.max_displacement, self.iterations = max_displacement, iterations
        self.coarse = nn.ModuleList(Coarse(image_size // size) for size in (4, 2))
        self.equations = MotionEquations(image_size)
        self.solve = SmoothSolve(image_size // 2)
        self.prior = nn.Parameter(torch.tensor([math.log(ROUGHNESS[1]), 2.0]))
        self.reduce = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=0) if i else nn.Conv2d(a, b, 3, padding=1)
            for i, (a, b) in enumerate(zip((INPUTS, *filters), filters))
        )
        self.encode = nn.ModuleList(nn.Conv2d(n, n, 3, padding=1) for n in filters)
        upwards = list(zip(filters[:0:-1], filters[-2::-1]))
        self.project = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in upwards)
        self.decode = nn.ModuleList(nn.Conv2d(b, b, 3, padding=1) for _, b in upwards)
        self.head = nn.Conv2d(filters[0], 16, 3, padding=1)

    def forward(self, onset, apex):
        with torch.no_grad():  # the start has no weights
            first = self._coarse(onset, apex)
            systems, right, seen = self.equations(*self.equations.comparable(onset, apex), first)
        x = seen.contiguous(memory_format=torch.channels_last)
        skips = []
        for level, (reduce, encode) in enumerate(zip(self.reduce, self.encode)):
            if level:
                x = functional.pad(x, (0, 1, 0, 1))  # where TensorFlow's "same" pads
            x = functional.relu(encode(functional.relu(reduce(x))))
            skips.append(x)
        for project, decode, skip in zip(self.project, self.decode, skips[-2::-1]):
            x = functional.interpolate(project(x), scale_factor=2, mode="nearest")
            x = functional.relu(decode(x + skip))
        said = functional.pixel_shuffle(self.head(x).float(), 2)  # (b, 4, h/2, w/2)
        correction, weights = said.split(2, dim=1)
        certainty, trust = torch.exp(5.0 * torch.tanh(weights / 5.0)).split(1, dim=1)
        trust = TRUST * trust
        systems = certainty * systems + torch.cat([trust, 0 * trust, trust], dim=1)
        right = certainty * right + trust * (first + correction)
        roughness = torch.exp(self.prior[0]) * self.solve.frequencies ** self.prior[1]
        half = self.solve.synthesise(self.solve(systems, right, roughness, first, ITERATIONS[1]))
        return half.clamp(-self.max_displacement, self.max_displacement), x

    def _coarse(self, onset, apex):
        known = torch.zeros_like(onset[..., ::8, ::8]).expand(-1, 2, -1, -1)
        for coarse, size, rounds in zip(self.coarse, (4, 2), (1, self.iterations)):
            small = [functional.avg_pool2d(frame, size) for frame in (onset, apex)]
            small = coarse.equations.comparable(*small)
            for _ in range(rounds):
                known = coarse(*small, known)
            known = 2.0 * coarse.finer(known)  # twice the resolution, so twice the pixels
        return known


class Coarse(nn.Module):
    """A round at lower resolution: frames of `side` pixels, displacement at half of it."""

    def __init__(self, side):
        super().__init__()
        self.equations = MotionEquations(side)
        self.solve = SmoothSolve(side // 2)
        self.finer = double_smooth(side // 2)

    def forward(self, onset, apex, known):
        systems, right, _ = self.equations(onset, apex, known)
        roughness = ROUGHNESS[0] * self.solve.frequencies**2
        return self.solve.synthesise(self.solve(systems, right, roughness, known, ITERATIONS[0]))


class FrlDgt(nn.Module):
    """As `me_keras.models.frl_dgt`, of the same sizes.

    Args:
        options: `ModelOptions` with presets filled in.
        image_size, num_classes, num_regions: ints.
        detach_motion: bool; keeps the recognition's gradient out of the generator.
    Call arguments:
        onset, apex: `(b, 1, S, S)` float in [0, 1]; regions: `(b, r, 4)`.
    Returns:
        logits `(b, k)` and the displacement at half resolution `(b, 2, S/2, S/2)`.
    Raises:
        ValueError: options the peer does not have.
    """

    def __init__(self, options, image_size, num_classes, num_regions=9, detach_motion=False):
        super().__init__()
        for name, value in FIXED.items():
            if getattr(options, name) != value or not options.readout:
                raise ValueError(f"the PyTorch peer knows {name} {value} only, and a readout")
        self.crop_size, self.patch_size = options.crop_size, options.patch_size
        self.detach_motion = detach_motion
        self.generator = DisplacementGenerator(
            image_size, options.filters, options.max_displacement
        )
        self.double_smooth = double_smooth(image_size // 2)
        channels = (2, 1, 1, options.filters[0])  # displacement, strain, magnitude, features
        dim, places = options.hidden_dim, (options.crop_size // options.patch_size) ** 2
        inside = [options.patch_size**2 * c for c in channels]
        self.local_fusion = FusionTransformer(inside, (num_regions,), places, options)
        summary = [dim, *(2 * c for c in channels)]
        self.global_fusion = FusionTransformer(summary, (), num_regions, options)
        sizes = [image_size // 2] * 3 + [image_size // 4]
        self.face_patches = [_face_patch(size) for size in sizes]
        positions = (sizes[0] // self.face_patches[0]) ** 2
        face = [size**2 * c for size, c in zip(self.face_patches, channels)]
        self.face_fusion = FusionTransformer([*face, dim], (), positions, options)
        self.read_regions = nn.Linear(dim, options.readout)
        self.read_face = nn.Linear(dim, options.readout)
        self.head_dropout = nn.Dropout(options.head_dropout)
        self.logits = nn.Linear((num_regions + positions) * options.readout, num_classes)

    def forward(self, onset, apex, regions):
        half, seen = self.generator(onset, apex)
        motion = half.detach() if self.detach_motion else half
        seen = seen.detach() if self.detach_motion else seen
        magnitude = torch.sqrt((motion**2).sum(dim=1, keepdim=True) + 1e-6)
        maps = [motion, optical_strain(motion, 2.0), magnitude, seen.float()]
        regional = self._regions(maps, regions)  # (b, r, hidden_dim)
        face = [patches(m, size) for m, size in zip(maps, self.face_patches)]
        face.append(regional.mean(dim=1, keepdim=True).expand(-1, face[0].shape[1], -1))
        read = [self.read_regions(regional), self.read_face(self.face_fusion(face))]
        read = torch.cat([part.flatten(1) for part in read], dim=-1)
        return self.logits(self.head_dropout(read)).float(), half

    def _regions(self, maps, regions):
        # maps of one resolution are cropped together
        crops = region_crops(torch.cat(maps[:3], dim=1), regions, self.crop_size)
        crops = [*crops.split((2, 1, 1), dim=1), region_crops(maps[3], regions, self.crop_size)]
        inside = self.local_fusion([patches(crop, self.patch_size) for crop in crops])
        return self.global_fusion([inside.mean(dim=-2), *map(_statistics, crops)])

    def rebuild(self, apex, half):
        """The displacement `(b, 2, S, S)` px, and the apex warped back by it `(b, 1, S, S)`."""
        displacement = self.double_smooth(half)
        return displacement, dense_warp(apex, displacement)


def _statistics(crops):
    """Mean and mean magnitude over a region: `(b, c, r, s, s)` to `(b, r, 2 c)`."""
    parts = [crops.mean(dim=(-2, -1)), crops.abs().mean(dim=(-2, -1))]  # (b, c, r) each
    return torch.cat(parts, dim=1).transpose(1, 2)


def _face_patch(size):
    """Side of a whole-face patch: at most 8 x 8 patches, each dividing the map."""
    return next(p for p in range(-(-size // 8), size + 1) if size % p == 0)
