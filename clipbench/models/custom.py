"""Models that a user's own class provides, named by dotted path."""

from __future__ import annotations

import inspect
import pickle
import uuid
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from clipbench.errors import UserError
from clipbench.fingerprint import digest, digest_code, digest_tensors
from clipbench.models.base import (
    Availability,
    ImageModel,
    ModelInfo,
    ModelPedigree,
    ModelSource,
    Precision,
    check_normalisation,
)
from clipbench.plugins import load_code, load_object

if TYPE_CHECKING:
    from torch import Tensor

_IMAGE_MEMBERS = ("info", "transform", "encode_images")
_TEXT_MEMBERS = ("text_length", "tokenize", "encode_tokens")


class DottedSource(ModelSource):
    """A class `package.module:Class` that is an `ImageModel`, an `ImageTextModel` or a plain torch module.

    It is made as `Class(device=..., precision=...)`, each only if its signature names it; a function that
    returns such an object serves too. A torch module without `info` and `encode_images` is an image-only
    model: it maps (B, 3, H, W) to (B, F), and its attribute `transform` is its preprocessing.
    """

    def __init__(self, name: str, path: str, *, installed: bool = False) -> None:
        """Name a class by its dotted path; `installed`: a package that is installed gives it a name of its own."""
        self.name = name
        self.path = path
        self.about = path
        self._import = load_object if installed else load_code
        self._run_key = uuid.uuid4().hex

    def look(self) -> Availability:
        """Import the class, and say that it is here: where its weights are is the class's own affair.

        Raises:
            UnknownName: there is no such class.
        """
        self._import(self.path, where=f"model {self.name}")
        return Availability(local=True, where=self.path)

    def fetch(self) -> None:
        """Do nothing: the class fetches what it needs when it is made."""

    def locator(self) -> str | None:
        """Return None: only the loaded model knows its digests."""
        return None

    def load(self, device: str, precision: Precision) -> ImageModel:
        """Import the class, make the model and check that it has all that is asked of one.

        Raises:
            UserError: no such class, members are missing, or its info has no digests.
        """
        import torch

        factory, made = self._made(device, precision)
        code = self._digest_code(factory, type(made))
        if _is_bare_module(made):
            return self._image_only(made, device, precision, code)
        self._check_members(made, _IMAGE_MEMBERS)
        if not isinstance(made.info, ModelInfo):
            fix = "make it a clipbench.extend.ModelInfo"
            raise UserError(f"`info` is a {type(made.info).__name__}", where=self.name, fix=fix)
        members = (*_IMAGE_MEMBERS, *_TEXT_MEMBERS) if made.info.has_text else _IMAGE_MEMBERS
        self._check_members(made, members)
        self._check_digests(made.info.pedigree)
        _check_steps(made.transform, self.name)
        known = made.info.pedigree
        pedigree = replace(known, architecture=digest([known.architecture, code])) if code else known
        model = {name: getattr(made, name) for name in members}
        for step in ("encode_images", "encode_tokens"):
            if step in model:
                # Whoever wrote it: no gradients, and no memory for them.
                model[step] = torch.inference_mode()(model[step])
        return cast(ImageModel, SimpleNamespace(**{**model, "info": replace(made.info, pedigree=pedigree)}))

    def _made(self, device: str, precision: Precision) -> tuple[Any, Any]:
        """Return what makes the model, and the model."""
        factory = self._import(self.path, where=f"model {self.name}")
        return factory, _make(factory, {"device": device, "precision": precision})

    def _digest_code(self, factory: Any, made: type) -> str:
        """Return what the model's code is known by; one of this run alone where its source cannot be read."""
        code = digest_code(*dict.fromkeys((factory, made)))
        if code is None:
            self.notes = (
                f"The source of {self.path} cannot be read, so that no other run can use what it embedded; "
                "a `version` declared on the class changes that.",
            )
            return self._run_key
        return code

    def _image_only(self, module: Any, device: str, precision: Precision, code: str) -> ImageModel:
        import torch

        from clipbench.models.image_only import pooling_encoder

        transform = self._transform_of(module)
        _check_steps(transform, self.name)
        info = describe_module(
            self.name,
            {name: value for name, value in module.state_dict().items() if isinstance(value, torch.Tensor)},
            transform=repr(transform),
            architecture={"module": repr(module), "source": code},
            precision=precision,
            features=("backbone",),
            library=f"torch {torch.__version__}",
        )
        return pooling_encoder(info, device, module, transform)

    def _transform_of(self, module: Any) -> Any:
        """Return a module's preprocessing, if it can be sent to worker processes and says what it does."""
        transform = getattr(module, "transform", None)
        fix = (
            "set the module's attribute `transform` to what turns an RGB image into (3, H, W), e.g. a torchvision "
            "Compose; or make the class a clipbench.extend.ImageModel"
        )
        if not callable(transform):
            problem = f"{self.path} is a torch module without `transform`, so its preprocessing is unknown"
            raise UserError(problem, where=self.name, fix=fix)
        if inspect.ismethod(transform) or " at 0x" in repr(transform):
            problem = f"`transform` of {self.path} does not say what it does (its repr is that of any function)"
            raise UserError(problem, where=self.name, fix=fix)
        try:
            pickle.dumps(transform)
        except Exception as error:
            # Objects differ in what they raise.
            problem = f"`transform` of {self.path} cannot be sent to worker processes ({error})"
            raise UserError(problem, where=self.name, fix="use no lambda or local function in it") from error
        return transform

    def _check_members(self, made: Any, members: tuple[str, ...]) -> None:
        missing = [member for member in members if not hasattr(made, member)]
        if missing:
            fix = "see ImageModel and ImageTextModel in clipbench.extend"
            raise UserError(f"{self.path} lacks {', '.join(missing)}", where=self.name, fix=fix)

    def _check_digests(self, pedigree: ModelPedigree) -> None:
        empty = [part for part in ("weights", "transform") if not getattr(pedigree, part)]
        if empty:
            fix = "stored embeddings are keyed on them: make `info` with clipbench.extend.describe_module"
            raise UserError(f"the pedigree in `info` has no digest of {' and '.join(empty)}", where=self.name, fix=fix)


class ObjectSource(DottedSource):
    """A model that is made already: an object that fits `ImageModel`, or a torch module as for `DottedSource`."""

    def __init__(self, model: Any) -> None:
        kind, info = type(model), getattr(model, "info", None)
        name = info.name if isinstance(info, ModelInfo) else kind.__name__
        super().__init__(name, f"{kind.__module__}:{kind.__qualname__}")
        self._model = model

    def look(self) -> Availability:
        """Say that it is here."""
        return Availability(local=True, where="in this process")

    def _made(self, device: str, precision: Precision) -> tuple[Any, Any]:
        return type(self._model), self._model


def describe_module(
    name: str,
    weights: Mapping[str, Tensor],
    *,
    transform: Any,
    tokenizer: Any = None,
    architecture: Any = "",
    precision: Precision = "float32",
    logit_scale: float = 1.0,
    logit_bias: float = 0.0,
    features: tuple[str, ...] = ("projected",),
    trained_on: tuple[str, ...] | None = None,
    context_length: int | None = None,
    library: str = "",
) -> ModelInfo:
    """Return the info of a torch model, with the digests that stored embeddings are keyed on.

    Args:
        name: as shown in results; precision and all from `logit_scale` on are as in `ModelInfo` too.
        weights: `module.state_dict()`.
        transform: anything JSON-like that changes when the preprocessing does, e.g. the `repr` of torchvision's.
        tokenizer: likewise for the tokenizer; None for an image-only model.
        architecture: likewise for what is computed with the weights, e.g. `repr(module)`.
    """
    _check_descriptions(name, transform=transform, tokenizer=tokenizer, architecture=architecture)
    pedigree = ModelPedigree(
        weights=digest_tensors(weights),
        transform=digest(transform),
        tokenizer="" if tokenizer is None else digest(tokenizer),
        precision=precision,
        architecture=digest(architecture),
    )
    has_text = tokenizer is not None
    return ModelInfo(name, pedigree, has_text, logit_scale, logit_bias, features, trained_on, context_length, library)


def _check_descriptions(name: str, **described: Any) -> None:
    """Raise a UserError if a description holds a memory address, so that it would differ in each process."""
    for part, description in described.items():
        if " at 0x" in repr(description):
            fix = "describe it by what it does, e.g. a dict of sizes and means"
            raise UserError(f"the description of the {part} holds a memory address", where=name, fix=fix)


def _make(factory: Any, options: Mapping[str, Any]) -> Any:
    parameters = inspect.signature(factory).parameters
    return factory(**{name: value for name, value in options.items() if name in parameters})


def _is_bare_module(made: Any) -> bool:
    from torch import nn

    return isinstance(made, nn.Module) and not hasattr(made, "info") and not hasattr(made, "encode_images")


def _check_steps(transform: Any, name: str) -> None:
    """Check what a torchvision transform, or one step of it, normalises with; of others nothing is known."""
    for step in (transform, *getattr(transform, "transforms", ())):
        if type(step).__name__ == "Normalize":
            check_normalisation(step.mean, step.std, name)
