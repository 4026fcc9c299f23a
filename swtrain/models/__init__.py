"""Networks by name, as plain `torch.nn` modules that `torch.fx` can trace; one file per family.

Comes in: a name, perhaps options. Goes out: a freshly initialised module whose layers carry the names that every
later stage shows. Invariant: layer shapes are exact and counted by tests. Knows nothing of sparsity.

A name with a colon, `package.module:function`, is a factory of the user's own: it is imported and called with the
options, and returns an `nn.Module`. Its `input_shape` and number of classes are those of the data set.
"""

from .activations import ACTIVATIONS, set_activation_
from .counts import PRUNABLE, count_macs, count_weights, prunable_layers
from .fold import fold_batch_norm_
from .registry import MODELS, ModelSpec, build_model, model_spec

__all__ = [
    "ACTIVATIONS",
    "MODELS",
    "PRUNABLE",
    "ModelSpec",
    "build_model",
    "count_macs",
    "count_weights",
    "fold_batch_norm_",
    "model_spec",
    "prunable_layers",
    "set_activation_",
]
