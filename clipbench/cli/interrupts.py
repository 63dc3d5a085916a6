"""Ctrl-C and the end of a batch job: a run stops in order, and says what is kept."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

SHOW_CURSOR = "\x1b[?25h"


class Interrupts:
    """While a run is going: the first SIGINT or SIGTERM ends it in order, a second one at once; both say what is kept.

    The exit code is 128 and the signal's number, as shells have it: 130 for Ctrl-C.
    """

    def __init__(self, kept: Callable[[], str]) -> None:
        """Take what says, in a line, what is kept and how to go on."""
        self.kept = kept
        self._received = 0
        self._before: dict[int, Any] = {}
        self._process = os.getpid()

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            # What nohup or a shell's `&` has set to be ignored stays so.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            self._end(self._received or signal.SIGINT)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # A process that decodes images: its parent got the same signal, and takes any other code for a crash.
            os._exit(0)
        if self._received:
            self._end(number)
        self._received = number
        raise KeyboardInterrupt

    def _end(self, number: int) -> NoReturn:
        """Say what is kept and end at once: a second signal would meet a Python that is half ended."""
        # Without Python's buffers, in whose midst a second signal may have arrived.
        if sys.stdout.isatty():
            os.write(sys.stdout.fileno(), f"{SHOW_CURSOR}\r\n".encode())
        os.write(2, f"{self.kept()}\n".encode(errors="replace"))
        os._exit(128 + number)
