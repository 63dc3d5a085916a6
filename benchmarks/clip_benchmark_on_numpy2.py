"""Runs CLIP_benchmark's own command line with the one line mended that stops it under numpy 2.

Started by the interpreter of CLIP_benchmark's environment; its files stay as they were installed. Release 1.6.2 ends
each single-label classification with `float(array)` of an array of one element, which numpy 2 refuses. The sum's
`keepdim=True` is what makes it an array.
"""

import inspect
import sys

from clip_benchmark.cli import main
from clip_benchmark.metrics import zeroshot_classification

BROKEN, MENDED = ".sum(0, keepdim=True)", ".sum(0)"

source = inspect.getsource(zeroshot_classification.accuracy)
if BROKEN in source:
    exec(source.replace(BROKEN, MENDED), vars(zeroshot_classification))
sys.exit(main())
