"""Who is calling: `jobwarden.identity`. What the clients hand over was measured with the versions named there."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobwarden.identity import HTTP_PROJECT, Caller, UnknownCallerError, resolve_caller
from jobwarden_registry.clock import utc_now
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.index import Index, SessionEntry
from jobwarden_registry.paths import Places, user_places

CODEX_META: dict[str, object] = {
    "sessionId": "root-1",
    "threadId": "child-2",
    "x-codex-turn-metadata": {"session_id": "root-1", "thread_id": "child-2", "workspaces": {}},
}


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "run").mkdir(mode=0o700)
    return user_places({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "HEAD").touch()
    (folder / "src").mkdir()
    return folder


def caller(
    places: Places,
    cwd: Path,
    env: dict[str, str] | None = None,
    meta: dict[str, object] | None = None,
    session_id: str | None = None,
    http: bool = False,
) -> Caller:
    return resolve_caller(env or {}, meta=meta, session_id=session_id, cwd=cwd, places=places, http=http)


def test_codex_metadata_names_the_root_session_and_keeps_the_sub_agent_as_detail(places: Places, project: Path) -> None:
    found = caller(places, project, meta=CODEX_META)
    assert (found.session_id, found.agent, found.detail) == ("root-1", "codex", "child-2")


def test_codex_metadata_wins_over_an_environment_inherited_from_claude_code(places: Places, project: Path) -> None:
    found = caller(places, project, env={"CLAUDE_CODE_SESSION_ID": "claude-9"}, meta=CODEX_META)
    assert found.session_id == "root-1"


def test_a_codex_sub_agents_shell_belongs_to_the_root_session(places: Places, project: Path) -> None:
    env = {"CODEX_THREAD_ID": "child-2", "CODEX_SESSION_ID": "root-1"}
    found = caller(places, project, env=env)
    assert (found.session_id, found.detail) == ("root-1", "child-2")


def test_the_metadata_of_an_app_server_call_has_only_a_thread_and_that_is_the_session(
    places: Places, project: Path
) -> None:
    found = caller(places, project, meta={"threadId": "t-1"})
    assert (found.session_id, found.detail) == ("t-1", None)


def test_an_explicit_session_id_is_taken_as_claimed_unless_the_environment_says_the_same(
    places: Places, project: Path
) -> None:
    env = {"CLAUDE_CODE_SESSION_ID": "claude-9"}
    assert caller(places, project, env=env, session_id="other").claimed
    told = caller(places, project, env=env, session_id="claude-9")
    assert not told.claimed
    assert told.agent == "claude-code"


def test_a_person_has_one_session_in_a_project_whatever_the_terminal_or_subfolder(
    places: Places, project: Path
) -> None:
    one = caller(places, project, env={"SSH_TTY": "/dev/pts/1"})
    other = caller(places, project / "src", env={"SSH_TTY": "/dev/pts/7"})
    assert one.session_id == other.session_id
    assert (one.agent, one.project) == ("manual", project)


def test_a_person_who_names_an_agents_session_at_the_terminal_borrows_it_and_one_who_names_their_own_does_not(
    places: Places, project: Path
) -> None:
    own = caller(places, project).session_id
    assert caller(places, project, session_id="claude-9").borrower == own
    assert caller(places, project, session_id=own).borrower is None


def test_a_server_around_which_nothing_says_who_calls_takes_the_callers_word(places: Places, project: Path) -> None:
    found = resolve_caller({}, session_id="mine", cwd=project, places=places, client="mcp-1")
    assert (found.claimed, found.borrower) == (True, None)


def test_two_projects_of_one_person_are_two_sessions(places: Places, project: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    (second / ".git").mkdir(parents=True)
    (second / ".git" / "HEAD").touch()
    assert caller(places, project).session_id != caller(places, second).session_id


def test_a_worktree_is_its_own_root(places: Places, project: Path) -> None:
    worktree = project / "worktrees" / "a"
    worktree.mkdir(parents=True)
    (worktree / ".git").write_text("gitdir: elsewhere", encoding="utf-8")
    assert caller(places, worktree).project == worktree


def test_an_empty_folder_of_git_s_name_is_no_repository(places: Places, tmp_path: Path) -> None:
    """Codex's sandbox leaves one in /tmp, and all that lies there would be one project."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "work").mkdir()
    assert caller(places, tmp_path / "work").project == tmp_path / "work"


def test_a_known_session_keeps_the_project_it_was_first_seen_in(places: Places, project: Path, tmp_path: Path) -> None:
    now = utc_now()
    Index(places).add(
        SessionEntry(session_id="root-1", project=project, agent="codex", created_at=now, last_seen_at=now)
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert caller(places, elsewhere, meta=CODEX_META).project == project


def test_codex_workspaces_say_the_project_when_the_server_was_started_elsewhere(
    places: Places, project: Path, tmp_path: Path
) -> None:
    meta: dict[str, object] = {
        "sessionId": "root-1",
        "x-codex-turn-metadata": {"workspaces": {str(project): {}}},
    }
    plugin = tmp_path / "plugin-cache"
    plugin.mkdir()
    assert caller(places, plugin, meta=meta).project == project


def test_claude_project_dir_wins_over_the_working_directory(places: Places, project: Path, tmp_path: Path) -> None:
    env = {"CLAUDE_CODE_SESSION_ID": "c", "CLAUDE_PROJECT_DIR": str(project)}
    assert caller(places, tmp_path, env=env).project == project


def test_a_project_folder_that_does_not_exist_is_not_believed(places: Places, project: Path) -> None:
    env = {"CLAUDE_CODE_SESSION_ID": "c", "CLAUDE_PROJECT_DIR": "/no/such/folder"}
    assert caller(places, project, env=env).project == project


def test_over_http_the_servers_environment_is_nobodys(places: Places, project: Path) -> None:
    env = {"CLAUDE_CODE_SESSION_ID": "claude-9"}
    with pytest.raises(UnknownCallerError) as raised:
        caller(places, project, env=env, http=True)
    assert raised.value.code == "identity.unknown"
    assert caller(places, project, env=env, session_id="s-1", http=True).session_id == "s-1"


@pytest.mark.parametrize("evil", ["../../etc", "a/b", ".hidden", "", "x" * 200, "a\n", "..", "-rf", "a\0b", "é"])
def test_no_session_id_from_outside_can_lead_out_of_the_agents_folder(places: Places, project: Path, evil: str) -> None:
    with pytest.raises(InvalidIdError):
        caller(places, project, meta={"sessionId": evil, "threadId": evil or "/"})


@pytest.mark.parametrize("path", ["/" + "x" * 5000, "/a\0b", "relative", "/proc/self/mem/x", ""])
def test_a_project_that_nobody_can_look_at_is_not_believed_and_crashes_nothing(
    places: Places, project: Path, path: str
) -> None:
    assert caller(places, project, meta={HTTP_PROJECT: path}, session_id="s", http=True).project == project
    assert caller(places, project, env={"CLAUDE_PROJECT_DIR": path}).project == project


def test_of_workspaces_within_each_other_the_nearest_is_the_project(places: Places, project: Path) -> None:
    meta: dict[str, object] = {
        "sessionId": "root-1",
        "x-codex-turn-metadata": {"workspaces": {str(project.parent): {}, str(project): {}}},
    }
    assert caller(places, project / "src", meta=meta).project == project


def test_a_session_whose_project_is_gone_works_where_its_caller_is(places: Places, project: Path) -> None:
    now = utc_now()
    gone = project.parent / "gone"
    Index(places).add(SessionEntry(session_id="root-1", project=gone, agent="codex", created_at=now, last_seen_at=now))
    assert caller(places, project, meta=CODEX_META).project == project
    # Over HTTP the server's own folder is nobody's.
    assert caller(places, project, session_id="root-1", http=True).project == gone
