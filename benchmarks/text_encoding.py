"""The text path: batches cut to their longest text, against whole rows of 77 tokens and against open_clip's own loop.

    python benchmarks/text_encoding.py [--model ViT-B-32|cifar-clip] [--classes 250] [--rounds 2]

The texts are ImageNet's class names in eight of OpenAI's 80 templates. All three tokenise, encode in float32 in
batches of 64, and must give the same embeddings.
"""

from __future__ import annotations

import torch
from measure import Ratio, alternate, show
from open_clip_pair import Pair, build_pair, parser_with_common_options

from clipbench.datasets.classes.imagenet import imagenet_class_names, templates_of
from clipbench.embed.texts import BATCH, encode_tokens
from clipbench.models.base import cutting_is_exact

CUT, WHOLE, BARE = "clipbench, cut to the longest text", "clipbench, whole rows", "open_clip, own loop"
TEMPLATES = 8


def make_texts(classes: int) -> list[str]:
    """Return prompts for so many of ImageNet's names, evenly spread over the list; so are the templates."""
    names, templates = imagenet_class_names(), templates_of("open_clip:openai-imagenet")
    chosen = [names[len(names) * at // classes] for at in range(classes)]
    spread = [templates[len(templates) * at // TEMPLATES] for at in range(TEMPLATES)]
    return [template.format(name) for name in chosen for template in spread]


def encode_clipbench(pair: Pair, texts: list[str], *, cut: bool) -> torch.Tensor:
    """Tokenise and encode as clipbench does."""
    return torch.from_numpy(encode_tokens(pair.clipbench, pair.clipbench.tokenize(texts), cut=cut))


def encode_open_clip(pair: Pair, texts: list[str]) -> torch.Tensor:
    """Tokenise and encode batch by batch, as open_clip's documentation shows it."""
    with torch.inference_mode():
        batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
        return torch.cat([pair.bare.encode_text(pair.tokenizer(batch)) for batch in batches])


def difference(one: torch.Tensor, other: torch.Tensor) -> str:
    """Return the largest difference of normalised embeddings."""
    one, other = (torch.nn.functional.normalize(embeddings.double(), dim=-1) for embeddings in (one, other))
    return f"{(one - other).abs().max().item():.1e}"


def main() -> None:
    parser = parser_with_common_options("Compare the text path with whole-length encoding.", rounds=2)
    parser.add_argument("--classes", type=int, default=250, help="of ImageNet's 1,000 [%(default)s]")
    arguments = parser.parse_args()
    if not 1 <= arguments.classes <= 1000:
        parser.error("--classes: 1 to 1000")
    torch.set_num_threads(arguments.threads)
    pair, texts = build_pair(arguments.model), make_texts(arguments.classes)
    if not cutting_is_exact(pair.clipbench):
        raise SystemExit(f"{arguments.model}: its texts cannot be cut, so there is nothing to compare")
    encode_open_clip(pair, texts[:BATCH])
    timings = alternate(
        {
            CUT: lambda _: encode_clipbench(pair, texts, cut=True),
            WHOLE: lambda _: encode_clipbench(pair, texts, cut=False),
            BARE: lambda _: encode_open_clip(pair, texts),
        },
        arguments.rounds,
    )
    lengths, context = pair.clipbench.tokenize(texts).lengths, pair.tokenizer.context_length
    facts = {
        "tokens a text, mean and most": f"{lengths.double().mean():.1f}, {lengths.max()} of {context}",
        "largest difference, cut and whole": difference(timings[CUT].last, timings[WHOLE].last),
        "largest difference, cut and open_clip": difference(timings[CUT].last, timings[BARE].last),
    }
    ratios = [
        Ratio("cut, times faster than whole rows", CUT, WHOLE, aim=6),
        Ratio("cut, times faster than open_clip's loop", CUT, BARE),
    ]
    title = f"{len(texts):,} texts, {arguments.model}, batches of {BATCH}"
    show(title, timings, ratios, items=len(texts), unit="texts", facts=facts, json_file=arguments.json)


if __name__ == "__main__":
    main()
