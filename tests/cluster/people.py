"""The ordinary users of the machine, and their keys, homes and programs on one cluster."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from cluster.errors import ClusterError
from cluster.layout import SSHDS, Layout

# The first is found first, as in a PATH.
PROGRAM_FOLDERS = (Path("/usr/local/bin"), Path("/usr/bin"), Path("/bin"))


def make_users(names: tuple[str, ...]) -> None:
    """Create the users that the machine lacks; call under the machine's lock. Their numeric ids are left to chance."""
    for name in names:
        try:
            pwd.getpwnam(name)
        except KeyError:
            done = subprocess.run(
                ["useradd", "--create-home", "--shell", "/bin/bash", name], capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                raise ClusterError(f"useradd {name}: {done.stderr.strip()}") from None


def make_keys(layout: Layout) -> None:
    """Make host keys and users' keys once, and write who knows whom; ports may have changed since the last time."""
    folder = layout.root / "ssh"
    (folder / "authorized_keys").mkdir(parents=True, exist_ok=True)
    known = ""
    for sshd in SSHDS:
        known += f"[127.0.0.1]:{layout.ports[sshd]} {_key(folder / f'host_{sshd}')}\n"
    for user in layout.users:
        (folder / "authorized_keys" / user).write_text(_key(folder / f"id_{user}") + "\n", encoding="utf-8")
    (folder / "known_hosts").write_text(known, encoding="utf-8")


def make_homes(layout: Layout) -> None:
    """Give each user a home inside the cluster's folder, where sessions and jobs start."""
    for user in layout.users:
        person, home = pwd.getpwnam(user), layout.home(user)
        home.mkdir(parents=True, exist_ok=True)
        set_noise(layout, user, noise="")
        os.chown(home, person.pw_uid, person.pw_gid)


def set_noise(layout: Layout, user: str, *, noise: str) -> None:
    """Write the user's .bashrc: sshd starts in the home of passwd(5), sessions shall begin in this cluster's."""
    set_login(layout, user, text=f"echo {noise}" if noise else "")


def set_login(layout: Layout, user: str, *, text: str) -> None:
    """Write the user's .bashrc and .profile with this shell text."""
    text = (f"{text}\n" if text else "") + 'cd "$HOME"\n'
    for name in (".bashrc", ".profile"):
        (layout.home(user) / name).write_text(text, encoding="utf-8")


def make_links(layout: Layout) -> None:
    """Fill the folder that is the PATH of ssh sessions with links to all programs of their system."""
    shutil.rmtree(layout.programs, ignore_errors=True)
    layout.programs.mkdir()
    for folder in PROGRAM_FOLDERS:
        for program in (layout.system / folder.relative_to("/")).iterdir():
            link = layout.programs / program.name
            if not link.is_symlink():
                link.symlink_to(folder / program.name)


def _key(path: Path) -> str:
    """Return the public part of a key, made on first use; a half-made one is made anew."""
    public = path.with_name(path.name + ".pub")
    if not (path.exists() and public.exists()):
        path.unlink(missing_ok=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)],
            stdin=subprocess.DEVNULL,
            check=True,
        )
    # ssh reads only its caller's keys: under sudo that is not root.
    os.chown(path, int(os.environ.get("SUDO_UID", "0")), -1)
    return " ".join(public.read_text(encoding="utf-8").split()[:2])
