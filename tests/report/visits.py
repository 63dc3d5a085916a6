"""A page opened in a browser."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, PHONE = (1440, 900), (390, 844)


@dataclass
class Visit:
    """An opened page and all that went wrong in it."""

    page: Any
    wrong: list[str] = field(default_factory=list)

    def draw_all(self) -> None:
        """Scroll past every figure that is not in closed details and wait until each is drawn."""
        for box in self.page.locator("[data-plot]").all():
            if not box.is_visible():
                continue
            box.scroll_into_view_if_needed()
            box.locator(".main-svg").first.wait_for()

    def open_all(self) -> None:
        """Open all details."""
        self.evaluate("document.querySelectorAll('details').forEach((box) => { box.open = true; })")

    def evaluate(self, script: str) -> Any:
        return self.page.evaluate(script)
