"""Attempts to get out of a rule: by its condition, its pattern, and by what a hostile log lets it capture."""

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobwarden.actions.errors import InvalidRuleError
from jobwarden.rules.building import read_rules
from jobwarden.rules.condition_reading import ConditionError
from jobwarden.rules.conditions import BUILT_IN, check_condition, holds

CONDITIONS = [
    "().__class__.__bases__[0].__subclasses__()",
    "__import__('os').system('id')",
    "loss.__class__",
    "loss.format(loss)",
    "'{0.__class__}'.format(loss)",
    "f'{loss.__class__}'",
    "'%s' % loss == 'x'",
    "'%1000000000d' % 1 == 'x'",
    "eval('1')",
    "exec('1')",
    "open('/etc/passwd')",
    "getattr(loss, '__class__')",
    "globals()",
    "__builtins__",
    "[x for x in (1, 2)]",
    "(lambda: 1)()",
    "(y := 1) > 0",
    "loss[0] == 'a'",
    "loss[::-1] == 'a'",
    "{**{}}",
    "{'a': 1}",
    "9 ** 9 ** 9 ** 9 > 1",
    "2 ** 100000000 > 1",
    "1 << 100000000 > 1",
    "'a' * 10 ** 9 == 'b'",
    "'a' * 1000000000 == 'b'",
    "[1] * 1000000000 == 1",
    "round(1, -10000000000) > 1",
    "round(1, 10000000000) > 1",
    "99999999999999999999999999999999999999 > 1",
    "len(str(10000000000000000000000000000000000000)) > 1",
    "1 if loss else 2",
    "loss is None",
    "None == loss",
    "b'a' == loss",
    "1j > 0",
    "... == loss",
    "await loss",
    "(yield loss)",
    "float(x=1) > 1",
    "float(*loss) > 1",
    "min(loss) == 'a'",
    "max(**{}) > 1",
    "print(loss)",
    "int.from_bytes(loss, 'big') > 1",
    "str(loss, 'utf-8') == 'a'",
    "float == 1",
    "loss @ loss",
    "~1 > 0",
    "1 & 2 > 0",
    "import os",
    "loss; loss",
    "loss\nloss > 1",
    "(" * 300 + "1" + ")" * 300,
    "-" * 400 + "1 > 0",
    "not " * 120 + "True",
    "[" * 90 + "]" * 90,
    "1 +" * 120 + "1 > 0",
    "1" * 501,
    "lower.__globals__",
    "\x00 > 1",
    "'\udcff' == loss",
    "",
    "   ",
]


@pytest.mark.parametrize("condition", CONDITIONS, ids=range(len(CONDITIONS)))
def test_no_condition_breaks_out(condition: str) -> None:
    """Each is refused when it is written, and has no value even where nobody checked it."""
    began = time.monotonic()
    with pytest.raises(ConditionError):
        check_condition(condition, ["loss"])
    with contextlib.suppress(ConditionError):
        assert holds(condition, {"loss": "1"}) in (True, False)
    assert time.monotonic() - began < 20


HOSTILE = [
    "__import__('os').system('touch /tmp/x')",
    "1) or (1",
    "9" * 500,
    "1e999",
    "-1e999",
    "nan",
    "'",
    '"',
    "\\",
    "${loss}",
    "$(id)",
    "`id`",
    "\x00",
    "\ud800",
    "\uff11\uff12",
    "1_0",
    "0x10",
    " 5 ",
    "",
]


@pytest.mark.parametrize("captured", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("condition", ["float(loss) > 5", "int(loss) % 25 == 0", "loss == 'x' or loss in 'abc'"])
def test_what_a_hostile_log_lets_be_captured_is_data(condition: str, captured: str) -> None:
    with contextlib.suppress(ConditionError):
        assert holds(condition, {"loss": captured}) in (True, False)


PATTERNS = [
    "(a+)+$" + "b" * 10 + "\\1",
    "(?=a)",
    "(?<=a)b",
    "(?R)",
    "(?{print(1)})",
    "(?P<a>x)(?P=a)",
    "a)(b",
    "(?P<a b>x)",
    "[[:nope:]]",
    "\\p{Nope}",
    "x{1,100000}",
    "(((((x{1000}){1000}){1000}){1000}){1000})",
    "*",
    "(?i",
    "\\",
    "x" * 1001,
]


@pytest.mark.parametrize("pattern", PATTERNS, ids=range(len(PATTERNS)))
def test_a_pattern_that_could_hang_or_is_none_is_refused_when_it_is_written(pattern: str) -> None:
    with pytest.raises(InvalidRuleError):
        read_rules([f"#WATCHER_BEGIN\n# pattern: {pattern}\n#WATCHER_END"])


@pytest.mark.parametrize(
    "condition",
    [
        "float(loss) > 5 and int(epoch) % 10 == 0",
        "float($1) > 5 or float(${epoch}) <= -1.5",
        "1 < float(loss) <= 5",
        "lower(loss) == 'nan' or isnan(float(loss)) or isinf(float(loss))",
        "status in ('FAILED', 'TIMEOUT') and attempt < 3",
        "'oom' in lower(line) and not (stream == 'stderr')",
        "abs(round(float(loss), 2)) >= max(1, min(2, len(loss)))",
        "count > 3 and fired == 0 and elapsed_s > 3600 and job_name != host + '-' + phase and job_id != str(7)",
        "float(loss) // 2 + 1 - 3 * 4 / 5 != True",
    ],
)
def test_what_is_meant_to_be_written_can_be(condition: str) -> None:
    check_condition(condition, ["loss", "epoch", "1"])


@pytest.mark.parametrize(
    ("condition", "loss", "expected"),
    [
        ("float(loss) > 5", "5.1", True),
        ("float(loss) > 5", "5", False),
        ("float(loss) > 5", "inf", True),
        ("int(loss) % 25 == 0", "50", True),
        ("loss == 'nan' or float(loss) > 5", "nan", True),
        ("isnan(float(loss))", "nan", True),
        ("not float(loss) < 1e-3", "0.5", True),
        ("loss not in ('a', 'b')", "c", True),
        ("loss < 'b' <= 'c'", "a", True),
        ("float(loss) > 1 and float(loss) > 2 or loss == '0'", "0", True),
    ],
)
def test_a_condition_means_what_it_means_in_python(condition: str, loss: str, *, expected: bool) -> None:
    check_condition(condition, ["loss"])
    assert holds(condition, {"loss": loss}) is expected


PIECES = [*"()[]{}+-*/%<>=!.,:$'\" ", "loss", "and", "or", "not", "in", "float(", "int(", "**", "1", "9999999", "'a'"]


@given(st.lists(st.sampled_from(PIECES), max_size=25), st.text(max_size=20))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_condition_or_refused_and_one_that_was_taken_has_a_value_or_fails(
    parts: list[str], captured: str
) -> None:
    condition = "".join(parts)
    try:
        check_condition(condition, ["loss", "1"])
    except ConditionError:
        return
    known = {name: kind(1) for name, kind in BUILT_IN.items()}
    try:
        assert holds(condition, {**known, "loss": captured, "1": captured}) in (True, False)
    except ConditionError:
        return
