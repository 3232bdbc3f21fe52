"""Values between steps and between runs: JSON and arrays by content id, never pickle.

A kernel's output goes into the content store as canonical JSON; a small pointer file for each asset
and partition names its content id. Records between phases are JSON files of the run that made them,
so that a phase can be retried alone in another process. Of kernels that want encryption both are
sealed: the output has been put sealed when its kernel published it, and stays so.
"""

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg

from chimera_pipelines.digest import canonical, read_canonical
from chimera_pipelines.lifecycle import sealing
from chimera_pipelines.lifecycle.records import (
    Deserialized,
    Embedded,
    Measured,
    PhaseRecord,
    Propagated,
)
from chimera_pipelines.ring.blobs import ContentStore
from chimera_pipelines.settings import settings

JSON = "application/json"
ARRAY = "application/x-npy"
BYTES = "application/octet-stream"
RECORDS: dict[str, type[PhaseRecord]] = {
    record.__name__: record for record in (Deserialized, Embedded, Propagated, Measured)
}


class ChimeraIOManager(dg.ConfigurableIOManager):
    """Keeps outputs under `CHIMERA_HOME`; `root` puts them elsewhere."""

    root: str | None = None

    @property
    def _root(self) -> Path:
        return Path(self.root) if self.root else settings().root

    def _store(self) -> ContentStore:
        now = settings()
        if self.root:
            now = now.model_copy(update={"home": self._root, "store_url": None})
        keys = sealing.head_keys(settings())
        return sealing.content_store(now, keys, sealing.ring(now, keys))

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Store an asset's value by content id, or a phase's record with its run."""
        if obj is None and not context.has_asset_key:
            return
        if not context.has_asset_key:
            value = _closed(obj) if isinstance(obj, PhaseRecord) else obj
            _write(self._record_path(context.get_identifier()), json.dumps(value).encode())
            return
        data, media = _encode(obj)
        content = self._store().put(data, media=media)
        keys = context.asset_partition_keys if context.has_asset_partitions else [None]
        pointer = json.dumps({"content": content, "media": media}).encode()
        for key in keys:
            _write(self._pointer(context.asset_key, key), pointer)
        context.add_output_metadata({"content": content, "bytes": len(data)})

    def load_input(self, context: dg.InputContext) -> Any:
        """What `handle_output` stored; several partitions come as a dict by key."""
        if not context.has_asset_key:
            upstream = context.upstream_output
            if upstream is None:
                raise dg.DagsterInvariantViolationError(f"input '{context.name}' has no source")
            return _record(json.loads(self._record_path(upstream.get_identifier()).read_bytes()))
        if not context.has_asset_partitions:
            return self._load(context.asset_key, None)
        keys = context.asset_partition_keys
        if len(keys) == 1:
            return self._load(context.asset_key, keys[0])
        return {key: self._load(context.asset_key, key) for key in keys}

    def load_asset(self, key: dg.AssetKey, partition: str | None = None) -> Any:
        """An asset's latest value, outside a run.

        Raises:
            dagster.DagsterInvariantViolationError: there is none.
        """
        return self._load(key, partition)

    def _load(self, key: dg.AssetKey, partition: str | None) -> Any:
        path = self._pointer(key, partition)
        if not path.exists():
            of = f" of partition '{partition}'" if partition else ""
            raise dg.Failure(
                f"'{key.to_user_string()}' has no output{of}: materialise it first",
                allow_retries=False,
            )
        pointer = json.loads(path.read_bytes())
        return _decode(self._store().get(pointer["content"]), pointer["media"])

    def _pointer(self, key: dg.AssetKey, partition: str | None) -> Path:
        parts = [quote(part, safe="") for part in key.path]
        name = "latest" if partition is None else "partition=" + quote(partition, safe="")
        return self._root.joinpath("outputs", *parts, f"{name}.json")

    def _record_path(self, identifier: Sequence[str]) -> Path:
        parts = [quote(part, safe="") for part in identifier]
        return self._root.joinpath("phases", *parts[:-1], f"{parts[-1]}.json")


def _closed(record: PhaseRecord) -> Any:
    invocation = record.invocation
    how = sealing.of_record(invocation.sealing, invocation.head)
    return sealing.close_note(record.to_json(), how, sealing.head_keys(settings()))


def _record(value: Any) -> Any:
    value = sealing.open_note(value, sealing.head_keys(settings()))
    if isinstance(value, dict) and value.get("schema") == PhaseRecord.schema:
        return RECORDS[value["record"]].from_json(value)
    return value


def _encode(obj: Any) -> tuple[bytes, str]:
    if isinstance(obj, bytes):
        return obj, BYTES
    if type(obj).__module__.partition(".")[0] in ("numpy", "torch"):
        return _array_bytes(obj), ARRAY
    return canonical(obj), JSON


def _array_bytes(obj: Any) -> bytes:
    import io

    import numpy as np

    array = obj.detach().cpu().numpy() if hasattr(obj, "detach") else np.asarray(obj)
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _decode(data: bytes, media: str) -> Any:
    if media == BYTES:
        return data
    if media == ARRAY:
        import io

        import numpy as np

        return np.load(io.BytesIO(data), allow_pickle=False)
    return read_canonical(data)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)
