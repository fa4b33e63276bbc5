"""Every call in a database, as it happens: open a `RecordStore`, begin a call, give it to a `CallObserver`.

Needs the extra `phone`; importing this without it raises `MissingExtraError`.
"""

from importlib.util import find_spec

from voicepipe.errors import MissingExtraError

if find_spec("sqlalchemy") is None or find_spec("aiosqlite") is None:
    raise MissingExtraError("keeping records of calls", "phone")

from voicepipe.telemetry.records.reader import RecordReader, StoredCall
from voicepipe.telemetry.records.store import CallEntry, RecordStore
from voicepipe.telemetry.records.where import records_url

__all__ = ["CallEntry", "RecordReader", "RecordStore", "StoredCall", "records_url"]
