"""Reads a command for what it submits, where, and how the ids are printed."""

from jobwarden_hooks.programs import (
    ELSEWHERE,
    FILTERS,
    KEYWORDS,
    SAY_ONLY,
    SHELLS,
    SUBMITS,
    base,
    is_host,
    is_nel,
    is_test,
    joined,
    printed,
    read_text,
    shown,
    ssh_words,
    unwrap,
)
from jobwarden_hooks.shell import NAME, NAME_START, Word, commands

MOST = 1 << 16
"""The longest command or script that is read, in characters."""
BUDGET = 1 << 20
"""How much is read in all, with what stands in the command more than once or is run for each of many hosts."""


class Place(object):
    """Where a command runs, as far as its text tells.

    `host` None is this machine; `guess` says why the host may be another one; `known` is whether its name is plain.
    """

    def __init__(self, host=None, guess="", cwd=None, known=True):
        self.host, self.guess, self.cwd, self.known = host, guess, cwd, known


class Submission(object):
    """One command that submits: what, where, how its id is printed, and into which variable it goes."""

    def __init__(self, kind, place, form="line", many=False, capture=None, background=False, log=None):
        self.kind, self.place, self.form, self.many = kind, place, form, many
        self.capture, self.background, self.log = capture, background, log


class Reader(object):
    """Reads a command's text for what it submits."""

    def __init__(self, cwd):
        self.cwd = cwd
        self.submissions, self.prints, self.unsure = [], [], []
        self.variables, self.same = {}, {}
        self.handed_in = None
        self.left = BUDGET

    @property
    def spent(self):
        """Whether there was too much to read: then what was found is not all, and may not be what printed an id."""
        return self.left < 0

    def read(self, text, place, capture=None, many=0, depth=0):
        """Read a shell text that runs at a place."""
        if len(text) > MOST:
            self.unsure.append(place)
            return
        self.left -= len(text) + 100
        if depth > 8 or self.spent:
            return
        loops = many
        for command in commands(text):
            if self.spent:
                return
            words = list(command.words)
            while words and not words[0].quoted and words[0].text in KEYWORDS:
                loops += 1 if words[0].text in ("while", "until") else -1 if words[0].text == "done" else 0
                words.pop(0)
            if words and words[0].text in ("for", "select") and len(words) > 1:
                loops += 1
                values = [self.value(word) for word in words[3:]]
                if (
                    words[2:]
                    and words[2].text == "in"
                    and all(one and "\0" not in one and "*" not in one for one in values)
                ):
                    self.variables[words[1].text] = values
                else:
                    self.variables.pop(words[1].text, None)
                continue
            words = self.assigned(words, place, loops, depth)
            if words:
                self.substituted(words, place, loops, depth)
                self.command(command, words, place, capture, max(loops, 0), depth)

    def value(self, word):
        """Give a word's text with what is known of its variables."""
        text = word.text if isinstance(word, Word) else word
        parts = text.split("\0") if "\0" in text else ()
        if len(parts) % 2 == 0:
            return text
        for at in range(1, len(parts), 2):
            values = self.variables.get(parts[at], ())
            parts[at] = values[0] if len(values) == 1 else "\0%s\0" % parts[at]
        return "".join(parts)

    def assigned(self, words, place, loops, depth):
        """Note the assignments before a command; give what follows them."""
        if words and words[0].text in ("export", "local", "declare", "readonly", "typeset") and len(words) > 1:
            words = [one for one in words[1:] if not one.text.startswith("-")]
            if "=" not in words[0].text if words else True:
                return []
        while words:
            name, equals, _ = words[0].text.partition("=")
            if not equals or not name or name[0] not in NAME_START or any(one not in NAME for one in name):
                break
            word = words.pop(0)
            for sub in word.subs:
                self.read(sub, place, name, loops, depth + 1)
            value = self.value(word)[len(name) + 1 :]
            if word.subs or "\0" in value:
                self.variables.pop(name, None)
            else:
                self.variables[name] = [value]
        return words

    def substituted(self, words, place, loops, depth):
        """Read what stands in the substitutions of a command's words."""
        for word in words:
            for number, sub in enumerate(word.subs):
                name = "%d %d" % (id(word), number)
                self.read(sub, place, name, loops, depth + 1)
                if any(one.capture == name for one in self.submissions):
                    word.text = word.text.replace("\1%d\1" % number, "\0%s\0" % name)

    def command(self, command, words, place, capture, loops, depth):
        """Read one simple command, without what goes before it."""
        name, rest, many = unwrap([self.value(one) for one in words])
        background = command.after == "&"
        self.derived(capture, (command.stdin or "").split("\0")[1::2])
        if name in ("cd", "pushd") and rest and place.cwd and "\0" not in rest[-1]:
            place.cwd = joined(place.cwd, rest[-1])
        elif name in ("echo", "printf"):
            parts = printed(name, [one.text for one in words[1:]])
            self.prints.append(parts)
            self.derived(capture, [one[0] for one in parts if isinstance(one, list)])
        elif name == "eval":
            self.read(shown(" ".join(rest)), place, capture, loops, depth + 1)
        elif name == "ssh":
            self.ssh(command, rest, place, capture, loops, depth, background)
        elif name in SHELLS or name in ("source", "."):
            self.shell(command, name, rest, place, capture, loops, depth)
        elif name == "sbatch":
            if not {"--test-only", "--help", "--usage", "--version", "-V"} & set(rest) and rest != ["-h"]:
                form = "bare" if "--parsable" in rest else "line"
                self.submit("slurm", command, place, form, loops or many, capture, background)
        elif is_nel(name, rest):
            if not {"--dry-run", "-n", "--help", "-h"} & set(rest):
                self.submit("nel", command, place, "line", loops or many, capture, background)
        elif name == "launch.py" or (name.startswith("python") and any(base(one) == "launch.py" for one in rest[:3])):
            if not any("dryrun" in one or one in ("--help", "-h") for one in rest):
                self.submit("launcher", command, place, "line", loops or many, capture, background)
        elif name not in SAY_ONLY and not is_test(name, rest):
            self.other(command, name, rest, place, capture)

    def derived(self, capture, names):
        """Note that a variable is made of another, into which an id went."""
        for name in names if capture is not None else []:
            if any(one.capture == self.same.get(name, name) for one in self.submissions):
                self.same[capture] = self.same.get(name, name)

    def submit(self, kind, command, place, form, many, capture, background):
        """Note a submission; of so many, no more is understood than that there are some."""
        if len(self.submissions) >= 200:
            return
        through = command.pipe
        while through is not None:
            first = base(self.value(through.words[0])) if through.words else ""
            if kind == "slurm" and first in FILTERS and first not in ("tee", "cat"):
                form = "either"
            through = through.pipe
        log = command.out
        if command.pipe is not None and command.pipe.words and command.pipe.words[0].text == "tee":
            log = next((one.text for one in command.pipe.words[1:] if not one.text.startswith("-")), None)
        log = self.value(log) if log and "\0" not in self.value(log) and log != "/dev/null" else None
        place = Place(place.host, place.guess, place.cwd, place.known)
        self.submissions.append(Submission(kind, place, form, bool(many), capture, background, log))

    def ssh(self, command, rest, place, capture, loops, depth, background):
        """Read what is run on another host."""
        host, remote, guess = ssh_words(rest)
        if host is None:
            return
        hosts = [host]
        for name, values in self.variables.items():
            if "\0%s\0" % name in host:
                hosts = [host.replace("\0%s\0" % name, value) for value in values]
                loops = max(0, loops - 1)
        for one in hosts:
            if self.spent:
                return
            inner = Place(one, guess, None, is_host(one))
            if place.host is not None:
                inner.guess = "it was reached from %s" % place.host
            elif not place.known:
                inner.known = False
            script = self.script(command, place)
            text = shown(" ".join(remote)) if remote else script
            kept, before, outer = self.variables, len(self.submissions), self.handed_in
            self.variables, self.handed_in = {}, script
            if text:
                self.read(text, inner, capture, loops, depth + 1)
            self.variables, self.handed_in = kept, outer
            for submission in self.submissions[before:]:
                submission.background = submission.background or background
                if command.pipe is not None and command.pipe.words and base(command.pipe.words[0].text) in FILTERS:
                    submission.form = "either"

    def script(self, command, place):
        """Give what a command reads as its script, where the text tells."""
        first = command.piped
        if command.stdin is not None:
            return command.stdin
        if command.source is not None:
            return read_text(place.cwd, command.source) if place.host is None and place.cwd else None
        if first is not None and first.words and first.words[0].text in ("echo", "cat", "printf"):
            return first.stdin if first.words[0].text == "cat" else shown(" ".join(one.text for one in first.words[1:]))
        return self.handed_in if first is None else None

    def shell(self, command, name, rest, place, capture, loops, depth):
        """Read what a shell is given: text, a script, or its standard input."""
        for at, word in enumerate(rest):
            if name in SHELLS and word.startswith("-") and not word.startswith("--") and "c" in word:
                if rest[at + 1 :]:
                    self.read(shown(rest[at + 1]), place, capture, loops, depth + 1)
                return
            if not word.startswith(("-", "+")):
                self.other(command, word, rest[at + 1 :], place, capture)
                return
        text = self.script(command, place)
        if text:
            self.read(text, place, capture, loops, depth + 1)
        else:
            self.unsure.append(place)

    def other(self, command, name, rest, place, capture):
        """Judge a program that is not known: by what it was given to run, where that can be looked at."""
        if is_test(base(name), rest) or name in ELSEWHERE:
            if name in ELSEWHERE:
                self.unsure.append(place)
            return
        texts = [command.stdin or ""] + [one for one in rest if len(one) > 40 or "sbatch" in one]
        if base(name).startswith("python") and any("sbatch" in one for one in texts):
            text = "\n".join(texts)
            self.evident(text, command, place, capture)
            return
        paths = [name] + rest[:4]
        if base(name) in ("make", "gmake"):
            paths = ["Makefile", "makefile", "GNUmakefile"]
        for path in paths if place.host is None and place.cwd else []:
            text = None if self.spent else read_text(place.cwd, path)
            self.left -= len(text or "") // 8
            if text is None or "sbatch" not in text:
                continue
            if path == name and ("sh" in text.split("\n", 1)[0] or name.endswith("sh")):
                before = len(self.submissions)
                self.read(text, Place(place.host, place.guess, place.cwd), capture, 1, 7)
                if len(self.submissions) > before:
                    return
            self.evident(text, command, place, capture)
            return
        if "/" in name + "".join(rest[:1]) + ("/" if place.host else "") and any(one in base(name) for one in SUBMITS):
            self.submit("slurm", command, place, "line", True, capture, False)
        else:
            self.unsure.append(place)

    def evident(self, text, command, place, capture):
        """Note a program whose own text speaks of sbatch."""
        guess = place.guess or ("the program that submitted it also uses ssh" if "ssh" in text else "")
        self.submit("slurm", command, Place(place.host, guess, place.cwd, place.known), "line", True, capture, False)
