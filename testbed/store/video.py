"""Videos of the driver's view, made from the pictures in a trace.

WebM with VP9: every current browser plays and seeks it, and a ten-second clip at 320 x 160 stays near 200 kB.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from testbed.core.errors import StoreError
from testbed.core.types import Image
from testbed.store.atomic import store_errors, temporary_name


def write_video(path: Path, images: Sequence[Image], fps: float, *, bitrate_bps: int = 350_000) -> None:
    """Write a WebM clip; it appears under its name whole or not at all.

    Args:
        path: Target file.
        images: Pictures of equal, even size, shape (h, w, 3), RGB uint8.
        fps: Pictures per second.
        bitrate_bps: Mean bit rate aimed at.

    Raises:
        StoreError: There is no picture, or the file cannot be written.
    """
    import av

    if not images:
        raise StoreError(f"cannot write {path}: there is no picture")
    temporary = path.with_name(temporary_name(path.name))
    rate = Fraction(fps).limit_denominator(1000)
    try:
        with store_errors(path), av.open(str(temporary), "w", format="webm") as container:
            options = {"deadline": "realtime", "cpu-used": "8", "crf": "30", "g": "30"}
            stream = container.add_stream("libvpx-vp9", rate=rate, options=options)
            stream.height, stream.width = images[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            stream.bit_rate = bitrate_bps
            stream.thread_count = 1
            for image in images:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
