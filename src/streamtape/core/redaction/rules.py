"""
The rules by which anybody can tell a secret by its looks.

Each secret of a rule begins with a word, which is public. All patterns run in linear
time and are tried only where their word stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import regex

_ENDLESS: Final = re.compile(rb"(\[[^\]]+\])\{[0-9]+,\}\Z")
"""The end of a pattern that takes any number of some characters."""


@dataclass(slots=True, eq=False)
class SecretRule:
    """
    How one kind of secret looks. What a group of the pattern holds is kept.
    """

    name: str
    """As a person is told of it, with its article."""
    word: bytes
    """What stands in every such secret."""
    source: bytes
    opener: bytes
    """A pattern for the public words that it may begin with, longest first."""
    cut_opener: bytes = b""
    """What one that was cut off has of it at least; empty for the opener."""
    may_be_words: bool = False
    """Whether words may follow the public one: ``sk-learn``, ``hf_transfer``."""
    pattern: re.Pattern[bytes] = field(init=False)
    partial: regex.Pattern[bytes] = field(init=False)
    """The same pattern, for an engine that also finds what may become a secret."""
    public: re.Pattern[bytes] = field(init=False)
    public_if_cut: re.Pattern[bytes] = field(init=False)
    more: re.Pattern[bytes] | None = field(init=False)
    """How a whole one may go on; None for those that can't for ever."""

    def __post_init__(self) -> None:
        self.pattern = re.compile(self.source)
        self.partial = regex.compile(self.source)
        self.public = re.compile(self.opener)
        self.public_if_cut = re.compile(self.cut_opener or self.opener)
        endless = _ENDLESS.search(self.source)
        self.more = None if endless is None else re.compile(endless[1] + b"*")


def _after(before: bytes, word: bytes) -> bytes:
    """
    Return what holds after a word that none of some characters stand before.

    The last letter of a JSON or URL escape is none of the text's. Checked after
    the word, because a pattern that begins with one is searched ten times as fast.
    """
    word = re.escape(word)
    return (
        rb"(?:(?<![%b]%b)" % (before, word)
        + rb"|(?<=\\[bfnrt]%b)" % word
        + rb"|(?<=\\u[0-9A-Fa-f]{4}%b)" % word
        + rb"|(?<=%%[0-9A-Fa-f]{2}%b))" % word
    )


def _in_all_cases(word: bytes) -> tuple[bytes, ...]:
    """
    Return the spellings of a name whose case says nothing, as people and programs
    write it. The case of a secret itself always does.
    """
    return word, word.lower(), word.upper()


_IN_WORD: Final = rb"A-Za-z0-9_-"
"""
What stands before a word within another, or within base64url, and then it is no key.

A slash doesn't: keys stand in URLs.
"""

_AWS_ID: Final = rb"[0-9A-Z]{16}"
_STRIPE: Final = rb"[A-Za-z0-9]{20,}"
_SK: Final = rb"sk-" + _after(rb"A-Za-z0-9_-", b"sk-")
_PRIVATE: Final = b"PRIVATE KEY-----"
_BEGIN: Final = rb"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----"
_END: Final = rb"-----END [A-Z ]{0,40}PRIVATE KEY-----"
_LINE_END: Final = rb"(?:\s|\\+[nr])*+"
_COLON: Final = rb"\\{0,4}\"? {0,2}: {0,2}\\{0,4}\"?"
"""Between the name of a header and its value, also as JSON in JSON writes it."""

SECRET_RULES: Final = (
    # Base64 has no dash, but base64url and words have one.
    SecretRule(
        "an Anthropic key",
        b"sk-ant-",
        _SK + rb"ant-[A-Za-z0-9_-]{13,}",
        rb"sk-ant-(?:[a-z]{3,5}[0-9]{2}-)?",
        may_be_words=True,
    ),
    # No word goes on like this, so it is one after a letter too.
    SecretRule(
        "an Anthropic key",
        b"sk-ant-",
        rb"sk-ant-[a-z]{3,5}[0-9]{2}-[A-Za-z0-9_-]{13,}",
        rb"sk-ant-[a-z]{3,5}[0-9]{2}-",
        may_be_words=True,
    ),
    SecretRule(
        "a key like OpenAI's",
        b"sk-",
        _SK + rb"(?:proj|svcacct|admin|or-v1)-[A-Za-z0-9_-]{20,}",
        rb"sk-(?:proj-|svcacct-|admin-|or-v1-)?",
        may_be_words=True,
    ),
    SecretRule(
        "a key like OpenAI's",
        b"sk-",
        _SK + rb"[A-Za-z0-9_]{20,}",
        rb"sk-",
        may_be_words=True,
    ),
    *(
        SecretRule(
            "an AWS key id",
            word,
            word + _after(_IN_WORD, word) + rb"[0-9A-Z]{16}",
            word,
        )
        for word in (b"AKIA", b"ASIA")
    ),
    *(
        SecretRule(
            "a GitHub token",
            word,
            word + _after(_IN_WORD, word) + rb"[A-Za-z0-9]{36,}",
            word,
            may_be_words=True,
        )
        for word in (b"gho_", b"ghp_", b"ghr_", b"ghs_", b"ghu_")
    ),
    SecretRule(
        "a GitHub token",
        b"github_pat_",
        rb"github_pat_" + _after(_IN_WORD, b"github_pat_") + rb"[A-Za-z0-9_]{22,}",
        rb"github_pat_",
        may_be_words=True,
    ),
    SecretRule(
        "a GitLab token",
        b"glpat-",
        rb"glpat-" + _after(rb"A-Za-z0-9_-", b"glpat-") + rb"[A-Za-z0-9_-]{20,}",
        rb"glpat-",
        may_be_words=True,
    ),
    SecretRule(
        "a Google key",
        b"AIza",
        rb"AIza" + _after(rb"A-Za-z0-9+/_-", b"AIza") + rb"[A-Za-z0-9_-]{35}",
        rb"AIza",
    ),
    SecretRule(
        "a Slack token",
        b"xox",
        rb"xox" + _after(rb"A-Za-z0-9_-", b"xox") + rb"[abeoprs]-[A-Za-z0-9-]{15,}",
        rb"xox[abeoprs]-",
        may_be_words=True,
    ),
    *(
        SecretRule("a Stripe key", word, word + _after(_IN_WORD, word) + _STRIPE, word)
        for word in (b"rk_live_", b"sk_live_")
    ),
    SecretRule(
        "an npm token",
        b"npm_",
        rb"npm_" + _after(_IN_WORD, b"npm_") + rb"[A-Za-z0-9]{36,}",
        rb"npm_",
        may_be_words=True,
    ),
    SecretRule(
        "a Hugging Face token",
        b"hf_",
        rb"hf_" + _after(_IN_WORD, b"hf_") + rb"[A-Za-z]{34,}",
        rb"hf_",
        may_be_words=True,
    ),
    SecretRule(
        "a PyPI token", b"pypi-AgEI", rb"pypi-AgEI[A-Za-z0-9_-]{50,}", rb"pypi-AgEI"
    ),
    # Possessive, and at the start of a word alone: what turns out to be no token is
    # looked at once. The bounds are far beyond the tokens that are in use.
    SecretRule(
        "a JSON web token",
        b"eyJ",
        rb"eyJ"
        + _after(rb"A-Za-z0-9_-", b"eyJ")
        + rb"[A-Za-z0-9_-]{8,8192}+\.eyJ[A-Za-z0-9_-]{8,8192}+\.[A-Za-z0-9_-]{8,}",
        rb"eyJ",
        # Any JSON in base64 begins as its head does, and the head is no secret.
        cut_opener=rb"eyJ"
        + _after(rb"A-Za-z0-9_-", b"eyJ")
        + rb"[A-Za-z0-9_-]{8,8192}+\.eyJ",
    ),
    SecretRule(
        "a private key",
        _PRIVATE,
        # Base64 alone, with line ends that may be escaped: text and JSON after a
        # key without its end stay. One with a password says so first.
        _BEGIN
        + _LINE_END
        + rb"(?:(?:Proc-Type|DEK-Info):[ A-Za-z0-9,-]{0,80}"
        + _LINE_END
        + rb"){0,2}"
        + rb"[A-Za-z0-9+/=]{20}(?:[A-Za-z0-9+/=\s]|\\+[nr/]){0,20000}(?:"
        + _END
        + rb")?",
        _BEGIN,
    ),
    # A word after "Bearer" in prose has no digit.
    *(
        SecretRule(
            "a bearer token",
            word,
            rb"(%b)" % word + rb"(?=[A-Za-z._~+/=-]{0,64}[0-9])[A-Za-z0-9._~+/=-]{20,}",
            word,
            may_be_words=True,
        )
        for word in _in_all_cases(b"Bearer ")
    ),
    *(
        SecretRule("an AWS signature", word, rb"(%b)%b{16,}" % (word, digit), word)
        for word in _in_all_cases(b"X-Amz-Signature=")
        for digit in (b"[0-9a-f]", b"[0-9A-F]")
    ),
    # In a query, and as a header, also in JSON, where it may be named in prose.
    *(
        SecretRule(
            "an AWS session token",
            word,
            rb"(%b(?:=|%b(?=[A-Za-z%%._~+/=-]{0,64}[0-9])))" % (word, _COLON)
            + rb"[A-Za-z0-9%._~+/=-]{16,}",
            rb"%b(?:=|%b)" % (word, _COLON),
            may_be_words=True,
        )
        for word in _in_all_cases(b"X-Amz-Security-Token")
    ),
)

OPENERS: Final = tuple(dict.fromkeys(rule.word for rule in SECRET_RULES))
"""One of them stands in the beginning of each secret."""

CLOSER: Final = _END
"""A pattern for what is as public, and stands at the end of a private key."""

LONGEST_OPENER_BYTES: Final = 32
"""None begins with more public characters, but for private keys."""

_SHORT_BYTES: Final = 1024
_NEAR_BYTES: Final = 64
"""More than what stands before the run in a secret, or after it in its last line."""

_SHORTEST_RUN = b"A" * 20
_RUNS = bytes(
    ord("A")
    if chr(code).isascii() and (chr(code).isalnum() or chr(code) in "-_.~+/=%")
    else ord(" ")
    for code in range(256)
)
"""Maps every character that secrets are made of to one, to find long runs of them."""


def has_long_run(raw: bytes) -> bool:
    """
    Whether there are 20 characters in a row that a rule asks for at least.

    Few events have them, and this takes a tenth of the time of a search.
    """
    return raw.translate(_RUNS).find(_SHORTEST_RUN) >= 0


def find_runs(raw: bytes) -> bytes:
    """
    Return what stands near long runs, all in which a secret can be; empty if nowhere.

    Short bytes come back whole. Of long ones, such as those of a file, it is a small
    part, unless they are encoded.
    """
    runs = raw.translate(_RUNS)
    start = runs.find(_SHORTEST_RUN)
    if start < 0:
        return b""
    if len(raw) <= _SHORT_BYTES or _PRIVATE in raw:
        # What stands before a private key has no bounds.
        return raw
    near: list[bytes] = []
    from_ = until = 0
    while start >= 0:
        if start - _NEAR_BYTES > until:
            near.append(raw[from_:until])
            from_ = start - _NEAR_BYTES
        end = runs.find(b" ", start)
        end = len(raw) if end < 0 else end
        until = end + _NEAR_BYTES
        start = runs.find(_SHORTEST_RUN, end)
    near.append(raw[from_:until])
    # What can't be a part of a secret keeps them apart.
    return b"\0".join(near)


def rules_in(raw: bytes) -> Iterator[SecretRule]:
    """Yield the rules whose word stands in some bytes."""
    for rule in SECRET_RULES:
        if raw.find(rule.word) >= 0:
            yield rule
