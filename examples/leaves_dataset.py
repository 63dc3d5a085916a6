"""A data set of one's own: photographs in one folder, named oak-1.jpg, oak-2.jpg, maple-1.jpg, ...

In a suite, run from this folder or with this file in an installed package:

    datasets:
      leaves: {adapter: "leaves_dataset:Leaves", path: data/leaves}

The constructor's keyword arguments are the keys that the suite may write; a `Path` starts from the suite's folder.
"""

from pathlib import Path

from clipbench.extend import Example, IndexedDataset


class Leaves(IndexedDataset):
    def __init__(self, *, path: Path) -> None:
        self.files = sorted(path.glob("*.jpg"))
        self.classes = tuple(sorted({file.stem.split("-")[0] for file in self.files}))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Example:
        file = self.files[index]
        label = self.classes.index(file.stem.split("-")[0])
        return Example(id=file.name, image=file.read_bytes(), label=label)
