"""A state machine: whatever happens in whatever order, the registry says what a simple model says."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jobwarden_registry.events import EventKind
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session
from jobwarden_registry.transaction import Transaction
from unit.registry.registry_rig import FaultySteps, Killed, Rig, make_rig, reconcile, slurm

IDS = st.sampled_from(["1", "2", "3", "4"])
WORDS = st.sampled_from(["PENDING", "RUNNING", "COMPLETING", "ünïcode ☃", ""])
FAULTS = st.tuples(st.integers(0, 18), st.none() | st.integers(0, 400))


@dataclass(frozen=True)
class Expected:
    """What the model knows of a watched job."""

    status: str = ""
    description: str = ""
    unknown: int | None = None


class RegistryMachine(RuleBasedStateMachine):
    """The model is a dictionary from job id to what the job must look like."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="registry-machine-"))
        self.rig: Rig = make_rig(self.root)
        self.model: dict[str, Expected] = {}
        self.finished: Counter[str] = Counter()
        self.reader = self.rig.process()
        self.seen = 0

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    # -- what the product does

    @initialize()
    def begin(self) -> None:
        reconcile(self.rig.process())

    @rule(job_id=IDS)
    def register(self, job_id: str) -> None:
        with self.rig.process().transaction() as change:
            _, created = change.register(slurm(job_id))
        assert created is (job_id not in self.model)
        self.model.setdefault(job_id, Expected())

    @rule(job_id=IDS, word=WORDS)
    def change(self, job_id: str, word: str) -> None:
        if job_id in self.model:
            self._do(_changing(job_id, word))
            self.model[job_id] = replace(self.model[job_id], status=word)

    @rule(job_id=IDS)
    def finish(self, job_id: str) -> None:
        if job_id in self.model:
            self._do(_finishing(job_id))
            self._ended(job_id)

    @rule(job_id=IDS)
    def remove(self, job_id: str) -> None:
        if job_id in self.model:
            self._do(_removing(job_id))
            del self.model[job_id]

    @rule(job_id=IDS, word=WORDS)
    def fail_in_the_middle(self, job_id: str, word: str) -> None:
        def spoil(change: Transaction) -> None:
            change.register(slurm("9"))
            for uid, job in list(change.jobs.items()):
                if job.id == job_id:
                    change.change(uid, job.changed(last_status=word), EventKind.STATUS_CHANGE)
                    change.finish(uid, job.changed(phase=Phase.FAILED))
            raise _OnPurposeError

        try:
            self._do(spoil)
        except _OnPurposeError:
            return
        raise AssertionError

    @rule(job_ids=st.lists(IDS, min_size=2, max_size=3, unique=True), word=WORDS)
    def several_at_once(self, job_ids: list[str], word: str) -> None:
        with self.rig.process().transaction() as change:
            uids = {job.id: uid for uid, job in change.jobs.items()}
            for job_id in job_ids:
                if job_id not in uids:
                    change.register(slurm(job_id))
                else:
                    job = change.jobs[uids[job_id]]
                    change.change(job.uid, job.changed(last_status=word), EventKind.STATUS_CHANGE)
        for job_id in job_ids:
            known = job_id in self.model
            self.model[job_id] = replace(self.model[job_id], status=word) if known else Expected()

    # -- what people do to the file

    @rule(job_id=IDS, word=WORDS, unknown=st.integers(0, 9))
    def write_an_entry_by_hand(self, job_id: str, word: str, unknown: int) -> None:
        if job_id in self.model:
            return
        entry = {"type": "slurm", "id": job_id, "host": "cluster-a", "description": word, "x": unknown}
        self._edit(lambda items: [*items, entry])
        self.model[job_id] = Expected(description=word, unknown=unknown)

    @rule(job_id=IDS, word=WORDS, unknown=st.integers(0, 9))
    def edit_an_entry_by_hand(self, job_id: str, word: str, unknown: int) -> None:
        if job_id not in self.model:
            return
        self._edit(lambda items: [i | {"description": word, "x": unknown} if i["id"] == job_id else i for i in items])
        self.model[job_id] = replace(self.model[job_id], description=word, unknown=unknown)

    @rule(job_id=IDS)
    def take_an_entry_out_by_hand(self, job_id: str) -> None:
        if job_id not in self.model:
            return
        self._edit(lambda items: [item for item in items if item["id"] != job_id])
        del self.model[job_id]

    @rule(order=st.randoms(use_true_random=False))
    def reorder_by_hand(self, order: Any) -> None:
        self._edit(lambda items: order.sample(items, len(items)))

    @rule()
    def delete_the_file(self) -> None:
        self.rig.file.unlink(missing_ok=True)
        reconcile(self.rig.process())

    @rule(folder=st.sampled_from([".claude", "."]))
    def delete_the_folder(self, folder: str) -> None:
        shutil.rmtree(self.rig.project / folder, ignore_errors=True)
        reconcile(self.rig.process())
        self.rig.project.mkdir(exist_ok=True)

    @precondition(lambda self: self.rig.file.exists())
    @rule(cut=st.integers(0, 2000), noise=st.sampled_from([b"", b"\0\0\0", b"]]", b"{", b'{"type": "slurm"']))
    def break_the_file(self, cut: int, noise: bytes) -> None:
        data = self.rig.file.read_bytes()
        at = cut % (len(data) + 1)
        self.rig.file.write_bytes(data[:at] + noise)
        reconcile(self.rig.process())

    @rule()
    def lose_the_projection(self) -> None:
        (self.rig.folder / "projection.json").unlink(missing_ok=True)

    # -- what dies

    @rule(job_id=IDS, fault=FAULTS)
    def die_registering(self, job_id: str, fault: tuple[int, int | None]) -> None:
        def go(change: Transaction) -> None:
            change.register(slurm(job_id))

        if self._die(go, fault, "registered"):
            self.model.setdefault(job_id, Expected())

    @rule(job_id=IDS, word=WORDS, fault=FAULTS)
    def die_changing(self, job_id: str, word: str, fault: tuple[int, int | None]) -> None:
        if job_id in self.model and self._die(_changing(job_id, word), fault, "status_change"):
            self.model[job_id] = replace(self.model[job_id], status=word)

    @rule(job_id=IDS, fault=FAULTS)
    def die_finishing(self, job_id: str, fault: tuple[int, int | None]) -> None:
        if job_id in self.model and self._die(_finishing(job_id), fault, "finished"):
            self._ended(job_id)

    @rule(job_id=IDS, fault=FAULTS)
    def die_removing(self, job_id: str, fault: tuple[int, int | None]) -> None:
        if job_id in self.model and self._die(_removing(job_id), fault, "removed"):
            del self.model[job_id]

    @rule(job_id=IDS, word=WORDS, fault=FAULTS)
    def die_taking_in_what_was_written_by_hand(self, job_id: str, word: str, fault: tuple[int, int | None]) -> None:
        """The entry is taken in by the next writer, once, whatever the first one got done."""
        self.write_an_entry_by_hand(job_id, word, 1)
        self._attempt(lambda _: None, fault)
        reconcile(self.rig.process())

    @rule(job_id=IDS, fault=FAULTS)
    def die_noticing_that_an_entry_was_taken_out(self, job_id: str, fault: tuple[int, int | None]) -> None:
        self.take_an_entry_out_by_hand(job_id)
        self._attempt(lambda _: None, fault)
        reconcile(self.rig.process())

    @precondition(lambda self: self.rig.file.exists())
    @rule(fault=FAULTS, gone=st.booleans())
    def die_mending_the_file(self, fault: tuple[int, int | None], gone: bool) -> None:
        self.rig.file.unlink() if gone else self.rig.file.write_bytes(b"[{")
        notes = self.rig.kinds().count("note")
        self._attempt(lambda _: None, fault)
        reconcile(self.rig.process())
        assert self.rig.kinds().count("note") <= notes + 1

    # -- what must hold

    @invariant()
    def the_registry_watches_what_the_model_watches(self) -> None:
        found = {
            job.id: Expected(job.last_status, job.description, (job.model_extra or {}).get("x"))
            for job in self.rig.process().load()
        }
        assert found == self.model

    @invariant()
    def the_file_holds_the_same(self) -> None:
        if self.rig.file.exists():
            assert Counter(entry["id"] for entry in self.rig.read()) == Counter(self.model.keys())

    @invariant()
    def nothing_happened_twice(self) -> None:
        events = self.rig.events()
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        for kind in ("registered", "finished", "removed"):
            assert max(Counter(event.uid for event in events if event.event == kind).values(), default=1) == 1
        assert Counter(event.job_id for event in events if event.event == "finished") == self.finished

    @invariant()
    def a_reader_who_goes_on_sees_every_event_once(self) -> None:
        news = self.reader.journal.read(self.seen)
        assert [event.seq for event in news] == list(range(self.seen + 1, self.seen + len(news) + 1))
        self.seen += len(news)
        assert self.seen == self.reader.journal.last_seq()

    # -- how

    def _do(self, deed: Callable[[Transaction], None], session: Session | None = None) -> None:
        with (session or self.rig.process()).transaction() as change:
            deed(change)

    def _edit(self, edit: Callable[[list[Any]], list[Any]]) -> None:
        reconcile(self.rig.process())
        self.rig.write(edit(self.rig.read() if self.rig.file.exists() else []))
        reconcile(self.rig.process())

    def _ended(self, job_id: str) -> None:
        del self.model[job_id]
        self.finished[job_id] += 1

    def _attempt(self, deed: Callable[[Transaction], None], fault: tuple[int, int | None]) -> bool:
        steps = FaultySteps(die_at=fault[0], cut=fault[1])
        try:
            self._do(deed, self.rig.process(steps))
        except Killed:
            self.rig.kill()
            return False
        return True

    def _die(self, deed: Callable[[Transaction], None], fault: tuple[int, int | None], kind: str) -> bool:
        """Give whether it happened: certainly when it was acknowledged, else if the journal says so."""
        before = len(self.rig.events())
        acknowledged = self._attempt(deed, fault)
        news = [event for event in self.rig.events()[before:] if event.event == kind]
        assert len(news) <= 1
        happened = bool(news)
        if acknowledged and not happened:
            assert kind == "registered"  # it was watched already
        reconcile(self.rig.process())
        return happened


class _OnPurposeError(Exception):
    pass


def _changing(job_id: str, word: str) -> Callable[[Transaction], None]:
    def go(change: Transaction) -> None:
        (job,) = (job for job in change.jobs.values() if job.id == job_id)
        change.change(job.uid, job.changed(last_status=word), EventKind.STATUS_CHANGE)

    return go


def _finishing(job_id: str) -> Callable[[Transaction], None]:
    def go(change: Transaction) -> None:
        (job,) = (job for job in change.jobs.values() if job.id == job_id)
        change.finish(job.uid, job.changed(phase=Phase.SUCCEEDED))

    return go


def _removing(job_id: str) -> Callable[[Transaction], None]:
    def go(change: Transaction) -> None:
        (job,) = (job for job in change.jobs.values() if job.id == job_id)
        change.remove(job.uid, text="asked for")

    return go


TestRegistry = RegistryMachine.TestCase
TestRegistry.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
