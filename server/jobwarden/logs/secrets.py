"""Masking what looks like a secret, so that no token travels from a log into a conversation.

A first form: known token shapes, and values that a name before them calls secret. It errs towards masking, but not
over what every training log is full of: counts and names of *tokens*.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MASK = "[masked]"

# Prefixes that their makers document so that scanners find them; the prefix stays, to say what was there.
_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:(?P<hf>hf_|npm_)[A-Za-z0-9]{20,}"
    r"|(?P<git>gh[opusr]_|github_pat_|glpat-)[A-Za-z0-9_-]{18,}"
    r"|(?P<chat>xox[abeoprs]-|xapp-)[A-Za-z0-9-]{10,}"
    r"|(?P<model>sk-|nvapi-|AIza)(?=[A-Za-z_-]{0,60}[0-9])[A-Za-z0-9_-]{20,}"
    r"|(?P<pypi>pypi-)[A-Za-z0-9_-]{50,}"
    r"|(?P<oauth>ya29\.|GOCSPX-)[A-Za-z0-9_-]{20,}"
    r"|(?P<service>dop_v1_|dckr_pat_|dapi|api_org_|[rs]k_(?:live|test)_)(?=[A-Za-z_-]{0,60}[0-9])[A-Za-z0-9_-]{20,})"
    r"|(?P<aws>AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|(?P<jwt>eyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}"
    r"|(?P<slack>hooks\.slack\.com/services/)[A-Za-z0-9/]{16,}"
    r")"
)
_LOGIN = re.compile(r"((?i:\b(?:bearer|basic))\s{1,3})(?=[A-Za-z._~+/-]{0,200}[0-9=])[A-Za-z0-9._~+/=-]{12,}")
# Azure's connection strings and signed addresses.
_SIGNED = re.compile(r"((?i:\b(?:AccountKey|SharedAccessKey|sig|X-Amz-Signature))=)[A-Za-z0-9%+/_-]{20,}={0,2}")
_URL = re.compile(r"(://[^\s/:@\"']{0,64}:)[^\s/@\"']{1,256}(?=@)")
_NAMED = re.compile(
    r"(?i)((?P<word>passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key"
    r"|credentials?)[\"']?\s{0,3}(?:=|:|\s--?\s)\s{0,3}[\"']?)(?P<value>[^\s\"',;&)\]}]{1,512})"
)
_OPTION = re.compile(
    r"(?i)(--?(?:[a-z]{1,20}[_-])?(?P<word>password|passwd|secret|token|api-?key|access-?key)\s{1,3}[\"']?)"
    r"(?P<value>[^\s\"'-][^\s\"']{1,512})"
)
_HARMLESS = re.compile(r"(?i)[-+0-9.,eE_%]*|none|null|nil|true|false|unset|empty|\*+|<.*|\[masked\]?|/.*|\$.*|%.*")
# Job scripts with `set -x` print whole files that they carry so (seen with nemo-evaluator-launcher 0.2.6: the run's
# configuration with the values of its variables). The line may have been cut in the middle of it.
_ENCODED = re.compile(r"(\becho\s{1,3}[\"']?)[A-Za-z0-9+/]{64,}={0,2}")
_ENCODED_END = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{16,}={0,2}(?=[\"']?\s{0,3}\|\s{0,3}base64\b)")
_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY( BLOCK)?-----")
_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY( BLOCK)?-----")
_KEY_LINE = re.compile(r"[A-Za-z0-9+/=]{16,}|[A-Za-z0-9+/=]{0,76}")
_KEY_HEADER = re.compile(r"[A-Za-z-]{1,40}: .{0,200}")
_SHORTEST_TOKEN = 8
_LONGEST_WORD = 20
_KEY_LINE_CHARS = 40


def mask_lines(lines: Sequence[str]) -> list[str]:
    """Give the same number of lines with `[masked]` in place of what looks like a secret.

    A private key is masked line by line, also when only its beginning or its end is there.
    """
    masked = [mask(line) for line in lines]
    inside = False
    for index, line in enumerate(lines):
        if begin := _BEGIN.search(line):
            inside = _END.search(line) is None
            masked[index] = f"{mask(line[: begin.start()])}{MASK}"
        elif _END.search(line):
            _mask_above(lines, masked, index)
            inside = False
        elif inside:
            inside = _is_key_line(line)
            masked[index] = MASK if inside else masked[index]
    return masked


def mask(line: str) -> str:
    """Mask what looks like a secret within one line."""
    line = _SHAPES.sub(lambda found: f"{found.group(found.lastgroup or 0)}{MASK}", line)
    line = _ENCODED_END.sub(MASK, _ENCODED.sub(rf"\1{MASK}", line))
    line = _LOGIN.sub(rf"\1{MASK}", line)
    line = _SIGNED.sub(rf"\1{MASK}", line)
    line = _URL.sub(rf"\1{MASK}", line)
    line = _NAMED.sub(_mask_named, line)
    return _OPTION.sub(_mask_named, line)


def _mask_named(found: re.Match[str]) -> str:
    word, value = found.group("word").lower(), found.group("value")
    surely = word.startswith("pass") or word == "pwd"
    if _HARMLESS.fullmatch(value) and not (surely and value[0].isdigit()):
        return found.group()
    return f"{found.group(1)}{MASK}" if surely or _is_random(value) else found.group()


def _is_random(value: str) -> bool:
    """Tell a token from a word."""
    if MASK in value or len(value) < _SHORTEST_TOKEN:
        return False
    return len(value) >= _LONGEST_WORD or any(letter.isdigit() for letter in value)


def _mask_above(lines: Sequence[str], masked: list[str], end: int) -> None:
    """Mask a key whose beginning may be above what we have."""
    masked[end] = MASK
    for index in range(end - 1, -1, -1):
        if not _is_key_line(lines[index]):
            return
        masked[index] = MASK


def _is_key_line(line: str) -> bool:
    words = line.split()  # a logger's prefix may stand before it
    last = words[-1] if words else ""
    if _KEY_HEADER.fullmatch(line):
        return True
    return (len(words) <= 2 or len(last) >= _KEY_LINE_CHARS) and bool(_KEY_LINE.fullmatch(last))
