"""Which program a line runs, what its words say, and which programs can submit at all."""

import os
import stat

from jobwarden_hooks.shell import NAME

KEYWORDS = frozenset(
    """
    ! do done elif else esac fi if then time until while { }
    """.split()
)
SHELLS = frozenset(["bash", "sh", "zsh", "dash", "ksh"])
PREFIXES = {
    "sudo": "ugCDhpRrTt",
    "doas": "uC",
    "nohup": "",
    "env": "uCS",
    "time": "fo",
    "command": "",
    "exec": "a",
    "nice": "n",
    "ionice": "cnp",
    "setsid": "",
    "stdbuf": "ioe",
    "timeout": "ks",
    "builtin": "",
    "unbuffer": "",
    "xargs": "nIPLdEsa",
    "parallel": "jNnI",
    "sshpass": "pfde",
    "poetry": "",
    "uv": "p",
    "uvx": "p",
    "pixi": "e",
    "conda": "np",
    "mamba": "np",
    "micromamba": "np",
    "pdm": "p",
    "hatch": "e",
    "rye": "",
}
"""Programs that run the rest of their line, with those of their letters that take an argument."""
LONG_ARGUMENTS = frozenset(
    """
    --directory --env-file --extra --from --group --index-url --jobs --kill-after --max-args --max-procs --name
    --package --prefix --project --python --replace --signal --user --with --with-requirements
    """.split()
)
MANY = frozenset(["xargs", "parallel", "find"])
RUNNERS = frozenset(["poetry", "uv", "pixi", "conda", "mamba", "micromamba", "pdm", "hatch", "rye"])
FILTERS = frozenset(
    """
    awk cat cut egrep gawk grep head mawk perl sed sort tail tee tr xargs
    """.split()
)
SAY_ONLY = frozenset(
    """
    : [ [[ ack ag awk bat break cat cd chmod chown claude cmp code codex column continue cp ctest curl cut date
    diff echo egrep emacs exit export false fgrep file find fold gawk gh git grep head hexdump hg history hostname
    id info jest jobwarden journalctl jq less ln ls man mkdir ml mocha module more mv mypy nano nl nox od paste
    pip printf pwd py.test pytest python-config read return rev rg rm rsync ruff sacct scancel scontrol scp sed
    set sftp shift sinfo sleep sort sprio squeue sstat stat strings svn tac tail tar tee test tldr touch tox tr
    trap true type uniq unset unzip uv vi vim vitest wait wc wget whereis which whoami xxd yq zcat zgrep zip
    """.split()
)
ELSEWHERE = frozenset(
    """
    apptainer at batch clush docker enroot kubectl mosh pdsh podman salloc screen singularity srun tmux watch
    """.split()
)
SSH_ARGUMENTS = "BbcDEeFIiJLlmOopQRSWwP"
TESTS = ("test", "check", "lint")
SUBMITS = ("submit", "sbatch", "slurm", "launch")


def base(text):
    """Give a path's last part."""
    return text.rsplit("/", 1)[-1]


def joined(folder, path):
    """Put a path into a folder, unless it is absolute."""
    if path.startswith("~/"):
        path = os.environ.get("HOME", "~") + path[1:]
    return path if path.startswith("/") else folder.rstrip("/") + "/" + path


def shown(text):
    """Write variables back as a shell writes them."""
    parts = text.split("\0")
    return "".join("${%s}" % one if at % 2 else one for at, one in enumerate(parts)).replace("${?}", "$?")


def read_text(folder, path):
    """Read a small file of this machine; None where it cannot be, or is none."""
    if not path or "\0" in path or path.startswith("-") or len(path) > 1000:
        return None
    try:
        path = joined(folder, path)
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_size > 1 << 18:
            return None
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace")
    except (OSError, ValueError):
        return None


def unwrap(words):
    """Give the program that a line really runs, its arguments, and whether it may run many times."""
    many = False
    while words:
        name = base(words[0])
        if name == "find":
            for at, one in enumerate(words):
                if one in ("-exec", "-execdir", "-ok"):
                    return (base(words[at + 1]), words[at + 2 :], True) if words[at + 1 :] else ("find", [], True)
        if name.startswith("python") and words[1:2] == ["-m"] and len(words) > 2:
            return words[2].split(".")[0].replace("_", "-"), words[3:], many
        if name not in PREFIXES or len(words) == 1:
            return (words[0] if "/" in words[0] and name not in KNOWN else name), words[1:], many
        if name == "command" and words[1] in ("-v", "-V"):
            return "which", words[2:], many
        many = many or name in MANY
        rest = words[1:]
        if name in RUNNERS:
            while rest and rest[0].startswith("-"):
                rest = rest[2:] if rest[0] in LONG_ARGUMENTS else rest[1:]
            if rest[:1] != ["run"]:
                return name, rest, many
            rest = rest[1:]
        while rest and (rest[0].startswith("-") or (name == "env" and "=" in rest[0])):
            one = rest[0]
            takes = one in LONG_ARGUMENTS or (len(one) == 2 and one[1] in PREFIXES[name])
            rest = rest[2:] if takes else rest[1:]
            if one == "--":
                break
        if name == "timeout":
            rest = rest[1:]
        words = rest
    return "", [], many


KNOWN = (
    frozenset(["sbatch", "ssh", "nel", "nemo-evaluator-launcher", "launch.py", "find"]) | SHELLS | SAY_ONLY | ELSEWHERE
)


def is_nel(name, rest):
    """Whether this is nel's command to run."""
    first = next((one for one in rest if not one.startswith("-")), "")
    return name in ("nel", "nemo-evaluator-launcher") and first == "run"


def is_test(name, rest):
    """Whether this is a run of tests: those print whatever they like."""
    if name in ("make", "gmake", "npm", "pnpm", "yarn", "cargo", "go", "just", "bazel", "mvn", "gradle"):
        return any(one.startswith(TESTS) for one in rest)
    names = [base(one).lower() for one in [name] + rest[:2] if not one.startswith("-")]
    return any(
        one.startswith("test") or "_test" in one or "-test" in one or one in ("pytest", "unittest") for one in names
    )


def ssh_words(rest):
    """Read ssh's own words: the host (None: none), the remote command, and why the host may be another."""
    user, guess, at = "", "", 0
    while at < len(rest) and rest[at].startswith("-") and rest[at] != "-":
        word, letters = rest[at], rest[at][1:]
        at += 1
        if word == "--":
            break
        for place, letter in enumerate(letters):
            if letter not in SSH_ARGUMENTS:
                continue
            value = letters[place + 1 :]
            if not value:
                value, at = (rest[at] if at < len(rest) else ""), at + 1
            key = value.replace("=", " ").split(" ")[0].lower()
            if letter == "l":
                user = value
            elif (letter == "p" and value != "22") or letter in "JFW" or (letter == "o" and key in OTHER_HOST):
                guess = "ssh was given -%s %s" % (letter, value.replace("\0", "$")[:80])
            break
    if at >= len(rest):
        return None, [], ""
    host, remote = rest[at], rest[at + 1 :]
    if remote[:1] == ["--"]:
        remote = remote[1:]
    if host.startswith("ssh://"):
        host = host[6:].split("/")[0]
        host, colon, port = host.rpartition(":") if ":" in host.rsplit("@", 1)[-1] else (host, "", "")
        guess = "ssh was given the port %s" % port if colon and port != "22" else guess
    if user and "@" not in host:
        host = user + "@" + host
    return host, remote, guess


OTHER_HOST = frozenset(["hostname", "port", "proxyjump", "proxycommand", "user", "hostkeyalias"])


def is_host(text):
    """Whether jobwarden would take this for a host: letters first, no option, nothing that a shell or ssh reads."""
    user, at, host = text.rpartition("@")
    if at and (not user or user[0] not in NAME or any(one not in NAME and one not in ".+-" for one in user)):
        return False
    return 0 < len(host) <= 253 and host[0] in NAME and all(one in NAME or one in ".:-" for one in host)


def printed(name, words):
    """Give what echo or printf prints as a pattern's parts: text, or [variable]."""
    while words and name == "echo" and words[0] in ("-n", "-e", "-ne", "-en"):
        words = words[1:]
    text = " ".join(words)
    if name == "printf" and words:
        parts = words[0].replace("%d", "%s").split("%s")
        values = words[1:] + [""] * len(parts)
        text = "".join(one + (values[at] if at < len(parts) - 1 else "") for at, one in enumerate(parts))
    for end in ("\\n", "\n"):
        text = text[: -len(end)] if text.endswith(end) else text
    return [[one] if at % 2 else one for at, one in enumerate(text.split("\0"))]
