"""The default model in PyTorch, to compare speeds with: written as one would write it in PyTorch.

Channels first with `channels_last` memory, fused AdamW, scaled_dot_product_attention. Sizes come
from `ModelOptions` and `TrainingOptions`. Images are square; a displacement is `(b, 2, h, w)` in
pixels, `(dx, dy)`. Needs `torch`.
"""
