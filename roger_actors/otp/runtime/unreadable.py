"""What is left of a pickled signal that cannot be read here, so that whoever waits for an answer gets one.

A class that only the sending host knows, or one whose own code raises when it is restored, is found out
when the signal arrives. Read once more, with nothing but this layer's classes, the signal still tells what
it is and who asks.
"""

from __future__ import annotations

import io
import pickle
from typing import Any


class _Unknown:
    """Stands for an object of a class that is not this layer's."""

    def __new__(cls, *_: Any, **__: Any) -> _Unknown:  # noqa: PYI034 - it is never subclassed
        return super().__new__(cls)

    def __setstate__(self, _: Any) -> None:
        """Take any state."""

    def __setitem__(self, _: Any, __: Any) -> None:
        """Take any item."""

    def append(self, _: Any) -> None:
        """Take any item."""

    def __call__(self, *_: Any, **__: Any) -> _Unknown:
        """Return a further one, whatever is called."""
        return self


class _Reader(pickle.Unpickler):
    """Loads this layer's own classes; anything else becomes `_Unknown`, and none of its code runs."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a class of this layer, or the stand-in."""
        return super().find_class(module, name) if module.startswith("roger_actors.otp.") else _Unknown


def readable_part(item: bytes) -> list[Any] | None:
    """Return a pickled signal with stand-ins for all that is not this layer's; None if it is no signal."""
    try:
        signal = _Reader(io.BytesIO(item)).load()
    except Exception:  # noqa: BLE001 - its bytes may say anything
        return None
    return signal if isinstance(signal, list) and signal and isinstance(signal[0], int) else None
