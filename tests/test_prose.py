"""Code and documentation use no words that readers stumble over."""

import pytest
from helpers import prose


@pytest.mark.parametrize("path", prose.files())
def test_no_banned_words(path):
    source = (prose.ROOT / path).read_text(encoding="utf-8")
    found = list(prose.banned_words(path, source))
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize("path", prose.documentation())
def test_no_long_sentences(path):
    source = (prose.ROOT / path).read_text(encoding="utf-8")
    found = list(prose.long_sentences(path, source))
    assert not found, "\n".join(["", *found])


def test_the_whole_project_is_searched():
    names = prose.files()
    for name in (
        "README.md",
        "docs/files.md",
        "src/batch.c",
        "src/augment/draws.h",
        "src/_core.pyx",
        "fmnist_fast/loader.py",
        "fmnist_fast/_core.pyi",
        "tests/test_loader.py",
        "benchmarks/work.py",
        "examples/train_jax.py",
        "benchmarks/comparison/environments.toml",
        "fmnist_fast/_dataset/known_cards.json",
        ".ci/run",
    ):
        assert name in names
    assert not {*names} & prose.EXCEPTIONS


PLANTED = [
    ("a.py", '"""Draw it anew."""\n', "a.py:1: 'anew'"),
    ("a.py", "x = 1\n# as the size\n# belies\n", "a.py:3: 'belies'"),
    ("a.py", "# be\n# it one\n", "a.py:1: 'be it'"),
    ("a.py", 'raise E(\n    "is not so "\n    "many"\n)\n', "a.py:2: 'so many'"),
    ("a.py", 'raise E(f"but {x}: {y} but for z")\n', "a.py:1: 'but for'"),
    ("a.py", "raise E(f'so '\n  f'many {y}')\n", "a.py:1: 'so many'"),
    ("a.py", '"""Read.\n\n    a : int\n        Of the file.\n"""\n', "a.py:4: 'Of'"),
    ("a.py", "# Whose it is\n", "a.py:1: 'Whose'"),
    ("a.py", "colour = 1  # the grey one\n", "a.py:1: 'grey'"),
    ("a.pyx", 'cdef int x  # They aren\'t any\n"""What."""', "a.pyx:2: 'What'"),
    ("a.c", "int x; /* foretold\n   by y */\n", "a.c:1: 'foretold'"),
    ("a.h", "/* one\n   goes with two */\n", "a.h:2: 'goes with'"),
    ("a.c", 'char *x = "which see";\n', "a.c:1: 'which see'"),
    ("a.c", "int x; // normalised\n", "a.c:1: 'normalised'"),
    ("a.md", "One\nthere aren't\n", 'a.md:2: "there aren\'t"'),
    ("a.md", "Text. Those that are\n", "a.md:1: 'Those'"),
    ("a.md", "| a | That is b |\n", "a.md:1: 'That'"),
    ("run", "echo x  # Which one\n", "run:1: 'Which'"),
    ("a.toml", 'note = "Normalised"\n', "a.toml:1: 'Normalised'"),
    ("a.json", '{"a": "is grey"}\n', "a.json:1: 'grey'"),
    ("a.md", "It is fast (6.87 x).\n", "a.md:1: '(6.87 x)'"),
    ("a.md", "There aren\u2019t any.\n", 'a.md:1: "There aren\'t"'),
]


@pytest.mark.parametrize("path, source, message", PLANTED)
def test_planted_words_are_found(path, source, message):
    found = list(prose.banned_words(path, source))
    assert len(found) == 1 and found[0].startswith(message)


HARMLESS = [
    ("a.py", "colour, anew = What, grey  # all of these, and what that is\n"),
    ("a.py", 'x = """See `normalise`.\n\n    >>> What\n    """\n'),
    ("a.c", "int anew = grey; /* the part of that which is normalized */\n"),
    ("a.md", "It is so.\n\n```\nWhat anew\n```\n\n    Of grey\n\n<!-- Those -->\n"),
    ("a.md", "See `anew` and https://host/grey.\n"),
]


@pytest.mark.parametrize("path, source", HARMLESS)
def test_code_is_not_searched(path, source):
    assert list(prose.banned_words(path, source)) == []


WORDS = "one two three four five six seven eight nine ten"


@pytest.mark.parametrize(
    "text, n_words",
    [
        (f"{WORDS} {WORDS}\n{WORDS} more.", 31),
        (f"Short. {WORDS} {WORDS} `one` and - {WORDS}.", 32),
        (f"- {WORDS} {WORDS}\n  [{WORDS}](x.md) more", 31),
        (f"| a | {WORDS} {WORDS} {WORDS} more |", 31),
        (f"{WORDS} {WORDS}, e.g. {WORDS}", 31),
        (f"1. First.\n2. {WORDS} {WORDS}; {WORDS}: more", 31),
    ],
)
def test_planted_long_sentences_are_found(text, n_words):
    (found,) = prose.long_sentences("a.md", text)
    assert f": {n_words} words, at most 30: " in found


@pytest.mark.parametrize(
    "text",
    [
        f"{WORDS} {WORDS} {WORDS}. More.",
        f"{WORDS}\n\n{WORDS}\n\n{WORDS}\n\n{WORDS}",
        f"- {WORDS} {WORDS}\n- {WORDS} {WORDS}",
        f"```\n{WORDS} {WORDS} {WORDS} {WORDS}\n```",
        f"| {WORDS} {WORDS} | {WORDS} {WORDS} |",
    ],
)
def test_short_sentences_pass(text):
    assert list(prose.long_sentences("a.md", text)) == []
