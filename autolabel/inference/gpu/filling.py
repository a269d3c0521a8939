"""What the threads do: read pictures and decode them into a slot, a few of them on the device's decoding engines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autolabel.errors import ObjectError
from autolabel.inference.images import INVALID_IMAGE, decode, open_image, orientation_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from autolabel.inference.gpu.hardware import HardwareDecoder
    from autolabel.inference.gpu.slots import Slot
    from autolabel.inference.images import ImageLimits

    Get = Callable[[int], bytes | str]


@dataclass(slots=True, eq=False)
class Filled:
    """What became of some rows of a slot.

    Attributes
    ----------
    failures
        By object number.
    pictures
        Those that are on the device already, ``(3, H, W)``, in the order of their rows.
    """

    failures: dict[int, str] = field(default_factory=dict)
    pictures: list[Tensor] = field(default_factory=list)


class Filler:
    """Fills rows of slots; thread-safe.

    Parameters
    ----------
    name
        Of the encoder, for messages.
    wanted
        Pixels of each side that a large JPEG is decoded to at least.
    hardware
        The device's decoder, if it takes part; only one thread at a time calls `fill_by_device`.
    """

    def __init__(self, name: str, wanted: int, limits: ImageLimits, hardware: HardwareDecoder | None) -> None:
        self._name = name
        self._wanted = wanted
        self._limits = limits
        self._hardware = hardware

    def fill(self, slot: Slot, first: int, numbers: list[int], get: Get) -> Filled:
        """Decode objects into rows from `first` on."""
        filled = Filled()
        for row, number in enumerate(numbers, start=first):
            try:
                slot.put(row, decode(self._bytes_of(get(number)), self._wanted, self._limits))
            except ObjectError as error:
                filled.failures[number] = str(error)
        return filled

    def fill_by_device(self, slot: Slot, numbers: list[int], get: Get) -> Filled:
        """Let the device decode objects for the first rows; when it should not see one of them, or refuses, do it here.

        Which way they go depends on these objects alone.
        """
        raws = {}
        failures = {}
        for number in numbers:
            try:
                raws[number] = self._bytes_of(get(number))
            except ObjectError as error:
                failures[number] = str(error)
        sizes = [self.plain_size(raw, slot.side) for raw in raws.values()]
        if self._hardware is not None and not failures and None not in sizes:
            pictures = self._hardware.decode(list(raws.values()))
            if pictures is not None:
                for row, picture in enumerate(pictures):
                    slot.place_whole(row, picture.shape[2], picture.shape[1])
                return Filled({}, pictures)
        for row, number in enumerate(numbers):
            if number in raws:
                failures |= self.fill(slot, row, [number], raws.__getitem__).failures
        return Filled(failures)

    def plain_size(self, raw: bytes, side: int) -> tuple[int, int] | None:
        """Width and height of a JPEG that fits as it is and that every decoder can decode; ``None`` for others."""
        try:
            image = open_image(raw, self._limits)
        except ObjectError:
            return None
        plain = image.format == "JPEG" and image.mode == "RGB" and not image.info.get("progressive")
        if not plain or max(image.size) > side or orientation_of(image.info.get("exif", b"")) > 1:
            return None
        return image.size

    def _bytes_of(self, raw: bytes | str) -> bytes:
        if isinstance(raw, str):
            raise ObjectError(INVALID_IMAGE, f"a text, but {self._name} reads pictures; use a text encoder")
        return raw
