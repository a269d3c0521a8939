"""What a task may cost on Amazon Mechanical Turk, in US dollars."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from autolabel.api.arns import BuiltInTask
from autolabel.api.lookup import PRICE, look

_HIGH = tuple(Decimal(price) for price in ("0.840", "0.960", "1.080", "1.200"))
_MEDIUM = tuple(
    Decimal(price) for price in ("0.036", "0.048", "0.060", "0.072", "0.120", "0.240", "0.360", "0.480", "0.600")
)
_BOXES = (*_MEDIUM, Decimal("0.720"), *_HIGH)
_CLASSES = (Decimal("0.012"), Decimal("0.024"), *_BOXES)

_ALLOWED = {
    BuiltInTask.BOUNDING_BOX: _BOXES,
    BuiltInTask.SEMANTIC_SEGMENTATION: _HIGH,
    BuiltInTask.IMAGE_MULTI_CLASS: _CLASSES,
    BuiltInTask.IMAGE_MULTI_CLASS_MULTI_LABEL: _CLASSES,
    BuiltInTask.TEXT_MULTI_CLASS: _CLASSES,
    BuiltInTask.TEXT_MULTI_CLASS_MULTI_LABEL: _CLASSES,
    BuiltInTask.PASS_THROUGH: _CLASSES,
}


def allowed_prices(task: BuiltInTask | None) -> tuple[Decimal, ...]:
    """Return the prices that AWS allows for a task type (``None``: custom); empty where it names none."""
    return _CLASSES if task is None else _ALLOWED.get(task, ())


def price_of(document: Mapping[str, object]) -> Decimal | None:
    """Return what a document pays a public worker for a task; ``None`` when it says nothing readable."""
    amount = look(document, PRICE)
    if not isinstance(amount, Mapping):
        return None
    parts = [amount.get(name, 0) for name in ("Dollars", "Cents", "TenthFractionsOfACent")]
    if not all(isinstance(part, int) for part in parts):
        return None
    dollars, cents, tenths = parts
    return Decimal(1000 * dollars + 10 * cents + tenths).scaleb(-3)
