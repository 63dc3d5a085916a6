"""Runs CLIP_benchmark's own linear probe on features that are there, with or without a GPU.

    PYTHON clip_benchmark_probe.py eval --feature_root FOLDER --output FILE [further options of `clip_benchmark eval`]

Started by the interpreter of CLIP_benchmark's environment. Options and defaults are those of its command line; its
`evaluate` finds FOLDER/features/{features,targets}_{train,val,test}.pt and so neither needs a model nor images. FILE
gets the seconds of that call alone, how often it trained, and its metrics.

Its installed files stay as they are. Three things are changed in memory: the assertion that the device is CUDA goes,
`.cuda()` becomes `.to(device)`, and `accuracy` is mended for numpy 2 as in `clip_benchmark_on_numpy2.py`.
"""

import inspect
import json
import time
from pathlib import Path

import torch
from clip_benchmark import cli
from clip_benchmark.metrics import linear_probe, zeroshot_classification

accuracy = inspect.getsource(zeroshot_classification.accuracy)
exec(accuracy.replace(".sum(0, keepdim=True)", ".sum(0)"), vars(zeroshot_classification))
probe = inspect.getsource(linear_probe)
exec(probe.replace("assert device == 'cuda'", "pass").replace(".cuda()", ".to(device)"), vars(linear_probe))

train, trainings = linear_probe.train, []


def counted(*arguments: object) -> object:
    trainings.append(arguments)
    return train(*arguments)


linear_probe.train = counted
_, options = cli.get_parser_args()
torch.manual_seed(options.seed)
started = time.perf_counter()
metrics = linear_probe.evaluate(
    torch.nn.Identity(),
    None,
    None,
    options.fewshot_k,
    options.batch_size,
    options.num_workers,
    options.fewshot_lr,
    options.fewshot_epochs,
    "features",
    options.seed,
    options.feature_root,
    val_dataloader=(),  # it only asks whether there is one
    device="cuda" if torch.cuda.is_available() else "cpu",
    normalize=options.normalize,
    amp=options.amp,
    verbose=options.verbose,
)
seconds = time.perf_counter() - started
report = {"seconds": seconds, "trainings": len(trainings), "metrics": metrics}
Path(options.output).write_text(json.dumps(report))
