"""Reads a command's output: which ids, and which of the submissions printed each."""

import re

from jobwarden_hooks.programs import is_host, joined

MOST = 1 << 20

CLUSTER = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}"
LINE = "(?:sbatch: )?Submitted batch job ([1-9][0-9]{0,9})(?: on cluster (%s))?" % CLUSTER
BARE = "([1-9][0-9]{0,9})(?:;(%s))?" % CLUSTER
HELD = "((?:(?:sbatch: )?Submitted batch job )?[1-9][0-9]{0,9}(?:(?:;| on cluster )%s)?)" % CLUSTER
"""What a variable holds into which sbatch's output went, whole or cut to the id."""
MOST_LINES, LONGEST = 5000, 2000
NEL = r".*Job submission successful \| Invocation ID: ([0-9a-f]{16})"
EXPERIMENT = r".*Entering Experiment \S+ with id: ([A-Za-z0-9][A-Za-z0-9._+-]{0,150}_[0-9]{10,19})(?:\s.*)?"


class Answer(object):
    """What was found: jobs to watch, and what the agent should know about the rest."""

    def __init__(self):
        self.jobs, self.doubts = [], []

    def add(self, kind, number, place, log=None):
        """Take a job, if it is known where it runs."""
        name = "%s job %s" % (kind, number)
        if not place.known or (place.host is not None and not is_host(place.host)):
            self.doubts.append("%s was submitted on a host whose name this hook does not understand" % name)
            return
        job = {"type": kind, "id": number, "host": place.host or "localhost", "guess": place.guess}
        if log and place.cwd:
            job["log_path"] = joined(place.cwd, log)
        if job not in self.jobs:
            self.jobs.append(job)


def settle(reader, output):
    """Say which jobs a command has submitted, by its text and its output."""
    said = [one for one in output[-MOST:].split("\n")[-MOST_LINES:] if len(one) <= LONGEST]
    lines = [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", one).strip() for one in said]
    answer = Answer()
    slurm = [one for one in reader.submissions if one.kind == "slurm"]
    rest = by_template(reader, slurm, lines, answer)
    direct = [one for one in slurm if one.capture is None]
    whole = [found for found in (re.match(LINE + "$", one) for one in rest) if found]
    alone = [found for found in (re.match(BARE + "$", one) for one in rest) if found]
    as_lines = [one for one in direct if one.form == "line" or (one.form == "either" and whole)]
    pair(as_lines, whole, answer)
    pair([one for one in direct if one not in as_lines], alone, answer)
    if whole and not slurm and reader.unsure:
        numbers = ", ".join(one.group(1) for one in whole[:5])
        answer.doubts.append(
            "the output speaks of Slurm job %s, and whether this command submitted it is not clear" % numbers
        )
    elif slurm and not answer.jobs and not answer.doubts:
        answer.doubts.append("sbatch was run and the job's id does not stand in the output")
    others(reader, lines, answer)
    return answer


def by_template(reader, slurm, lines, answer):
    """Find ids that went into a variable, where echo prints that; give the lines that are left."""
    taken = set()
    owners = {one.capture: one for one in slurm if one.capture is not None}
    for parts in reader.prints[:20]:
        names = [reader.same.get(one[0], one[0]) for one in parts if isinstance(one, list)]
        known = [name for name in names if name in owners]
        between = [one for one in parts[2:-1] if not isinstance(one, list)]
        # With many that may be anything, or side by side, a regular expression would try for ever.
        if (
            not known
            or len(names) > 3
            or len(known) < len(names) - 1
            or any(one.isalnum() or not one for one in between)
        ):
            continue
        pattern, left = "", list(names)
        for one in parts:
            pattern += re.escape(one) if not isinstance(one, list) else HELD if left.pop(0) in owners else "(.{0,200}?)"
        for at, line in enumerate(lines[:500]):
            found = re.match(pattern + "$", line) if at not in taken else None
            ids = [re.match("(?:%s|%s)$" % (LINE, BARE), one) for one in found.groups()] if found else []
            if not ids or not all(one for name, one in zip(names, ids) if name in owners):
                continue
            taken.add(at)
            for name, one in zip(names, ids):
                if name in owners:
                    groups = one.groups()
                    answer.add("slurm", numbered(groups[0] or groups[2], groups[1] or groups[3]), owners[name].place)
            if not any(owners[name].many for name in names if name in owners):
                break
    return [line for at, line in enumerate(lines) if at not in taken]


def numbered(number, cluster):
    """Write an id as sbatch --parsable does."""
    return "%s;%s" % (number, cluster) if cluster else number


def pair(submissions, found, answer):
    """Give each id that was printed to the command that printed it; where that is not clear, to none."""
    if not submissions or not found:
        return
    places = {(one.place.host, one.place.guess, one.place.known) for one in submissions}
    many = any(one.many for one in submissions)
    if len(places) == 1 and (many or len(found) <= len(submissions)):
        owners = [submissions[0]] * len(found)
    elif not many and len(found) == len(submissions) and not any(one.background for one in submissions):
        owners = submissions
    else:
        numbers = ", ".join(one.group(1) for one in found[:5])
        answer.doubts.append("the output names Slurm job %s, and which command submitted which is not clear" % numbers)
        return
    for owner, one in zip(owners, found):
        answer.add("slurm", numbered(*one.groups()), owner.place)


def others(reader, lines, answer):
    """Find runs of nel and experiments of the launcher."""
    runs = [one for one in reader.submissions if one.kind == "nel"]
    found = [one.group(1) for one in (re.match(NEL + "$", line) for line in lines) if one]
    if runs and len({(one.place.host, one.place.known) for one in runs}) == 1:
        for number in found if runs[0].many or len(found) <= len(runs) else []:
            answer.add("nel", number, runs[0].place)
    launched = [one for one in reader.submissions if one.kind == "launcher"]
    places = [one.place for one in launched] or reader.unsure
    found = [one.group(1) for one in (re.match(EXPERIMENT + "$", line) for line in lines) if one]
    for number in found if places else []:
        answer.add("launcher", number, places[0], launched[0].log if launched else None)
    for one in launched if not found else []:
        if one.log and one.place.host is None and one.place.known and one.place.cwd:
            answer.jobs.append(
                {"type": "launcher", "output": joined(one.place.cwd, one.log), "host": "localhost", "guess": ""}
            )
