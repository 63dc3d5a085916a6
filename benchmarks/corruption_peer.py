"""Times imagecorruptions in an environment of its own; called by corruptions.py, needs nothing of clipbench.

    PYTHON benchmarks/corruption_peer.py IMAGES.npy SECONDS SEVERITY ...

The array has (n, 224, 224, 3) bytes. Prints {name: {severity: images per second}} as JSON.
"""

from __future__ import annotations

import json
import sys
import time

import cv2
import numpy as np
from imagecorruptions import corrupt, get_corruption_names


def rate(name: str, severity: int, images: np.ndarray, seconds: float) -> float:
    corrupt(images[0], corruption_name=name, severity=severity)
    started, done = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < seconds:
        corrupt(images[done % len(images)], corruption_name=name, severity=severity)
        done += 1
    return done / elapsed


def main() -> None:
    cv2.setNumThreads(1)
    images, seconds, severities = np.load(sys.argv[1]), float(sys.argv[2]), [int(text) for text in sys.argv[3:]]
    names = get_corruption_names("all")
    rates = {name: {severity: rate(name, severity, images, seconds) for severity in severities} for name in names}
    print(json.dumps(rates))


if __name__ == "__main__":
    main()
