"""What the wording of an error says that no signature knows: only of the very last words of a log."""

from __future__ import annotations

import re

from jobwarden.diagnosis.form import Signature, Weight
from jobwarden.diagnosis.model import Category, Retryable

_ERROR = re.compile(
    r"(?i)\bfatal\s{0,6}:|^(?:[\w./ +-]{1,60}[:>] ?){0,3}(?:\*{0,3} ?(?:fatal|critical|error|err!?|failure|failed|panic"
    r"|abort(?:ed|ing)?|exception|uncaught)\b|[\w.]{0,80}(?:Error|Exception|Failure)\b)"
    r"|\b(?:fatal|critical|unrecoverable) (?:error|exception|failure)\b|\berror: |\bfailed(?: to\b|:| with\b)"
    r"|\b(?:cannot|can't|can not|could not|couldn't|unable to)\b"
    r"|\b(?:aborting|exiting|terminating|giving up|bailing out|gave up)\b|\bexit(?:ed|ing)?(?: with)?(?: (?:code"
    r"|status))?:? [1-9]"
)
_FIGURE = re.compile(
    r"^(?!.{0,80}\b(?:code|errno|status|signal)\b)[^:=]{0,80}[:=]\s{0,4}[-+]?\d[\d.,]{0,20}(?:e[-+]?\d{1,3})?\s?(?:%|\w{1,4})?\s*$"
)
"""An error as a figure: `Error rate: 3 %`."""
_RULES: tuple[tuple[Category, str, Retryable, str, re.Pattern[str]], ...] = (
    (
        Category.CONFIGURATION,
        "settings",
        Retryable.AFTER_CHANGE,
        "Correct the argument or setting that it names",
        re.compile(
            r"(?i)\b(?:must|should|has to|have to|needs? to) (?:be|have|not|match|equal|contain|divide|specify"
            r"|provide|set)\b|\binvalid (?:value|choice|option|argument|param\w*|config\w*|setting|key|json|yaml"
            r"|toml|syntax|range|combination|input|number|type|name|spec\w*|format)"
            r"|\bnot a (?:valid|multiple)\b|\bexpected one of\b|\bunsupported\b|\bunrecogni[sz]ed\b"
            r"|\bunknown (?:option|argument|key|param\w*|setting|keyword|command|section|type|model|value|field"
            r"|directive|variable)"
            r"|\bmissing (?:required|mandatory|key|option|argument|param\w*|section|field|value|setting|config\w*"
            r"|keyword)|\brequired (?:key|field|option|argument|param\w*|setting|value)|\bis required\b"
            r"|\bnot divisible\b|\bout of range\b"
            r"|\bmutually exclusive\b|\bcannot be used (?:with|together)\b|\bplease (?:set|specify|provide)\b"
            r"|\b(?:pars(?:e|ing)|syntax|validat\w+)\b.{0,60}\b(?:config\w*|yaml|toml|json|ini|settings"
            r"|input file|parameter file|namelist|package\.json|\.(?:ya?ml|toml|ini|cfg|json|nml))"
            r"|\b(?:config\w*|yaml|toml|settings|input file|parameter file|namelist"
            r"|package\.json)\b.{0,80}\b(?:invalid|error|pars|missing|malformed|wrong|bad)"
            r"|\bwrong number of (?:arguments|param\w*)|\btoo (?:few|many) arguments"
        ),
    ),
    (
        Category.MISSING,
        "file",
        Retryable.AFTER_CHANGE,
        "Check the path on the node where it ran, or make the file first",
        re.compile(
            r"(?i)\b(?:cannot|can't|can not|could not|couldn't|unable to|failed to|error) (?:open(?:ing)?"
            r"|find(?:ing)?|read(?:ing)?|locate|access|stat|load(?:ing)?)\b.{0,120}\b(?:file|director\w+|folder"
            r"|path|data|checkpoint|model|input|dataset|weights|/|\.\w{2,5})"
            r"|\b(?:file|director\w+|folder|path|checkpoint|dataset|input)\b.{0,160}\b(?:not found|does not exist"
            r"|doesn't exist|is missing|missing|no longer exists)"
        ),
    ),
    (
        Category.OUT_OF_MEMORY,
        "host",
        Retryable.AFTER_CHANGE,
        "",
        re.compile(
            r"(?i)\b(?:out of|not enough|insufficient|low on) memory\b|\bmemory (?:allocation|limit|exhaust)\w*"
            r"|\ballocat\w+ .{0,60}(?:memory|bytes)"
        ),
    ),
    (
        Category.NETWORK,
        "",
        Retryable.YES,
        "Try again; if it fails again, check that the node reaches that host and that the service there runs",
        re.compile(
            r"(?i)\b(?:connect(?:ion|ing)?|network|socket|download\w*|upload\w*|request|fetch\w*"
            r"|server)\b.{0,100}\b(?:fail|timed? ?out|refused|unreachable|lost|error|reset|unavailable)"
            r"|\bfailed to (?:connect|download|fetch|upload)\b"
        ),
    ),
    (
        Category.PERMISSION,
        "file",
        Retryable.AFTER_CHANGE,
        "Give the user the right to it",
        re.compile(
            r"(?i)\bnot (?:allowed|permitted|authori[sz]ed to)\b|\bno (?:write|read) (?:permission|access)\b"
            r"|\bnot writ(?:e)?able\b|\bnot readable\b"
        ),
    ),
)


def is_error(body: str) -> bool:
    """Whether a line says by itself that something failed."""
    return _ERROR.search(body) is not None and _FIGURE.match(body) is None


def signature_of_wording(body: str) -> Signature | None:
    """Give what an error's wording most likely means; None where it does not say."""
    for category, kind, retry, change, pattern in _RULES:
        if pattern.search(body):
            return Signature(f"wording-{category.value}", category, kind, (), "{line}", change, retry, Weight.LIKELY)
    return None
