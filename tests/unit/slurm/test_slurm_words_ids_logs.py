from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobwarden.sources.slurm.elements import compact
from jobwarden.sources.slurm.ids import SlurmId, parse_id, parse_row_id
from jobwarden.sources.slurm.log_paths import LogNames, expand_log_pattern, finish_log_path
from jobwarden.sources.slurm.vocabulary import PHASES, REQUEUEABLE, Word, read_state
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.phases import Phase

# -- words


def test_every_word_has_a_phase_and_the_ended_ones_are_an_allow_list() -> None:
    assert set(PHASES) == set(Word)
    assert {word for word, phase in PHASES.items() if phase.final} == {
        *("COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL"),
        *("PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY"),
    }
    assert all(PHASES[word].final for word in REQUEUEABLE)


@pytest.mark.parametrize(
    ("text", "phase"),
    [
        ("CANCELLED by 1001", Phase.CANCELLED),
        ("CANCELLED+", Phase.CANCELLED),
        ("OUT_OF_ME+", Phase.FAILED),
        ("COMPLET+", Phase.UNKNOWN),
        ("CANCELLED by nobody", Phase.UNKNOWN),
        ("COMPLETING", Phase.RUNNING),
        ("REVOKED", Phase.UNKNOWN),
        ("REQUEUED", Phase.PENDING),
        ("SPECIAL_EXIT", Phase.PENDING),
        ("STOPPED", Phase.SUSPENDED),
        ("?", Phase.UNKNOWN),
        ("+", Phase.UNKNOWN),
        ("", Phase.UNKNOWN),
    ],
)
def test_words_are_read_as_slurm_writes_them(text: str, phase: Phase) -> None:
    assert read_state(text).phase is phase
    assert read_state(text).text == text


@settings(deadline=None)
@given(st.text(max_size=20))
def test_an_unknown_word_is_never_an_end(text: str) -> None:
    state = read_state(text)
    assert state.word is not None or not state.ended


# -- ids


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (" 123\n", "123"),
        ("123_4", "123_4"),
        ("123_[1-6%2]", "123"),
        ("123;cluster-b", "123"),
        ("123+1", "123+1"),
        ("4294967295", "4294967295"),
    ],
)
def test_ids_have_one_canonical_form(text: str, canonical: str) -> None:
    assert str(parse_id(text)) == canonical


@pytest.mark.parametrize(
    "text", ["", "0", "007", "abc", "-1", "1 2", "1,2", "123.batch", "123_", "٣", "1;x y", "--all", "1\n2", "$(id)"]
)
def test_what_cannot_be_a_job_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdError) as caught:
        parse_id(text)
    assert caught.value.code == "id.invalid"


def test_the_sentence_of_sbatch_is_refused_with_the_number_to_give() -> None:
    with pytest.raises(InvalidIdError) as caught:
        parse_id("Submitted batch job 4711")
    assert "4711" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "keys", "cut"),
    [
        ("56", (), False),
        ("56_3", (3,), False),
        ("65+1", (1,), False),
        ("56_[3-6%2]", (3, 4, 5, 6), False),
        ("62_[1-15:7%5]", (1, 8, 15), False),
        ("67_[1-2,4,8-9]", (1, 2, 4, 8, 9), False),
        ("67_[1-2,4-5,8,...]", (1, 2, 4, 5, 8), True),
        ("67_[1-2,4-5,8,10-...]", (1, 2, 4, 5, 8), True),
        ("13_[1,8,15,22,29,36,43,50,57,64,7", (1, 8, 15, 22, 29, 36, 43, 50, 57, 64), True),  # sacct 20.11, for 71
        ("67_[1-2,4,8-9%5", (1, 2, 4, 8, 9), False),  # cut within the throttle
    ],
)
def test_row_ids_list_their_elements(text: str, keys: tuple[int, ...], cut: bool) -> None:
    row = parse_row_id(text)
    assert (row.keys, row.cut) == (keys, cut)


def test_a_range_speaks_for_its_elements_and_for_the_whole() -> None:
    row = parse_row_id("56_[3-6%2]")
    assert row.covers(SlurmId(56))
    assert row.covers(SlurmId(56, element=4))
    assert not row.covers(SlurmId(56, element=7))
    assert not row.covers(SlurmId(57))


@settings(deadline=None)
@given(st.sets(st.integers(0, 300)))
def test_compact_indices_lose_nothing(indices: set[int]) -> None:
    text = compact(sorted(indices), most=1000)
    assert set(parse_row_id(f"1_[{text}]").keys if text else ()) == indices


# -- log names (facts of 22.05.8: the file names that batch steps really wrote)

NAMES = LogNames(raw=129, name="nm", user="alice", host="vm")


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (
            "logs/x=%x,j=%j,u=%u,N=%N,n=%n,t=%t,s=%s,J=%J,A=%A,a=%a,p=%%.out",
            "logs/x=nm,j=129,u=alice,N=vm,n=0,t=0,s=batch,J=129,A=129,a=4294967294,p=%.out",
        ),
        ("%8j.out", "00000129.out"),
        ("%99j.out", "0000000129.out"),
        ("%5N.out", "vm.out"),
        ("slurm-%j.out", "slurm-129.out"),
        ("%%j", "%j"),
        ("%q-%j", "%q-129"),
        ("a\\%j", "a%j"),
    ],
)
def test_a_pattern_becomes_the_name_of_the_real_file(pattern: str, path: str) -> None:
    assert expand_log_pattern(pattern, NAMES) == path


def test_an_element_has_its_own_number_and_the_arrays() -> None:
    names = LogNames(raw=136, name="ar", user="alice", array=133, element=3)
    assert expand_log_pattern("ar_%A_%a_%j_%4a.out", names) == "ar_133_3_136_0003.out"


def test_what_scontrol_left_is_finished() -> None:
    left = "/h/logs/x=nm,j=129,N=%N,n=%n,t=%t,s=%s,J=%J,w=%8j,p=%%.out"
    assert finish_log_path(left, NAMES) == "/h/logs/x=nm,j=129,N=vm,n=0,t=0,s=batch,J=129,w=00000129,p=%.out"


def test_a_name_that_looks_like_a_pattern_is_not_expanded_twice() -> None:
    names = LogNames(raw=121, name="percent%j%N%x", user="alice", host="vm")
    assert finish_log_path("/h/nm_percent%j%N%x_121_%N.out", names) == "/h/nm_percent%j%N%x_121_vm.out"


def test_a_path_is_unknown_while_the_node_is() -> None:
    assert finish_log_path("/h/%N.out", LogNames(raw=1, name="x", user="a")) is None


@settings(deadline=None)
@given(st.text(), st.text(max_size=8))
def test_any_pattern_expands_to_something(pattern: str, name: str) -> None:
    assert isinstance(expand_log_pattern(pattern, LogNames(raw=1, name=name, user="a", host="n")), str)
