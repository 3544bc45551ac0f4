"""Find words and sentences that readers stumble over, in code and in documentation.

`python tests/helpers/prose.py [FILE ...]` prints them, by default for all files.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
# Two of these have to name the words that no other file may use. One is generated.
EXCEPTIONS = {
    "tests/helpers/prose.py",
    "tests/test_prose.py",
    "benchmarks/results/figures.json",
}
FOLDERS = ("benchmarks", "docs", "examples", "fmnist_fast", "src", "tests")
SUFFIXES = {".py", ".pyi", ".pyx", ".pxd", ".pxi", ".c", ".h", ".md", ".toml", ".json"}
MAX_WORDS = 30  # in a sentence of the documentation

BANNED = {
    r"anew|belies|foretold|goes with|which see": "archaic",
    r"there isn't|there aren't|there is none|be it|so many|but for": "archaic",
    r"or else|all else|nothing but|whilst": "archaic",
    r"(?:\(\d[\d.,]* x\))": "a ratio that can't be read aloud",
    r"(?-i:Of|What|Which|Whose|Those|That)": "starts a sentence",
    r"\w*(?:colour|behaviour|neighbour|favour)\w*": "British",
    r"grey\w*|centres?|licences?|cancelled|labelled": "British",
    r"(?:normal|initial|optim|recogn|serial|organ|quant|summar|parallel|synchron|vector"
    r"|random|minim|maxim)is(?:e|es|ed|ing|ations?)": "British",
}
_PATTERNS = {
    re.compile(rf"(?<!\w)(?:{words.replace(' ', chr(92) + 's+')})(?!\w)", re.I): why
    for words, why in BANNED.items()
}
_C_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"', re.DOTALL)
_STRING = re.compile(r"^[A-Za-z]*(\"\"\"|'''|\"|')(.*)\1$", re.DOTALL)
# Python 3.12 and later divide f-strings into several tokens.
_SKIPPED = {tokenize.NL, tokenize.NEWLINE} | {
    getattr(tokenize, name, tokenize.NL) for name in ("FSTRING_START", "FSTRING_END")
}
_STRINGS = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}


class Text(NamedTuple):
    """A comment, a string or a paragraph, and the line that it starts on."""

    line: int
    words: str


def banned_words(path: str, source: str) -> Iterator[str]:
    """Yield a message for each banned word or phrase in a file."""
    for text in texts(path, source):
        prose = re.sub(r"`[^`]*`|\S+://\S+", "CODE", text.words).replace("\u2019", "'")
        for pattern, why in _PATTERNS.items():
            for match in pattern.finditer(prose):
                line = text.line + prose.count("\n", 0, match.start())
                words = " ".join(match[0].split())
                yield f"{path}:{line}: {words!r} ({why})"


def long_sentences(path: str, source: str) -> Iterator[str]:
    """Yield a message for each sentence of a Markdown file that has too many words."""
    for text in _paragraphs(source):
        plain = re.sub(r"`[^`]*`", "CODE", text.words)
        plain = re.sub(r"\b(e\.g|i\.e|vs|etc)\. ", r"\1 ", plain)
        plain = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", plain)
        for sentence in re.split(r"(?<=[.!?])[)\"*]*\s+(?=[\"(*\w])", plain):
            n = len(re.findall(r"\S*\w\S*", sentence))
            if n > MAX_WORDS:
                start = " ".join(sentence.split()[:8])
                yield f"{path}:{text.line}: {n} words, at most {MAX_WORDS}: {start} ..."


def texts(path: str, source: str) -> list[Text]:
    """Return the prose of a file: comments and strings, or paragraphs, or lines."""
    suffix = Path(path).suffix
    if suffix in (".c", ".h"):
        return [
            Text(source.count("\n", 0, match.start()) + 1, match[0].strip('/*"'))
            for match in _C_TEXT.finditer(source)
        ]
    if suffix in (".py", ".pyi", ".pyx", ".pxd", ".pxi"):
        return _python_texts(source)
    if suffix == ".md":
        return _paragraphs(source)
    return [
        Text(number, line if suffix else line.partition("#")[2])
        for number, line in enumerate(source.splitlines(), 1)
    ]


def _python_texts(source: str) -> list[Text]:
    """Return comments, and strings with those that follow them, without doctests."""
    found: list[Text] = []
    previous = None
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in _SKIPPED:
            continue
        kind = "string" if token.type in _STRINGS else token.type
        if token.type == tokenize.COMMENT:
            words = token.string.lstrip("#:! ")
        elif kind == "string":
            match = _STRING.match(token.string)
            words = match[2] if match else token.string
            words = re.sub(r"^ *(>>>|\.\.\. ).*$", "", words, flags=re.MULTILINE)
        else:
            previous = kind
            continue
        if kind == previous:
            first = found[-1]
            gap = "\n" * (token.start[0] - first.line - first.words.count("\n"))
            found[-1] = Text(first.line, f"{first.words}{gap or ' '}{words}")
        else:
            found.append(Text(token.start[0], words))
        previous = kind
    return found


def _paragraphs(source: str) -> list[Text]:
    """Return paragraphs, list items, headings and cells, without code and comments."""
    source = re.sub(
        r"<!--.*?-->", lambda m: "\n" * m[0].count("\n"), source, flags=re.S
    )
    found: list[Text] = []
    in_code, is_open = False, False
    for number, line in enumerate(source.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("```"):
            in_code, is_open = not in_code, False
        elif in_code or not stripped or (line.startswith("    ") and not is_open):
            is_open = False
        elif stripped.startswith("|"):
            found += [Text(number, cell.strip()) for cell in stripped.split("|")]
            is_open = False
        elif is_open and not re.match(r"[-*] |\d+\. |#", stripped):
            found[-1] = Text(found[-1].line, f"{found[-1].words}\n{stripped}")
        else:
            found.append(Text(number, re.sub(r"^([-*]|\d+\.|#+) ", "", stripped)))
            is_open = not stripped.startswith("#")
    return found


def files() -> list[str]:
    """Return the project's files with prose, relative to its folder."""
    paths = [*ROOT.glob("*.*"), *(p for f in FOLDERS for p in (ROOT / f).rglob("*.*"))]
    names = {path.relative_to(ROOT) for path in paths if path.suffix in SUFFIXES}
    shown = [name for name in names if not any(p.startswith(".") for p in name.parts)]
    return sorted({".ci/run", *(name.as_posix() for name in shown)} - EXCEPTIONS)


def documentation() -> list[str]:
    """Return the pages of the documentation, with those at the top level."""
    return [
        name
        for name in files()
        if name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")
        or name.startswith("docs/")
    ]


def main() -> int:
    """Print what was found; return 1 if there was anything."""
    names = [str(Path(name)) for name in sys.argv[1:]] or files()
    n_found = 0
    for name in names:
        source = (ROOT / name).read_text(encoding="utf-8")
        messages = list(banned_words(name, source))
        if name.endswith(".md"):
            messages += long_sentences(name, source)
        n_found += len(messages)
        print(*messages, sep="\n", end="\n" * bool(messages))
    return int(n_found > 0)


if __name__ == "__main__":
    sys.exit(main())
