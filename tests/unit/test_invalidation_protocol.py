"""No process uses a stale copy, whatever is delayed, paused, cut off or restarted: a model of the protocol.

The holders, leases and copies are the real ones; Redis, the network, the store and the clocks are simulated.
Each step of a reader, a writer or the network is a rule of its own, so that everything may happen between any
two. A run begins when every process holds a lease and has a copy.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from adapters.redis import listener
from adapters.redis.epoch import SharedEpoch
from adapters.redis.listener import MAX_WAIT, REGISTRATION_TTL, Holder, Publication
from adapters.redis.local_cache import EVERYTHING, Fill, Lease, LocalCache

TAG = "movies:detail:1"
DRIFTS = (0.98, 1.02)
"""How fast the clocks of the processes run."""

indices = st.integers(0, len(DRIFTS) - 1)


@dataclass
class Subscription:
    """A connection that is subscribed: what Redis has sent on it, and whether it still sends."""

    alive: bool = True
    inbox: deque[tuple[str, bytes]] = field(default_factory=deque)


@dataclass
class Write:
    """A write that was stored, and has no response yet. The deadline is by the clock of its process."""

    version: int
    deadline: float = 0.0
    number: int = 0
    publication: Publication | None = None
    holders: frozenset[str] = frozenset()


class Process:
    """A process that reads and writes. Its clock began at another time than the others', and drifts."""

    def __init__(self, world: "Protocol", index: int) -> None:
        self.now: Callable[[], float] = lambda: index * 3600 + world.seconds * DRIFTS[index]
        lease = Lease(self.now, epoch=world.epoch)
        self.cache: LocalCache[int] = lease.cache(10)
        self.holder = Holder(lease)
        self.running = True
        self.subscription: Subscription | None = None
        self.pinging = False
        self.fill: Fill | None = None
        self.fetched: int | None = None
        self.write: Write | None = None
        self.server = 0
        self.missed = False
        self.reaches_redis = True


class Protocol(RuleBasedStateMachine):
    """Processes that keep copies of one value, the number of its last write."""

    epoch: SharedEpoch | None = None
    """The epoch that all processes share, if they run on one machine."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 100.0
        self.stored = self.responded = 0
        self.server = 1
        self.answers = True
        self.backlog: list[Callable[[], None]] = []
        self.holders: dict[str, float] = {}
        self.processes = [Process(self, index) for index in range(len(DRIFTS))]

    @initialize()
    def every_process_has_a_copy(self) -> None:
        for index in range(len(DRIFTS)):
            self.a_process_registers(index)
            self.a_process_subscribes_anew(index)
            self.a_process_pings(index)
            self.a_process_receives(index)
            for _ in range(3):
                self.a_process_goes_on_with_a_copy(index)
            assert self.processes[index].cache.get("key") == self.stored

    # Time and faults

    @rule(milliseconds=st.sampled_from([1, 5, 10, 20, 31, 46, 1100, 5000]))
    def time_passes(self, milliseconds: int) -> None:
        self.seconds += milliseconds / 1000

    @rule(index=indices)
    def a_process_is_paused_or_resumed(self, index: int) -> None:
        self.processes[index].running = not self.processes[index].running

    @rule()
    def redis_is_paused_or_resumed(self) -> None:
        self.answers = not self.answers
        if self.answers:
            backlog, self.backlog = self.backlog, []
            for work in backlog:
                work()

    @rule()
    def redis_is_restarted(self) -> None:
        self.server, self.answers, self.holders, self.backlog = self.server + 1, True, {}, []
        for process in self.processes:
            self._cut(process)

    @rule(index=indices)
    def a_connection_breaks_unnoticed(self, index: int) -> None:
        self._cut(self.processes[index])

    def _cut(self, process: Process) -> None:
        if process.subscription:
            process.subscription.alive = False

    # Holders

    @rule(index=indices)
    def a_process_registers(self, index: int) -> None:
        process, sent = self.processes[index], self.processes[index].now()
        if process.running and process.holder.must_register:
            self._at_redis(lambda: self._register(process, sent))

    def _register(self, process: Process, sent: float) -> None:
        self.holders[process.holder.name] = self.seconds
        process.holder.registered(sent)

    @rule(index=indices)
    def a_process_subscribes_anew(self, index: int) -> None:
        process = self.processes[index]
        if process.running and self.answers and process.holder.name in self.holders:
            self._cut(process)
            process.subscription, process.pinging = Subscription(), False
            process.holder.subscribed()

    @rule(index=indices)
    def a_process_pings(self, index: int) -> None:
        process = self.processes[index]
        subscription = process.subscription
        if process.running and subscription and not process.pinging:
            process.pinging = True
            process.holder.ping_sent()
            self._at_redis(lambda: self._send(subscription, "pong", b""))

    @rule(index=indices)
    def a_process_receives(self, index: int) -> None:
        process = self.processes[index]
        if not (process.running and process.subscription and process.subscription.inbox):
            return
        kind, text = process.subscription.inbox.popleft()
        if kind == "pong":
            process.pinging = False
            process.holder.pong()
        elif kind == "ack":
            process.holder.acknowledged(text)
        elif acknowledgement := process.holder.invalidated(text):
            channel, answer = acknowledgement
            self._at_redis(lambda: self._acknowledge(channel, answer.encode()))

    def _acknowledge(self, channel: str, text: bytes) -> None:
        for process in self.processes:
            if channel == listener.ACKS + process.holder.name and process.subscription:
                self._send(process.subscription, "ack", text)

    def _at_redis(self, work: Callable[[], None]) -> None:
        """Redis does this now, or when it is resumed."""
        if self.answers:
            work()
        else:
            self.backlog.append(work)

    def _send(self, subscription: Subscription, kind: str, text: bytes) -> None:
        if subscription.alive:
            subscription.inbox.append((kind, text))

    # Readers

    @invariant()
    def no_copy_is_older_than_a_write_that_was_responded_to(self) -> None:
        for process in self.processes:
            copy = process.cache.get("key") if process.running else None
            assert copy is None or copy >= self.responded

    @rule(index=indices)
    def a_process_goes_on_with_a_copy(self, index: int) -> None:
        process = self.processes[index]
        if not process.running:
            return
        if process.fill is None:
            process.fill = process.cache.begin(TAG)
        elif process.fetched is None:
            process.fetched = self.stored
        else:
            process.cache.put(process.fill, "key", process.fetched, [TAG], 3600)
            process.fill = process.fetched = None

    # Writers

    @rule(index=indices, arrives=st.booleans())
    def a_process_goes_on_with_a_write(self, index: int, arrives: bool) -> None:
        """Store a change, publish it, or respond to its writer. A message may arrive though Redis did not
        answer.
        """
        process = self.processes[index]
        if not process.running:
            return
        if process.write is None:
            self.stored += 1
            process.write = Write(self.stored)
        elif process.write.publication is None:
            self._send_change(process, process.write, arrives=arrives)
        elif self._may_respond(process, process.write):
            self.responded = max(self.responded, process.write.version)
            process.holder.forget(process.write.number)
            process.write = None

    def _send_change(self, process: Process, write: Write, *, arrives: bool) -> None:
        write.number, write.publication = process.holder.publication()
        message = f"{process.holder.name} {write.number} {TAG}".encode()
        if self.answers or arrives:
            self._at_redis(lambda: self._publish(message))
        write.holders = frozenset(self._registered())
        if not self.answers or process.server != self.server:
            process.missed, process.server = process.missed or not self.answers, self.server
            write.holders |= {"whoever held a lease at another server"}
        process.holder.lease.invalidate([TAG])
        write.publication.applied(process.holder.name)
        write.deadline = process.now() + MAX_WAIT

    def _may_respond(self, process: Process, write: Write) -> bool:
        assert write.publication
        return write.publication.wait(write.holders, 0) or process.now() >= write.deadline

    def _publish(self, message: bytes) -> None:
        for process in self.processes:
            if process.subscription:
                self._send(process.subscription, "message", message)

    def _registered(self) -> list[str]:
        self.holders = {
            name: at for name, at in self.holders.items() if int(at) >= int(self.seconds) - REGISTRATION_TTL
        }
        return list(self.holders)

    @precondition(lambda self: self.answers)
    @rule(index=indices)
    def a_process_flushes_what_it_missed(self, index: int) -> None:
        process = self.processes[index]
        if process.running and process.missed:
            process.missed = False
            self._publish(f"{listener.NO_SENDER} 0 {EVERYTHING}".encode())


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)


class OneMachine(Protocol):
    """Processes of one machine, of which any may be cut off from Redis while the others reach it. It waits
    for none of them, because they see that the epoch has ended.
    """

    def __init__(self) -> None:
        self.epoch = SharedEpoch()
        super().__init__()
        self.processes[0].reaches_redis = False

    @rule(index=indices)
    def a_process_is_cut_off_or_reconnected(self, index: int) -> None:
        self.processes[index].reaches_redis = not self.processes[index].reaches_redis

    def _send_change(self, process: Process, write: Write, *, arrives: bool) -> None:
        if process.reaches_redis:
            super()._send_change(process, write, arrives=arrives)
            return
        write.number, write.publication = process.holder.publication()
        self._end_epoch()
        process.missed = True
        process.holder.lease.invalidate([TAG])

    def _end_epoch(self) -> None:
        assert self.epoch
        self.epoch.change()


TestOneMachine = OneMachine.TestCase
TestOneMachine.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)


class SilentMachine(OneMachine):
    """Processes that do not tell each other when they are cut off."""

    def _end_epoch(self) -> None:
        pass


class HastyProtocol(Protocol):
    """Writers do not wait for the holders."""

    def _may_respond(self, process: Process, write: Write) -> bool:
        return True


@pytest.mark.unmeasured
@pytest.mark.parametrize("faulty", [HastyProtocol, SilentMachine])
def test_the_model_notices_writers_that_do_not_wait_and_epochs_that_do_not_end(
    faulty: type[Protocol],
) -> None:
    # Any failing example will do: to find a shorter one takes ten times as long as to find one.
    found = settings(
        max_examples=300,
        stateful_step_count=30,
        deadline=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(faulty, settings=found)
