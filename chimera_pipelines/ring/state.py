"""States of heads: what a head holds between phases, saved so that its death costs nothing.

A state is sealed under the head's 512-bit key, coded, and written into a slot of the four stores
that holds nothing which is still needed: the newest committed generation of a state is never
overwritten, so that a save which is torn leaves the one before it. It is committed by its manifest,
signed by the head, whose header goes last.

Writes are not synced: a state is to outlive its process, not a power cut, after which a run begins
again from its tickets. What such a cut tears is found by the digests.

Opening takes the seals' own checks and no digest of the whole: each chunk is bound to the content
id. A state that does not open is passed over for the one before it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from chimera_pipelines.digest import sha256
from chimera_pipelines.errors import CheckpointError
from chimera_pipelines.ring.code import NEEDED, SHARES
from chimera_pipelines.ring.durable import Bytes
from chimera_pipelines.ring.gathering import Gathering
from chimera_pipelines.ring.protect import protected
from chimera_pipelines.ring.reports import CheckpointReport, report_of
from chimera_pipelines.ring.seal import CHUNK, Cipher, Sealing
from chimera_pipelines.ring.share_errors import UnwrittenError
from chimera_pipelines.ring.shares import Manifest, Share, StateMark, signature_holds
from chimera_pipelines.ring.slots import Slots, choose, generation_of, key_of, ref_of
from chimera_pipelines.ring.state_records import StateKey, StateRef
from chimera_pipelines.ring.stores import ShareStore, Writer, open_stores
from chimera_pipelines.ring.stripes import Spent
from chimera_pipelines.ring.trust import HeadKeys, Signer, Verifier
from chimera_pipelines.ring.writing import remake_shares, write_shares
from chimera_pipelines.settings import HEAD_IDS

_LOG = logging.getLogger(__name__)
MEDIA = "application/x-safetensors"


class StateStore:
    """Saved states of four heads, in their share stores.

    Args:
        root: folder of the ring (`CHIMERA_HOME/ring`); lock files lie in its `locks`.
        keys: of the heads, to seal and to open.
        signers: gives a head's signer.
        verifier: checks manifests.
        urls: where the stores lie instead (`CHIMERA_SHARE_STORES`).
    """

    def __init__(
        self,
        root: Path,
        *,
        keys: HeadKeys,
        signers: Callable[[str], Signer],
        verifier: Verifier,
        urls: Sequence[str] = (),
    ) -> None:
        self.stores: tuple[ShareStore, ...] = open_stores(root, HEAD_IDS, urls)
        self._slots = Slots(self.stores, root / "locks")
        self._keys, self._signers, self._verifier = keys, signers, verifier
        self._trusted: dict[bytes, bool] = {}

    def save(
        self,
        key: StateKey,
        data: Bytes,
        *,
        head: str,
        document: str,
        cipher: Cipher = Cipher.AES_256,
        kem: bool = False,
        content: str | None = None,
        media: str = MEDIA,
        guard: Callable[[], None] = lambda: None,
    ) -> StateRef:
        """Save a state; from its return on it outlives the process.

        Args:
            key: what it is the state of.
            data: the state, safetensors as a rule.
            head: the head that holds it.
            document: slug of the document.
            cipher: never `none`: what a head holds is sealed even where outputs are not.
            kem: wrap the key with ML-KEM-768 too (`quantum_security_flag`).
            content: content id of `data`, when it is known already.
            media: what `data` is.
            guard: called under the lock of the head's slots; what it raises keeps the state out.

        Raises:
            ShareStoreError: CHIM506 or CHIM507, fewer than three stores could take a share.
        """
        view = memoryview(data).cast("B")
        named = content or sha256(view)
        sealing = Sealing(Cipher.AES_256 if cipher is Cipher.NONE else cipher, head, document, kem)
        draft = Manifest(named, document, key.kernel, media, len(view), CHUNK)
        manifest, cover = protected(draft, sealing, self._keys, HEAD_IDS)
        with self._slots.locked(head):
            guard()
            slot, generation = self._place(key, head)
            mark = StateMark(key.run, key.partition, key.name, head, generation)
            manifest = replace(manifest, state=mark)
            path = self._slots.path(head, slot)

            def opened(store: ShareStore, size: int) -> Writer:
                return store.preallocate(path, size)

            signer = self._signers(head)
            found = write_shares(self.stores, opened, view, manifest, cover, signer)
        return replace(ref_of(found.manifest, found.held), lacking=found.lacking)

    def load(
        self,
        what: str | StateKey | StateRef,
        *,
        lost: frozenset[str] = frozenset(),
        timing: dict[str, float] | None = None,
    ) -> memoryview:
        """A saved state, or of a key the newest generation that is whole.

        Args:
            what: a content id, a key, or what `save` gave.
            lost: heads whose stores are not to be read.
            timing: gets the seconds of `gather`, `rebuild` and `decrypt`.

        Raises:
            CheckpointError: CHIM515 there is none, CHIM501 or CHIM502 it cannot be rebuilt.
            SettingsError: CHIM514, its key is not here.
        """
        begun = time.perf_counter()
        failed: CheckpointError | None = None
        for head, slot in self._holding(what):
            with self._gathered(head, slot, lost) as shares:
                spent, gathered = Spent(), time.perf_counter()
                data = shares.rebuild(self._keys, in_order=True, spent=spent)
                if data is not None:
                    _tell(timing, gathered - begun, time.perf_counter() - gathered, spent)
                    return data
                failed = failed or shares.beyond_repair(f"state '{_name(what)}'")
            _LOG.warning("slot %d of %s is damaged; an older state serves", slot, head)
        raise failed or CheckpointError(
            "CHIM515", f"no state '{_name(what)}' is saved", hint="the kernel begins again"
        )

    def exists(self, content: str) -> bool:
        """Whether a state with that content id is saved; `load` says whether it is whole."""
        return any(True for _ in self._holding(content))

    def states(self, run: str | None = None, *, head: str | None = None) -> list[StateRef]:
        """What is saved, of one run and head or of all, older generations too."""
        found = [ref_of(share.manifest, ()) for _, _, share in self._taken()]
        return [ref for ref in found if run in (None, ref.key.run) and head in (None, ref.head)]

    def release(self, run: str, kernel: str | None = None) -> None:
        """Let go of the states of a run, or of one of its kernels: their slots become free.

        A run that lets go of a kernel goes on, so that a few slots stay for the kernels to come.
        """
        mine = kernel is not None
        self._free(lambda key: key.run == run and kernel in (None, key.kernel), spare=mine)

    def forget(self, keys: Collection[StateKey]) -> None:
        """Let go of every generation of these states."""
        self._free(lambda key: key in keys)

    def sweep(self, live: Callable[[str], bool]) -> int:
        """Let go of the states of runs that are over; gives how many there were."""
        return self._free(lambda key: not live(key.run))

    def ls(self) -> list[CheckpointReport]:
        """Every committed state with headers, signatures and sizes checked."""
        return self._reports(lambda shares: shares.settle())

    def verify(self) -> list[CheckpointReport]:
        """Every committed state with every byte of every share checked."""
        return self._reports(lambda shares: shares.check())

    def repair(self) -> list[CheckpointReport]:
        """Make lost and damaged shares of states again; gives what is then.

        Raises:
            ShareStoreError: CHIM506 or CHIM507, a store cannot take its share.
        """
        for head, numbers in self._slots.numbers().items():
            with self._slots.locked(head):
                for slot in numbers:
                    self._repair(head, slot)
        return self.verify()

    def _place(self, key: StateKey, head: str) -> tuple[int, int]:
        """The slot for a new generation of a state, and the generation's number."""
        table = self._slots.table(head)
        mine = {slot: share for slot, share in table.items() if share and key_of(share) == key}
        order = sorted(mine, key=lambda slot: generation_of(mine[slot]), reverse=True)
        newest = next((s for s in order if self._slots.headers(head, s) >= NEEDED), None)
        replaceable = [slot for slot in reversed(order) if slot != newest]
        last = generation_of(mine[order[0]]) if order else 0
        return choose(table, replaceable), last + 1

    def _holding(self, what: str | StateKey | StateRef) -> Iterable[tuple[str, int]]:
        """Slots with that state, the newest generation first."""
        found = []
        for head, slot, share in self._taken():
            if isinstance(what, StateKey):
                fits = key_of(share) == what
            else:
                content = what if isinstance(what, str) else what.id
                fits = share.manifest.content == content
            if fits:
                found.append((generation_of(share), head, slot))
        return [(head, slot) for _, head, slot in sorted(found, reverse=True)]

    def _taken(self) -> Iterable[tuple[str, int, Share]]:
        for head in self._slots.numbers():
            for slot, share in self._slots.table(head).items():
                if share is not None and key_of(share) is not None:
                    yield head, slot, share

    def _free(self, over: Callable[[StateKey], bool], *, spare: bool = False) -> int:
        freed = 0
        for head in self._slots.numbers():
            with self._slots.locked(head):
                table = self._slots.table(head)
                keys = {slot: key_of(share) for slot, share in table.items() if share}
                wanted = [slot for slot, key in keys.items() if key is not None and over(key)]
                self._slots.free(head, wanted, spare=spare)
                freed += len(wanted)
        return freed

    def _gathered(self, head: str, slot: int, lost: frozenset[str] = frozenset()) -> Gathering:
        def accept(share: Share) -> str | None:
            state = share.manifest.state
            if state is None or state.head != head:
                return f"it is no state of {head}"
            return None if self._signed(share) else "its manifest is not signed by a key known here"

        return Gathering(self.stores, self._slots.path(head, slot), lost=lost, accept=accept)

    def _signed(self, share: Share) -> bool:
        """Four shares have the same manifest: its signature is checked once."""
        name = share.group
        if name not in self._trusted:
            self._trusted = {name: signature_holds(share, self._verifier)}
        return self._trusted[name]

    def _reports(self, look: Callable[[Gathering], object]) -> list[CheckpointReport]:
        found = []
        for head, numbers in self._slots.numbers().items():
            for slot in numbers:
                with self._gathered(head, slot) as shares:
                    look(shares)
                    if _committed(shares):
                        manifest = shares.manifest
                        found.append(
                            report_of(manifest.content if manifest else shares.path, shares)
                        )
        return found

    def _repair(self, head: str, slot: int) -> None:
        with self._gathered(head, slot) as shares:
            good = shares.check()
            if not _committed(shares) or not NEEDED <= len(good) < SHARES:
                return
            path = self._slots.path(head, slot)

            def opened(store: ShareStore, size: int) -> Writer:
                return store.preallocate(path, size)

            lost = [index for index in range(SHARES) if index not in good]
            faults = remake_shares(shares, lost, opened, self._keys)
        if faults:
            raise next(iter(faults.values()))


def _committed(shares: Gathering) -> bool:
    """Whether a slot holds a state that was saved to its end, damaged or not."""
    unwritten = any(isinstance(one, UnwrittenError) for one in shares.found.values())
    return len(shares.group) >= NEEDED or not unwritten


def _name(what: str | StateKey | StateRef) -> str:
    if isinstance(what, StateKey):
        return f"{what.name} of {what.kernel}"
    return what if isinstance(what, str) else what.id


def _tell(timing: dict[str, float] | None, gather: float, whole: float, spent: Spent) -> None:
    """Seconds of the stages; threads work on both, so that wall time is split by their shares."""
    if timing is not None:
        total = (spent.rebuild + spent.decrypt) or 1.0
        timing["gather"] = gather
        timing["rebuild"] = whole * spent.rebuild / total
        timing["decrypt"] = whole * spent.decrypt / total
