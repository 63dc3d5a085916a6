"""Photograph the repository's board, of what is submitted beside open_clip's published table, as docs/board.webp.

python docs/screenshot.py
"""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

import clipbench

REPOSITORY = Path(__file__).parents[1]
VIEW = "#preset=datacomp&heat=1"
"""What is seen, as the address of the index has it."""
LARGEST = 200_000
"""Bytes that the picture may have."""


def photograph(site: Path) -> bytes:
    """Return a picture of a site's first screen, as PNG."""
    with sync_playwright() as driver:
        found = shutil.which("chromium") or shutil.which("google-chrome")
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800}, device_scale_factor=1.5, color_scheme="light")
        page.goto((site / "index.html").resolve().as_uri() + VIEW)
        page.wait_for_timeout(1000)
        taken: bytes = page.screenshot()
        browser.close()
    return taken


def compressed(picture: bytes) -> bytes:
    """Return a picture as WebP, in the best quality that is small enough."""
    for quality in range(90, 20, -5):
        encoded = io.BytesIO()
        Image.open(io.BytesIO(picture)).convert("RGB").save(encoded, "webp", quality=quality, method=6)
        if encoded.tell() <= LARGEST:
            return encoded.getvalue()
    raise SystemExit(f"no quality makes it smaller than {LARGEST:,} bytes")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        submitted = clipbench.load_results(*sorted((REPOSITORY / "reports" / "submissions").iterdir()))
        clipbench.write_site(submitted, Path(folder), title="clipbench board", published=["open-clip"])
        (REPOSITORY / "docs" / "board.webp").write_bytes(compressed(photograph(Path(folder))))
