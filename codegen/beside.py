"""What lies beside the weights: patches of images and room for packages, on the chip or in external memory.

Both are needed now and then, weights in every inference. So where high FRAM is short, the room for packages goes out
first, the weights of patches next, and layers' weights last (`spill.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .delta import NO_IMAGES, Images
from .target import ExternalMemory, TargetSpec


@dataclass(frozen=True)
class Beside:
    """One choice.

    Attributes:
        images: weights of which a switch of level rewrites what differs, with their patches.
        staging: bytes in which packages arrive, 0 for a model without updates.
        staging_outside: they lie in external memory.
    """

    images: Images = NO_IMAGES
    staging: int = 0
    staging_outside: bool = False

    @property
    def chip_bytes(self) -> int:
        """High FRAM that it takes, beside the images themselves."""
        return self.images.chip_bytes + (0 if self.staging_outside else self.staging)

    @property
    def outside(self) -> bool:
        """True if any of it lies in external memory."""
        return self.images.outside or self.staging_outside


NOTHING = Beside()


def choices(
    target: TargetSpec, mode: str, staging: int, make: Callable[[ExternalMemory | None], Images]
) -> Sequence[Beside]:
    """What may lie where, the best first.

    Args:
        mode: `auto`, `all` or `none`, as in `spill.choose_external`.
        make: the images with patches on the chip (`None`), or with their weights in a memory.
    """
    images = make(None)
    found = [Beside(images, staging)]
    if mode == "none" or target.external is None:
        return found
    if staging:
        found.append(Beside(images, staging, True))
    if images.chunks:
        found.append(Beside(make(target.external), staging, bool(staging)))
    return found[-1:] if mode == "all" else found


def choose(offers: Sequence[Beside], room: int) -> Beside:
    """The first that `room` bytes of high FRAM hold, else the one that needs least."""
    return next((b for b in offers if b.chip_bytes <= room), offers[-1])
