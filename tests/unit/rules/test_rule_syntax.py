"""Rules as people write them. The examples are those of the syntax that scripts are written in already."""

import re
from collections.abc import Collection
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobwarden.actions.call import ActionCall, check_call
from jobwarden.actions.errors import InvalidRuleError
from jobwarden.actions.grants import Grants
from jobwarden.actions.substitution import Value
from jobwarden.rules.building import RuleLimits, build_all, read_rule, read_rules
from jobwarden.rules.model import Kind, Rule
from jobwarden.rules.syntax import KEYS, read_script
from jobwarden.rules.writing import write_rule

LOSS = r"loss: ([\d.]+)"
EXAMPLES: list[tuple[str, Rule]] = [
    (
        '#WATCHER pattern="ERROR|FAIL" action=notify_email',
        Rule("rule-1", pattern="ERROR|FAIL", actions=(ActionCall("notify_email", {}),)),
    ),
    (
        '#WATCHER pattern="loss: ([0-9.]+)" captures=[loss] condition="float(loss) > 5" action=cancel_job',
        Rule(
            "rule-1",
            pattern="loss: ([0-9.]+)",
            captures=("loss",),
            condition="float(loss) > 5",
            actions=(ActionCall("cancel_job", {}),),
        ),
    ),
    (
        r"""#WATCHER_BEGIN
# name: loss_monitor
# pattern: "epoch (\d+).*loss: ([\d.]+)"
# interval: 60
# captures: [epoch, loss]
# condition: float(loss) > 5.0
# actions:
#   - cancel_job(reason="Loss too high")
#   - notify_email(subject="Training diverged")
#WATCHER_END""",
        Rule(
            "loss_monitor",
            pattern=r"epoch (\d+).*loss: ([\d.]+)",
            captures=("epoch", "loss"),
            condition="float(loss) > 5.0",
            actions=(
                ActionCall("cancel_job", {"reason": "Loss too high"}),
                ActionCall("notify_email", {"subject": "Training diverged"}),
            ),
        ),
    ),
    (
        r"""#WATCHER_BEGIN
# pattern: "loss: ([\d.]+)"
# captures: [loss]
# condition: float(loss) > 10.0
# actions:
#   - cancel_job(reason="Loss diverged")
#   - resubmit(modifications={"learning-rate": "0.0001"})
#WATCHER_END""",
        Rule(
            "rule-1",
            pattern=LOSS,
            captures=("loss",),
            condition="float(loss) > 10.0",
            actions=(
                ActionCall("cancel_job", {"reason": "Loss diverged"}),
                ActionCall("resubmit", {"modifications": {"learning-rate": "0.0001"}}),
            ),
        ),
    ),
    (
        '#WATCHER pattern="out of memory|OOM" action=resubmit(modifications={"mem": "32G"})',
        Rule(
            "rule-1",
            pattern="out of memory|OOM",
            actions=(ActionCall("resubmit", {"modifications": {"mem": "32G"}}),),
        ),
    ),
    (
        r"""#WATCHER_BEGIN
# pattern: "Progress: (\d+)%"
# captures: [progress]
# condition: int(progress) % 25 == 0
# action: notify_slack(message="Job ${JOB_ID} is ${progress}% complete")
#WATCHER_END""",
        Rule(
            "rule-1",
            pattern=r"Progress: (\d+)%",
            captures=("progress",),
            condition="int(progress) % 25 == 0",
            actions=(ActionCall("notify_slack", {"message": "Job ${JOB_ID} is ${progress}% complete"}),),
        ),
    ),
    (
        '#WATCHER pattern="WARNING" action=log_event(level="WARNING")',
        Rule("rule-1", pattern="WARNING", actions=(ActionCall("log_event", {"level": "WARNING"}),)),
    ),
]
ACTIONS: list[tuple[str, dict[str, Value]]] = [
    ('cancel_job(reason="Job failed")', {"reason": "Job failed"}),
    (
        'resubmit(modifications={"mem": "16G", "time": "120"}, cancel_original=true)',
        {"modifications": {"mem": "16G", "time": "120"}, "cancel_original": True},
    ),
    (
        'notify_email(to="user@example.com", subject="Alert", message="Job ${JOB_ID} triggered")',
        {"to": "user@example.com", "subject": "Alert", "message": "Job ${JOB_ID} triggered"},
    ),
    (
        'notify_slack(channel="#alerts", message="Job failed: ${JOB_ID}")',
        {"channel": "#alerts", "message": "Job failed: ${JOB_ID}"},
    ),
    ("run_command(command=\"echo 'Event triggered' | logger\")", {"command": "echo 'Event triggered' | logger"}),
    ('store_metric(name="max_loss", value="${loss}")', {"name": "max_loss", "value": "${loss}"}),
    ('log_event(message="Checkpoint saved", level="INFO")', {"message": "Checkpoint saved", "level": "INFO"}),
    (
        'resubmit(modifications={"a": [1, 2.5, {"b": [true, "x]})"]}]}, note="(}")',
        {"modifications": {"a": [1, 2.5, {"b": [True, "x]})"]}]}, "note": "(}"},
    ),
]


@pytest.mark.parametrize(("text", "expected"), EXAMPLES)
def test_every_example_of_the_syntax_is_read_as_it_stands(text: str, expected: Rule) -> None:
    assert read_rules([text]) == [expected]


@pytest.mark.parametrize(("text", "arguments"), ACTIONS)
def test_an_action_is_read_with_all_that_is_nested_in_it(text: str, arguments: dict[str, Value]) -> None:
    for written in (f'pattern="x" action={text}', f"#WATCHER_BEGIN\n# pattern: x\n# action: {text}\n#WATCHER_END"):
        [rule] = read_rules([written])
        assert rule.actions == (ActionCall(text.partition("(")[0], arguments),)


def test_several_rules_stand_among_the_lines_of_a_script() -> None:
    script = "\n".join(
        [
            "#!/bin/bash",
            "#SBATCH --time=10",
            "# an ordinary comment",
            '#WATCHER pattern="WARNING" action=log_event(level="WARNING")',
            '  #WATCHER pattern="ERROR" action=notify_email action=pause   # two actions\r',
            '#WATCHER pattern=OOM actions=[cancel_job(reason="memory"), notify_email,]',
            "srun train.py #WATCHER is no rule here",
        ]
    )
    written, wrong = read_script(script)
    rules = build_all(written)
    assert not wrong
    assert [(rule.name, rule.pattern, [call.name for call in rule.actions]) for rule in rules] == [
        ("rule-1", "WARNING", ["log_event"]),
        ("rule-2", "ERROR", ["notify_email", "pause"]),
        ("rule-3", "OOM", ["cancel_job", "notify_email"]),
    ]


def test_a_block_may_hold_comments_and_quotes_of_either_kind() -> None:
    block = "\n".join(
        [
            "#WATCHER_BEGIN",
            "# # what this is for",
            "#",
            "## and more of it",
            "",
            "# pattern: 'say \"(\\w+)\"'   # in single quotes",
            '# condition: "a" in line or $1 == "b"',
            "# max_triggers: 3",
            "# cooldown: 10m",
            "# output_type: both",
            "#WATCHER_END",
        ]
    )
    [rule] = read_rules([block])
    assert rule.pattern == 'say "(\\w+)"'
    assert rule.condition == '"a" in line or $1 == "b"'
    assert (rule.max_triggers, rule.cooldown_s, rule.reads) == (3, 600.0, ("stdout", "stderr"))


@pytest.mark.parametrize(
    ("text", "kind", "for_s"),
    [
        ("silence=10m", Kind.SILENCE, 600),
        ('standstill=2h pattern="step (?P<step>[0-9]+)"', Kind.STANDSTILL, 7200),
        ("state=[failed, TIMEOUT]", Kind.STATE, 0),
        ("at_end=true", Kind.STATE, 0),
        ("time=1d", Kind.TIME, 86400),
        ('missing_file="ckpt/last.pt" within=30m', Kind.MISSING_FILE, 1800),
        ("check_failed=true", Kind.CHECK_FAILED, 0),
        ('at_end=true pattern="score ([0-9.]+)"', Kind.PATTERN, 0),
    ],
)
def test_the_kind_of_a_rule_is_told_by_what_it_names(text: str, kind: Kind, for_s: float) -> None:
    [rule] = read_rules([f"{text} action=pause"])
    assert (rule.kind, rule.for_s) == (kind, for_s)
    assert read_rule(write_rule(rule)) == rule


WRONG = [
    ("action=cancel_job", "what to look for"),
    ('pattern="a" action=cancel_job("too high")', "needs its name"),
    ('pattern="a', "not closed"),
    ('pattern="a" action=f(x="1"', "not closed"),
    ('pattern="a" action=f(x={"a" "b"})', "colon"),
    ('pattern="a" actoin=f', "actoin"),
    ('pattern="a" pattern="b"', "twice"),
    ('pattern="a(" action=f', "pattern"),
    ('pattern="(a)\\1" action=f', "pattern"),
    ('pattern=""', "empty"),
    ('pattern="a" captures=[x]', "groups"),
    ('pattern="(a)" captures=[line]', "capture"),
    ('pattern="(a)" captures=[x] condition="x > 5"', "float"),
    ('pattern="(a)" captures=[x] condition="y > 5"', "There is no 'y'"),
    ('pattern="a" interval=soon', "no time"),
    ('pattern="a" max_triggers=0', "whole number"),
    ('pattern="a" output_type=log', "output_type"),
    ('pattern="a" silence=5 time=6', "Write two rules"),
    ("silence=5 counter=x", "means nothing"),
    ('standstill=5 pattern="step" counter=step', "stand still"),
    ("standstill=5", "pattern"),
    ('missing_file="../../etc/passwd"', "path"),
    ("name=a/b silence=5", "name"),
    ("pattern=a\x1b[0m", "control character"),
    ("#WATCHER_BEGIN\n# pattern: a", "no #WATCHER_END"),
    ("#WATCHER_BEGIN\n# pattern: a\necho hi\n#WATCHER_END", "no #WATCHER_END"),
    ("#WATCHER_BEGIN\n# patern: a\n#WATCHER_END", "Line 2"),
    ("#WATCHER_BEGIN\n# pattern: a\n# actions:\n#   - 5x\n#WATCHER_END", "Line 4"),
    ("#WATCHER_END", "no #WATCHER_BEGIN"),
    ("#WATCHERS pattern=a", "#WATCHERS"),
    ("pattern=a\npattern=b", "several lines"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_cannot_be_is_refused_with_what_is_wrong_and_where(text: str, said: str) -> None:
    with pytest.raises(InvalidRuleError) as caught:
        read_rules([text])
    assert said in str(caught.value)


def test_one_wrong_rule_of_a_script_spoils_no_other() -> None:
    written, wrong = read_script('#WATCHER pattern="a\n#WATCHER pattern=b\n#WATCHER_BEGIN\n#WATCHER pattern=c')
    assert [one.fields["pattern"] for one in written] == ["b", "c"]
    assert [error.text[:7] for error in wrong] == ["Line 1:", "Line 3:"]


def test_the_limits_hold_when_a_rule_is_written() -> None:
    eleven = [f"pattern=x{number}" for number in range(11)]
    assert len(read_rules(eleven[:10])) == 10
    with pytest.raises(InvalidRuleError, match="at most 10 rules"):
        read_rules(eleven)
    with pytest.raises(InvalidRuleError, match="at most 10 rules"):
        read_rules(["pattern=x"], taken=[f"r{number}" for number in range(10)])
    assert len(read_rules(eleven, limits=RuleLimits(rules=11))) == 11
    assert read_rules([f"pattern={'x' * 1000}"])
    with pytest.raises(InvalidRuleError, match="too long"):
        read_rules([f"pattern={'x' * 1001}"])
    assert read_rules([f"pattern={'x' * 1001}"], limits=RuleLimits(pattern_chars=2000))


def test_a_job_has_no_two_rules_of_one_name() -> None:
    assert [rule.name for rule in read_rules(["pattern=a", "name=rule-2 pattern=b", "pattern=c"])] == [
        "rule-1",
        "rule-2",
        "rule-3",
    ]
    for texts, taken in ((["name=a pattern=x", "name=a pattern=y"], []), (["name=a pattern=x"], ["a"])):
        with pytest.raises(InvalidRuleError, match="already"):
            read_rules(texts, taken=taken)


def test_every_action_is_checked_when_the_rule_is_written() -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def check(call: ActionCall, captures: Collection[str]) -> ActionCall:
        asked.append((call.name, tuple(captures)))
        if call.name == "run_command":
            raise InvalidRuleError("No command is allowed.", hint="Write [commands] into the configuration.")
        return call

    read_rules(['pattern="(a)(?P<n>b)" captures=[x] action=log_event'], check=check)
    assert asked == [("log_event", ("x", "n", "0", "1", "2"))]
    with pytest.raises(InvalidRuleError, match="No command is allowed"):
        read_rules(["pattern=a action=run_command(command=ls)"], check=check)


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30)
VALUES: st.SearchStrategy[Value] = st.recursive(
    st.one_of(
        TEXTS,
        st.text("ab\"'\\\n\t${}", max_size=10),
        st.booleans(),
        st.integers(-(10**15) + 1, 10**15 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS.filter(bool), inner, max_size=3)),
    max_leaves=6,
)
NAMES = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
CALLS = st.builds(ActionCall, NAMES, st.dictionaries(NAMES, VALUES, max_size=3))


@given(st.lists(CALLS, max_size=3), st.text("ab\"'\\ #=[]()", max_size=12), st.text("abc \"'\\#", max_size=10))
@settings(max_examples=120, deadline=None)
def test_a_rule_that_is_written_and_read_again_is_the_same(calls: list[ActionCall], pattern: str, extra: str) -> None:
    rule = Rule("name", pattern="x", condition='"a" in line', actions=tuple(calls))
    assert read_rule(write_rule(rule)) == rule
    try:
        [odd] = read_rules([f"#WATCHER_BEGIN\n# pattern: {pattern}{extra}\n#WATCHER_END"])
    except InvalidRuleError:
        return
    assert read_rule(write_rule(odd)) == odd


@given(st.text(max_size=200))
@settings(max_examples=120, deadline=None)
def test_any_text_is_read_or_refused_in_our_own_words(text: str) -> None:
    for written in (text, f"#WATCHER {text}", f"#WATCHER_BEGIN\n{text}\n#WATCHER_END", f"pattern=a {text}"):
        try:
            rules = read_rules([written])
        except InvalidRuleError:
            continue
        for rule in rules:
            assert read_rule(write_rule(rule)) == rule


@given(st.lists(st.sampled_from([*"[](){}\"'\\=,:# a", "pattern=", "action=", "f(x=", "#WATCHER "]), max_size=30))
@settings(max_examples=120, deadline=None)
def test_any_heap_of_brackets_is_read_or_refused_in_our_own_words(parts: list[str]) -> None:
    text = "".join(parts)
    read_script(text)
    try:
        read_rules([text])
    except InvalidRuleError:
        return


def test_the_rules_of_the_documentation_are_rules_that_need_no_grant() -> None:
    text = (Path(__file__).parents[3] / "docs" / "rules.md").read_text(encoding="utf-8")
    written, wrong = read_script(text)
    assert not wrong
    rules = build_all(written, check=lambda call, captures: check_call(call, Grants(), captures))
    assert {rule.kind for rule in rules} >= {Kind.PATTERN, Kind.SILENCE, Kind.STANDSTILL, Kind.STATE, Kind.MISSING_FILE}
    assert "loss_monitor" in {rule.name for rule in rules}
    keys = set(re.findall(r"^\| `([^|]*)` \|", text, re.MULTILINE))
    assert {key for cell in keys for key in cell.split("`, `")} == KEYS - {"within", "counter"}


@pytest.mark.parametrize(
    ("written", "meant"), [("TIMEDOUT", "TIMEOUT"), ("OUT_OF_MEM", "OUT_OF_MEMORY"), ("fail", "failed")]
)
def test_a_state_that_no_job_comes_into_is_refused_with_the_one_that_was_meant(written: str, meant: str) -> None:
    with pytest.raises(InvalidRuleError, match="no job would ever") as error:
        read_rules([f"state=[{written}]"])
    assert f"Is it {meant}?" in (error.value.hint or "")


def test_the_states_of_every_kind_of_job_are_taken() -> None:
    words = "any, end, failed, LOST, timeout, NODE_FAIL, CANCELLED, EXITED, SIGNALED, success, killed, SUCCEEDED"
    [rule] = read_rules([f"state=[{words}]"])
    assert len(rule.states) == 12
