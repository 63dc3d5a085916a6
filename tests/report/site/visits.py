"""A site opened in a browser, from disk or over http."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..visits import DESKTOP, Visit


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; yields its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@cache
def _axe() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


class SiteVisit(Visit):
    """A page of a site; it can be asked for barriers."""

    def barriers(self) -> list[str]:
        """Return what axe-core finds: rule, and the first element that breaks it."""
        self.evaluate(_axe() + ";0")
        found = self.evaluate("axe.run(document, {preload: false}).then((found) => found.violations)")
        return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"][:1]]

    def assert_sound(self) -> None:
        """Nothing is wider than the window, too small, or a barrier."""
        self.assert_fits()
        assert self.too_small() == []
        assert self.barriers() == []


class Browser:
    """Opens pages of sites; each must load nothing from elsewhere and log no error."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._opened: list[tuple[Any, SiteVisit]] = []

    def open(
        self,
        site: Path | str,
        path: str = "index.html",
        size: tuple[int, int] = DESKTOP,
        scheme: str = "light",
        **context: Any,
    ) -> SiteVisit:
        """Open a page of a site, a folder or an address; `path` may have a query and an anchor."""
        root = site if isinstance(site, str) else site.resolve().as_uri()
        viewport = {"width": size[0], "height": size[1]}
        opened = self._browser.new_context(viewport=viewport, color_scheme=scheme, reduced_motion="reduce", **context)
        page = opened.new_page()
        visited = SiteVisit(page)
        visited.listen(root)
        page.goto(f"{root}/{path}")
        self._opened.append((opened, visited))
        return visited

    def close(self) -> None:
        """Close all pages; nothing may have gone wrong in them."""
        for opened, _ in self._opened:
            opened.close()
        wrong = [problem for _, visited in self._opened for problem in visited.wrong]
        assert not wrong, wrong
