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

LABELS = """
  const box = (element) => element.getBoundingClientRect();
  const plots = Array.from(document.querySelectorAll("[data-plot]"));
  const boxes = (plot, kind) => Array.from(plot.querySelectorAll(kind)).map(box).filter((found) => found.width);
  const touch = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const crowded = (found) => found.some((one, at) => found.slice(at + 1).some((other) => touch(one, other)));
  const within = (a, b) => a.left >= b.left - 1 && a.right <= b.right + 1 && a.bottom <= b.bottom + 1;
"""
WRONG = {
    "ticks touch": "plots.filter((plot) => ['.xtick text', '.ytick text'].some((kind) => crowded(boxes(plot, kind))))",
    "text is cut": "plots.filter((plot) => boxes(plot, 'text').some((text) => !within(text, box(plot))))",
    "names touch": "plots.filter((plot) => crowded(boxes(plot, '.textpoint')))",
}

SMALL = """
  const plain = (element) => !element.closest("script, style, .hidden, .skip, [hidden], tspan");
  const size = (element) => parseFloat(getComputedStyle(element).fontSize);
  const all = (selector) => Array.from(document.querySelectorAll(selector)).filter(plain);
  const own = (element) => Array.from(element.childNodes).some((node) => node.nodeType === 3 && node.data.trim());
  const side = (element) => { const box = element.getBoundingClientRect(); return Math.min(box.width, box.height); };
  const texts = all("body *").filter((element) => own(element) && size(element) < 12);
  const targets = all("a, button, input, summary").filter((element) => side(element) && side(element) < 23.5);
  return [...texts, ...targets].map((element) => element.outerHTML.slice(0, 200));
"""


@dataclass
class Visit:
    """An opened page and all that went wrong in it."""

    page: Any
    wrong: list[str] = field(default_factory=list)

    def listen(self, origin: str) -> None:
        """Note what goes wrong from now on, requests that leave `origin` too."""
        page, wrong = self.page, self.wrong
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on(
            "request",
            lambda request: None if request.url.startswith((origin, "data:")) else wrong.append(request.url),
        )

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

    def too_small(self) -> list[str]:
        """Return texts below 12 pixels and what one touches below 24."""
        return list(self.evaluate(f"() => {{ {SMALL} }}"))

    def assert_fits(self) -> None:
        """Nothing is wider than the window, and in no figure do labels touch or leave it."""
        assert self.evaluate("document.documentElement.scrollWidth === window.innerWidth")
        for name, plots in WRONG.items():
            assert self.evaluate(f"() => {{ {LABELS} return {plots}.map((plot) => plot.id); }}") == [], name
