"""Where things are, whose they are, and which machine and process this is."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwarden_registry import processes
from jobwarden_registry.disk import Steps
from jobwarden_registry.errors import InvalidIdError, UnreadableError, UntrustedError, UnwritableError
from jobwarden_registry.index import Index, SessionEntry
from jobwarden_registry.paths import active_jobs_path, check_session_id, machine_id, user_places
from jobwarden_registry.processes import is_alive, is_stopped, process_of, this_process
from unit.registry.registry_rig import START, Rig, Ticking

ESCAPES = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "/etc",
    "a\\b",
    "a..b",
    ".hidden",
    "-rf",
    "a\n",
    "a\0",
    "a b",
    "ä",
    "a" * 129,
    "~",
    "$HOME",
    "%2e%2e",
    "a/../../b",
    "C:",
]


# -- session ids


@pytest.mark.parametrize("text", ESCAPES)
def test_an_id_that_could_lead_elsewhere_is_refused_everywhere(rig: Rig, text: str) -> None:
    entry = SessionEntry(session_id=text, project=rig.project, created_at=START, last_seen_at=START)
    index = Index(rig.places)
    for ask in (
        lambda: check_session_id(text),
        lambda: active_jobs_path(rig.project, text),
        lambda: index.add(entry),
        lambda: index.get(text),
        lambda: index.remove(text),
        lambda: replace(rig, session_id=text).process(),
    ):
        with pytest.raises(InvalidIdError) as caught:
            ask()
        assert caught.value.code == "id.invalid"


@given(st.text(max_size=200))
def test_no_id_leads_out_of_the_agents_folder(text: str) -> None:
    project = Path("/project")
    try:
        path = active_jobs_path(project, text)
    except InvalidIdError:
        return
    assert Path(os.path.normpath(path)).parent.parent == project / ".claude" / "agents"
    assert path.parent.name == text


@pytest.mark.parametrize("text", ["a", "0199b2c4-6f0e-7000-8000-0123456789ab", "tty.3_x-1", "a" * 128])
def test_the_ids_that_clients_give_are_fine(text: str) -> None:
    assert check_session_id(text) == text


# -- the user's folders


def _env(tmp_path: Path) -> dict[str, str]:
    run = tmp_path / "run"
    run.mkdir(mode=0o700, exist_ok=True)
    return {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "st"), "XDG_RUNTIME_DIR": str(run)}


def test_the_users_folders_are_made_private(tmp_path: Path) -> None:
    places = user_places(_env(tmp_path))
    assert (places.state, places.runtime) == (tmp_path / "st" / "jobwarden", tmp_path / "run" / "jobwarden")
    for folder in (places.state, places.runtime):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert user_places(_env(tmp_path)) == places


def test_the_state_folder_is_below_home_by_default(tmp_path: Path) -> None:
    env = _env(tmp_path) | {"XDG_STATE_HOME": "relative/is/invalid"}
    assert user_places(env).state == tmp_path / ".local/state/jobwarden"


@pytest.mark.parametrize("given_dir", [None, "", "not/absolute", "/does/not/exist"])
def test_without_a_runtime_folder_one_of_our_own_in_the_temporary_folder_is_used(
    tmp_path: Path, given_dir: str | None
) -> None:
    env = _env(tmp_path) | {"TMPDIR": str(tmp_path)}
    del env["XDG_RUNTIME_DIR"]
    if given_dir is not None:
        env["XDG_RUNTIME_DIR"] = given_dir
    runtime = user_places(env).runtime
    assert runtime == tmp_path / f"jobwarden-{os.geteuid()}"
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700


def test_a_temporary_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    env = _env(tmp_path) | {"TMPDIR": str(tmp_path / "missing")}
    del env["XDG_RUNTIME_DIR"]
    assert user_places(env).runtime == Path(f"/tmp/jobwarden-{os.geteuid()}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_runtime_folder_of_another_login_is_not_used(tmp_path: Path) -> None:
    env = _env(tmp_path) | {"TMPDIR": str(tmp_path)}
    os.chown(tmp_path / "run", 12345, 12345)
    assert user_places(env).runtime == tmp_path / f"jobwarden-{os.geteuid()}"


def test_a_readable_state_folder_is_made_private(tmp_path: Path) -> None:
    (tmp_path / "st" / "jobwarden").mkdir(parents=True, mode=0o755)
    assert stat.S_IMODE(user_places(_env(tmp_path)).state.stat().st_mode) == 0o700


def _linked(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(folder.parent / "elsewhere")


def _dangling(folder: Path) -> None:
    folder.symlink_to(folder.parent / "nowhere")


def _given_away(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)


def _open_to_others(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o770)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
@pytest.mark.parametrize("spoil", [_linked, _dangling, _given_away, _open_to_others, Path.touch])
@pytest.mark.parametrize("which", ["st", "run"])
def test_a_folder_that_is_not_the_users_own_is_refused(tmp_path: Path, spoil: object, which: str) -> None:
    env = _env(tmp_path)
    (tmp_path / which).mkdir(exist_ok=True)
    assert callable(spoil)
    spoil(tmp_path / which / "jobwarden")
    with pytest.raises(UntrustedError) as caught:
        user_places(env)
    assert caught.value.code == "registry.untrusted"
    assert caught.value.hint


def test_a_state_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UnwritableError) as caught:
        user_places(_env(tmp_path) | {"XDG_STATE_HOME": "/proc/no-folder-is-made-here"})
    assert caught.value.code == "registry.unwritable"


# -- the machine


def test_the_machine_has_a_stable_name() -> None:
    assert machine_id({}) == machine_id({"HOME": "/"})
    assert len(machine_id({})) == 16
    assert machine_id({"JOBWARDEN_MACHINE_ID": "a"}) != machine_id({"JOBWARDEN_MACHINE_ID": "b"}) != machine_id({})


def test_two_machines_from_one_image_differ_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    here = machine_id({})
    monkeypatch.setattr("socket.gethostname", lambda: "another-node")
    assert machine_id({}) != here


def test_an_empty_machine_id_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in images that are to be given one at their first start (machine-id(5))."""
    real = Path.read_text

    def empty(self: Path, encoding: str | None = None, errors: str | None = None) -> str:
        return "\n" if self.name == "machine-id" else real(self, encoding=encoding, errors=errors)

    def missing(self: Path, encoding: str | None = None, errors: str | None = None) -> str:
        if self.name == "machine-id":
            raise FileNotFoundError(self)
        return real(self, encoding=encoding, errors=errors)

    monkeypatch.setattr(Path, "read_text", missing)
    without = machine_id({})
    monkeypatch.setattr(Path, "read_text", empty)
    assert machine_id({}) == without


def test_without_a_machine_id_the_pid_namespace_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.read_text

    def missing(self: Path, encoding: str | None = None, errors: str | None = None) -> str:
        if self.name == "machine-id":
            raise FileNotFoundError(self)
        return real(self, encoding=encoding, errors=errors)

    monkeypatch.setattr(Path, "read_text", missing)
    initial = machine_id({})

    def inside(self: Path) -> Path:
        return Path("pid:[4026532999]")

    monkeypatch.setattr(Path, "readlink", inside)
    container = machine_id({})
    assert container != initial

    def nothing(self: Path) -> Path:
        raise OSError

    monkeypatch.setattr(Path, "readlink", nothing)
    assert machine_id({}) != container


# -- processes


def test_this_process_is_alive_and_named_alike_every_time() -> None:
    me = this_process()
    assert me == this_process() == process_of(os.getpid())
    assert me.pid == os.getpid()
    assert is_alive(me) is True


def test_a_reused_pid_is_not_the_process() -> None:
    assert is_alive(replace(this_process(), start_time="1")) is False


def test_a_process_elsewhere_cannot_be_judged() -> None:
    assert is_alive(replace(this_process(), boot_id="another boot")) is None
    assert is_alive(replace(this_process(), pid_namespace="another container")) is None


def test_where_nobody_tells_the_boot_no_process_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_PROC", Path("/nowhere"))
    me = this_process()
    assert (me.boot_id, me.pid_namespace, me.start_time) == ("", "", "")
    assert is_alive(me) is None


def test_a_process_is_followed_from_running_to_stopped_to_zombie_to_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = process_of(child.pid)
        assert process is not None
        assert is_alive(process) is True
        assert not is_stopped(process)
        os.kill(child.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        assert is_stopped(process)
        assert is_alive(process) is True
        os.kill(child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert is_alive(process) is False
        assert process_of(child.pid) is None
    assert is_alive(process) is False
    assert process_of(child.pid) is None


def test_a_program_whose_name_looks_like_fields_is_read_right(tmp_path: Path) -> None:
    program = tmp_path / "a) Z 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([str(program), "60"]) as child:
        try:
            process = process_of(child.pid)
            assert process is not None
            assert is_alive(process) is True
        finally:
            child.kill()


def test_where_there_is_no_proc_ps_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two programs of macOS, played; `ps -o stat=,lstart=` is procps' too and is asked for real."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(processes, "_PROC", Path("/nowhere"))
    real = subprocess.run

    def run(argv: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        if argv[0] == "sysctl":
            return subprocess.CompletedProcess(argv, 0, "{ sec = 1, usec = 2 } Thu Jan  1\n", "")
        return real(argv, **options)  # type: ignore[call-overload, no-any-return]  # passes through what it was given

    monkeypatch.setattr(subprocess, "run", run)
    me = this_process()
    assert (me.boot_id, me.pid_namespace) == ("{ sec = 1, usec = 2 } Thu Jan  1", "")
    assert str(START.year)[:2] in me.start_time
    assert is_alive(me) is True
    assert is_alive(replace(me, start_time="Thu Jan  1 00:00:00 1970")) is False
    assert is_alive(replace(me, pid=2**22 + 1)) is False


# -- the index


def _entry(rig: Rig, session_id: str = "s2", **fields: object) -> SessionEntry:
    entry = SessionEntry(session_id=session_id, project=rig.project, created_at=START, last_seen_at=START)
    return entry.model_copy(update=fields)


def test_a_session_is_remembered(rig: Rig) -> None:
    index = Index(rig.places)
    entry = _entry(rig, agent="codex", client={"socket": "/run/x"})
    assert index.add(entry) == entry
    assert Index(rig.places).get("s2") == entry
    assert [one.session_id for one in index.all()] == ["s1", "s2"]
    assert index.get("s3") is None


def test_seeing_a_session_again_refreshes_it_and_keeps_its_project_and_unknown_keys(rig: Rig) -> None:
    index = Index(rig.places, clock=Ticking())
    index.add(_entry(rig, client={"a": 1}, later="kept"))
    elsewhere = rig.root / "other"
    seen = index.add(_entry(rig, project=elsewhere, client={"b": 2}))
    assert seen.project == rig.project
    assert seen.client == {"a": 1, "b": 2}
    assert seen.last_seen_at == START + timedelta(seconds=1)
    assert (seen.model_extra or {})["later"] == "kept"
    moved = index.move("s2", elsewhere)
    assert moved is not None
    assert index.get("s2") == moved
    assert moved.project == elsewhere
    assert index.move("unknown", elsewhere) is None


def test_a_relative_project_is_made_absolute(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(rig.project)
    assert Index(rig.places).add(_entry(rig, project=Path())).project == rig.project


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b"{}", b'{"session_id": "another"}'])
def test_a_broken_entry_hides_no_other_and_is_mended_by_the_next_call(rig: Rig, broken: bytes) -> None:
    index = Index(rig.places)
    index.add(_entry(rig))
    (rig.places.state / "sessions" / "s2" / "session.json").write_bytes(broken)
    (rig.places.state / "sessions" / "stray file").write_text("x")
    assert [one.session_id for one in index.all()] == ["s1"]
    assert index.get("s2") is None
    index.add(_entry(rig))
    assert [one.session_id for one in index.all()] == ["s1", "s2"]


@pytest.mark.parametrize("text", ["another", "../s2"])
def test_an_entry_that_names_another_session_does_not_count(rig: Rig, text: str) -> None:
    index = Index(rig.places)
    index.add(_entry(rig))
    file = rig.places.state / "sessions" / "s2" / "session.json"
    file.write_text(file.read_text().replace('"s2"', f'"{text}"'))
    assert index.get("s2") is None


def test_a_folder_that_others_may_write_is_not_obeyed(rig: Rig) -> None:
    index = Index(rig.places)
    index.add(_entry(rig))
    (rig.places.state / "sessions" / "s2").chmod(0o777)
    assert [one.session_id for one in index.all()] == ["s1"]
    with pytest.raises(UntrustedError):
        index.get("s2")
    with pytest.raises(UntrustedError):
        index.add(_entry(rig))


def test_a_forgotten_session_keeps_its_journal(rig: Rig) -> None:
    index = Index(rig.places)
    rig.journal.write_text("kept")
    for _ in range(2):
        index.remove("s1")
    index.remove("s3")
    assert index.all() == ()
    assert rig.journal.read_text() == "kept"


def test_an_index_that_cannot_be_listed_is_not_an_empty_one(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(UnreadableError):
        Index(rig.places).all()


def test_a_missing_state_folder_has_no_sessions_and_takes_none(rig: Rig) -> None:
    missing = replace(rig.places, state=rig.root / "missing")
    assert Index(missing).all() == ()
    with pytest.raises(UnwritableError):
        Index(missing).add(_entry(rig))


def test_of_two_that_add_a_session_at_once_the_first_keeps_it(rig: Rig) -> None:
    """The other process comes between our look and our write."""
    other = Index(rig.places)

    class Between(Steps):
        def before(self, what: str) -> None:
            if what.startswith("link "):
                other.add(_entry(rig, project=rig.root / "first"))

    seen = Index(rig.places, steps=Between()).add(_entry(rig))
    assert seen.project == rig.root / "first"
    assert other.get("s2") == seen
