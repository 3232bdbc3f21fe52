"""Tickets per second through the journal, against raw ML-DSA-65 signatures of the same provider.

    python -m benchmarks.tickets [--tickets 400] [--threads 1 4 16]

A ticket is a statement, a signature, a verification, a line of History under a file lock and fsync,
and a row of the ledger; writers that wait are taken along in one commit. CPU seconds are given
beside wall seconds, since the disk's fsync is what one thread mostly waits for.
"""

from __future__ import annotations

import argparse
import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import report
from chimera_pipelines.digest import sha256
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.lifecycle.journal import Journal
from chimera_pipelines.lifecycle.receipts import TicketFields
from chimera_pipelines.maml.history import doc_digest
from chimera_pipelines.tickets import providers
from chimera_pipelines.tickets.keys import KeyStore

_GATEWAY = "gateway://benchmark/default"
_ID = "urn:uuid:0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b10"
_RUN = "01K1ZZZZZZZZZZZZZZZZZZZZZZ"
_TEXT = f"---\nid: {_ID}\n---\n## Intent\nMeasure.\n"


def raw(provider: str, count: int) -> dict[str, object]:
    """Signatures alone, then signatures each verified once."""
    seed, message = secrets.token_bytes(32), secrets.token_bytes(1500)
    sign = providers.choose(provider).signing("ML-DSA-65", seed)
    public = providers.public_key("ML-DSA-65", seed)

    def both() -> None:
        assert providers.verify("ML-DSA-65", public, message, sign(message))

    return {
        "what": "sign",
        "threads": 1,
        **_rates(count, lambda: _repeat(count, lambda: sign(message))),
    } | {"sign_and_verify_per_s": count / report.best_of(1, lambda: _repeat(count, both))}


def journalled(provider: str, count: int, threads: int) -> dict[str, object]:
    """Tickets of one run of one document from `threads` threads."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        document = home / "measure.maml.md"
        document.write_text(_TEXT)
        keys = KeyStore(home / "keys", _GATEWAY, provider=provider)
        keys.ensure()
        ledger = Ledger(f"sqlite:///{home / 'ledger.sqlite'}")
        journal = Journal(
            document,
            _ID,
            doc_digest(_TEXT.encode()),
            keys=keys,
            ledger=ledger,
            gateway=_GATEWAY,
            home=home,
        )
        heads = ("HEAD_1", "HEAD_2", "HEAD_3", "HEAD_4")
        journal.grant(_RUN, "user://benchmark/ana", heads, 1)
        share = count // threads

        def write(number: int) -> None:
            for index in range(share):
                journal.ticket(
                    TicketFields(
                        run_id=_RUN,
                        kernel=f"k{number}",
                        status="ok",
                        head=heads[number % len(heads)],
                        head_kind="quantum",
                        cuda_ns=None,
                        input_digest=sha256(f"{number} {index}".encode()),
                        output_digest=sha256(b"{}"),
                    )
                )

        rates = _rates(share * threads, lambda: _in_threads(threads, write))
        ledger.close()
    return {"what": "ticket", "threads": threads, **rates}


def _repeat(count: int, work: Callable[[], object]) -> None:
    for _ in range(count):
        work()


def _in_threads(count: int, work: Callable[[int], None]) -> None:
    started = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def _rates(count: int, work: Callable[[], object]) -> dict[str, object]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"count": count, "per_s": count / wall, "per_cpu_s": count / cpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, default=400)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--provider", default="auto", choices=["auto", "liboqs", "cryptography"])
    options = parser.parse_args()
    first = raw(options.provider, options.tickets)
    rows = [first]
    for threads in options.threads:
        row = journalled(options.provider, options.tickets, threads)
        rows.append(row | {"ratio_to_sign": float(str(row["per_s"])) / float(str(first["per_s"]))})
    report.publish(
        "tickets",
        rows,
        packages=("cryptography", "sqlalchemy"),
        note=f"provider {providers.choose(options.provider).name}",
    )


if __name__ == "__main__":
    main()
