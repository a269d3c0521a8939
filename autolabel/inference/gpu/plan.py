"""What was found out about a network on a device, and is then kept to: batch, compiling, who decodes."""

from __future__ import annotations

import msgspec

COMPILE_SECONDS = 60.0
"""What compiling may cost."""
COMPILED_GAIN = 1.3
"""What it brings at least: 1.1 for transformers, 1.4 to 2.1 for convolutions, by timm's own benchmarks."""
SHARES = 16
"""Parts of a batch of which a number is decoded by the device."""


class DevicePlan(msgspec.Struct, frozen=True):
    """How batches are computed; the same plan gives the same vectors, up to what the libraries below it choose."""

    batch: int
    compiled: bool
    hardware: int
    """Sixteenths of a batch that the device decodes."""
    reduced: bool
    """bfloat16."""

    @property
    def words(self) -> str:
        """What of it can be seen in the vectors."""
        decoded = f", {self.hardware}/{SHARES} of a batch by nvJPEG" if self.hardware else ""
        return f"{'bf16' if self.reduced else 'fp32'}{', compiled' if self.compiled else ''}{decoded}"


def repays_compiling(objects: int, per_second: float) -> bool:
    """Whether so many objects at so many a second save more seconds than compiling takes."""
    seconds = objects / max(per_second, 1e-9)
    return seconds * (1.0 - 1.0 / COMPILED_GAIN) > COMPILE_SECONDS


def hardware_share(by_device: float, by_threads: float) -> int:
    """Sixteenths of a batch that the device should decode, given how many a second each decodes alone."""
    if by_device <= 0.0:
        return 0
    return round(SHARES * by_device / (by_device + by_threads))
