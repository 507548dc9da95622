# SPDX-License-Identifier: Apache-2.0
"""kdirect from Python: run a job with a transform written in Python, and look at offsets and ranges.

Only the standard library is needed, and libkdirect and libkdsinks where the loader finds them.  What is exactly once
stays so: the ranges, the ledger and the transaction are the C library's; Python only says what becomes of a record.

    class Redact:                           # one object per worker; its calls never overlap
        def apply(self, batch, row, emit):
            row["card"] = "***"
            emit()                          # not called: dropped, and counted; called twice: two rows

    kdirect.Job("job.json", Redact).run()

An exception in apply stops the job with the record's place and the exception's text.
"""
import ctypes as c
import json
import signal
import threading
from typing import NamedTuple

_lib = c.CDLL("libkdirect.so.0", mode=c.RTLD_GLOBAL)
_sinks = c.CDLL("libkdsinks.so.0")

KD_OK, KD_ERECORD, KD_STOP, KD_TRANSFORM_ABI = 0, 10, 0, 1
LEVELS = ("error", "warn", "info", "debug")


# ---- the structs of the public headers; test_layout.py compares them with the headers ----

class kd_error(c.Structure):
    _fields_ = [("code", c.c_int), ("action", c.c_int), ("native", c.c_int), ("sqlstate", c.c_char * 6),
                ("row", c.c_int64), ("offset", c.c_int64), ("message", c.c_char * 1024)]


class kd_range(c.Structure):
    _fields_ = [("from", c.c_int64), ("until", c.c_int64)]


class kd_batch_partition(c.Structure):
    _fields_ = [("job", c.c_char_p), ("topic", c.c_char_p), ("partition", c.c_int32), ("partition_index", c.c_int32),
                ("segment", c.c_int32), ("batch_time_ms", c.c_int64), ("range", kd_range)]


class kd_record(c.Structure):
    _fields_ = [("offset", c.c_int64), ("timestamp_ms", c.c_int64), ("key", c.c_void_p), ("key_size", c.c_size_t),
                ("value", c.c_void_p), ("value_size", c.c_size_t), ("table", c.c_char_p), ("fields", c.c_void_p),
                ("native", c.c_void_p)]


class kd_value(c.Structure):
    _fields_ = [("type", c.c_int), ("boolean", c.c_bool), ("text", c.c_void_p), ("size", c.c_size_t),
                ("row", c.c_void_p)]


class kd_option(c.Structure):
    _fields_ = [("key", c.c_char_p), ("type", c.c_int), ("default_value", c.c_char_p), ("values", c.c_char_p),
                ("min", c.c_int64), ("max", c.c_int64), ("required", c.c_bool), ("secret", c.c_bool),
                ("help", c.c_char_p)]


class kd_options(c.Structure):
    _fields_ = [("items", c.POINTER(kd_option)), ("n", c.c_size_t)]


class kd_diagnostic(c.Structure):
    _fields_ = [("file", c.c_char_p), ("line", c.c_int), ("column", c.c_int), ("message", c.c_char_p)]


LOG = c.CFUNCTYPE(None, c.c_void_p, c.c_int, c.c_int64, c.c_char_p)
OBSERVER = c.CFUNCTYPE(None, c.c_void_p, c.c_int, c.POINTER(kd_batch_partition), c.c_size_t)
DIAGNOSTIC = c.CFUNCTYPE(None, c.c_void_p, c.POINTER(kd_diagnostic))


class kd_logger(c.Structure):
    _fields_ = [("fn", LOG), ("opaque", c.c_void_p), ("level", c.c_int)]


class kd_part_context(c.Structure):
    _fields_ = [("config", c.c_void_p), ("log", c.POINTER(kd_logger)), ("worker", c.c_int)]


OPEN = c.CFUNCTYPE(c.c_int, c.POINTER(kd_part_context), c.POINTER(c.c_void_p), c.POINTER(kd_error))
CLOSE = c.CFUNCTYPE(None, c.c_void_p)
APPLY = c.CFUNCTYPE(c.c_int, c.c_void_p, c.POINTER(kd_batch_partition), c.c_void_p, c.c_void_p, c.POINTER(kd_error))


class kd_decoder_ops(c.Structure):
    _fields_ = [("abi", c.c_uint32), ("name", c.c_char_p), ("summary", c.c_char_p), ("options", c.POINTER(kd_option)),
                ("n_options", c.c_size_t), ("open", c.c_void_p), ("close", c.c_void_p), ("decode", c.c_void_p)]


class kd_transform_ops(c.Structure):
    _fields_ = [("abi", c.c_uint32), ("name", c.c_char_p), ("summary", c.c_char_p), ("options", c.POINTER(kd_option)),
                ("n_options", c.c_size_t), ("open", OPEN), ("close", CLOSE), ("look_up", c.c_void_p), ("apply", APPLY)]


class kd_sink_ops(c.Structure):  # as far as it is read here
    _fields_ = [("abi", c.c_uint32), ("name", c.c_char_p), ("summary", c.c_char_p), ("options", c.POINTER(kd_option)),
                ("n_options", c.c_size_t)]


class kd_job_options(c.Structure):
    _fields_ = [("log", kd_logger), ("until_latest", c.c_bool), ("version", c.c_char_p), ("program", c.c_char_p),
                ("observer", OBSERVER), ("observer_opaque", c.c_void_p), ("decoder", c.c_void_p),
                ("transform", c.POINTER(kd_transform_ops))]


class kd_progress(c.Structure):
    _fields_ = [(name, c.c_int64) for name in (
        "epoch", "batch_time_ms", "batches", "batch_partitions", "records", "rows", "dropped", "gap", "bytes", "lag",
        "blocked", "retries", "resolves", "went_back", "here_only", "target", "last_commit_ms")] + [
        ("partitions", c.c_int32), ("records_per_second", c.c_double), ("running", c.c_bool)]


class kd_topic(c.Structure):
    _fields_ = [("name", c.c_char_p), ("partitions", c.c_int32)]


class kd_offsets(c.Structure):
    _fields_ = [("topic", c.c_char_p), ("partition", c.c_int32), ("low", c.c_int64), ("last_stable", c.c_int64),
                ("high", c.c_int64), ("at_time", c.c_int64), ("group", c.c_int64), ("native", c.c_int)]


# ---- the functions ----

def _declare(library, result, name, *arguments):
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments
    return function


_p, _s, _z, _i64, _err = c.c_void_p, c.c_char_p, c.c_size_t, c.c_int64, c.POINTER(kd_error)
_error_set = _declare(_lib, c.c_int, "kd_error_set", _err, c.c_int, c.c_int, _s)
_config_new = _declare(_lib, _p, "kd_config_new", c.POINTER(kd_options), _z)
_config_load = _declare(_lib, c.c_int, "kd_config_load", _p, _s, DIAGNOSTIC, _p, _err)
_config_set = _declare(_lib, c.c_int, "kd_config_set", _p, _s, _s, _err)
_config_check = _declare(_lib, c.c_int, "kd_config_check", _p, DIAGNOSTIC, _p, _err)
_config_peek = _declare(_lib, _s, "kd_config_peek", _p, _s)
_config_string = _declare(_lib, _s, "kd_config_string", _p, _s)
_config_free = _declare(_lib, None, "kd_config_free", _p)
_topic_count = _declare(_lib, _z, "kd_config_topic_count", _p)
_topic = _declare(_lib, _s, "kd_config_topic", _p, _z)
_sink_find = _declare(_sinks, c.POINTER(kd_sink_ops), "kd_sink_find", _s)
_decoder_find = _declare(_lib, c.POINTER(kd_decoder_ops), "kd_decoder_find", _s)
_job_new = _declare(_lib, c.c_int, "kd_job_new", _p, _p, c.POINTER(kd_job_options), c.POINTER(_p), _err)
_job_run = _declare(_lib, c.c_int, "kd_job_run", _p, _err)
_job_stop = _declare(_lib, None, "kd_job_stop", _p)
_job_progress = _declare(_lib, None, "kd_job_progress", _p, c.POINTER(kd_progress))
_job_free = _declare(_lib, None, "kd_job_free", _p)
_exit_code = _declare(_lib, c.c_int, "kd_exit_code", c.c_int, _err)
_row_record = _declare(_lib, c.POINTER(kd_record), "kd_row_record", _p)
_row_get = _declare(_lib, c.c_bool, "kd_row_get", _p, _s, c.POINTER(kd_value))
_row_at = _declare(_lib, c.c_bool, "kd_row_at", _p, _z, c.POINTER(_p), c.POINTER(_z), c.POINTER(kd_value))
_row_set_json = _declare(_lib, None, "kd_row_set_json", _p, _s, _s, _z)
_row_remove = _declare(_lib, None, "kd_row_remove", _p, _s)
_row_clear = _declare(_lib, None, "kd_row_clear", _p)
_row_set_table = _declare(_lib, None, "kd_row_set_table", _p, _s)
_emit = _declare(_lib, c.c_int, "kd_emit", _p, _p, _err)
_kafka_open = _declare(_lib, c.c_int, "kd_kafka_open_config", _p, c.POINTER(kd_logger), c.c_int, c.POINTER(_p), _err)
_kafka_close = _declare(_lib, None, "kd_kafka_close", _p)
_kafka_topics = _declare(_lib, c.c_int, "kd_kafka_topics", _p, c.POINTER(_s), _z, c.c_int,
                         c.POINTER(c.POINTER(kd_topic)), c.POINTER(_z), _err)
_topics_free = _declare(_lib, None, "kd_topics_free", c.POINTER(kd_topic), _z)
_kafka_offsets = _declare(_lib, c.c_int, "kd_kafka_offsets", _p, c.POINTER(kd_offsets), _z, c.c_int, c.c_int, _err)


class Error(Exception):
    """What the library reported.  exit_code: what a program should end with; findings: of the configuration."""

    def __init__(self, code, error, findings=()):
        super().__init__("\n".join([*findings, error.message.decode("utf-8", "replace")]))
        self.code, self.exit_code, self.findings = code, _exit_code(code, c.byref(error)), list(findings)


def _must(code, error, findings=()):
    if code != KD_OK:
        raise Error(code, error, findings)


class OffsetRange(NamedTuple):
    """One batch partition, as the entries of HasOffsetRanges in Spark: offsets [from_offset, until_offset)."""
    topic: str
    partition: int
    from_offset: int
    until_offset: int
    batch_time_ms: int
    partition_index: int
    segment: int


class Offsets(NamedTuple):
    topic: str
    partition: int
    low: int
    last_stable: int
    high: int


def _range(entry):
    return OffsetRange(entry.topic.decode(), entry.partition, getattr(entry.range, "from"), entry.range.until,
                       entry.batch_time_ms, entry.partition_index, entry.segment)


# ---- configuration ----

class Config:
    """A job file, checked.  overrides: {"sink.dsn": "..."} win over the file."""

    def __init__(self, path, overrides=None):
        self._findings = []
        self._report = DIAGNOSTIC(self._on_finding)
        self.sink = _sink_find((self._look(path, overrides, b"sink.type") or "").encode())
        self.decoder = _decoder_find((self._look(path, overrides, b"decode.type") or "raw").encode())
        tables = [kd_options(part.contents.options, part.contents.n_options) for part in (self.sink, self.decoder)
                  if part]
        self._tables = (kd_options * len(tables))(*tables)
        self.pointer = self._load(path, overrides, self._tables, len(tables))
        error = kd_error()
        _must(_config_check(self.pointer, self._report, None, error), error, self._findings)

    def _on_finding(self, _, finding):
        finding = finding.contents
        self._findings.append(f"{finding.file.decode()}:{finding.line}:{finding.column}: {finding.message.decode()}")

    def _load(self, path, overrides, tables, n):
        error = kd_error()
        config = _config_new(tables, n)
        _must(_config_load(config, str(path).encode(), self._report, None, error), error, self._findings)
        for key, value in (overrides or {}).items():
            text = value if isinstance(value, str) else json.dumps(value)
            _must(_config_set(config, key.encode(), text.encode(), error), error)
        return config

    def _look(self, path, overrides, key):
        config = self._load(path, overrides, None, 0)
        value = _config_peek(config, key)
        _config_free(config)
        return value and value.decode()

    def topics(self):
        return [_topic(self.pointer, i).decode() for i in range(_topic_count(self.pointer))]

    def offsets(self, timeout_ms=10000):
        """What Kafka holds of the job's topics: a list of Offsets."""
        kafka, error, names = c.c_void_p(), kd_error(), [topic.encode() for topic in self.topics()]
        _must(_kafka_open(self.pointer, kd_logger(), timeout_ms, kafka, error), error)
        try:
            topics, n = c.POINTER(kd_topic)(), c.c_size_t()
            _must(_kafka_topics(kafka, (c.c_char_p * len(names))(*names), len(names), timeout_ms, topics, n, error), error)
            pairs = [(topics[i].name, partition) for i in range(n.value) for partition in range(topics[i].partitions)]
            rows = (kd_offsets * len(pairs))(*[kd_offsets(topic, partition) for topic, partition in pairs])
            _topics_free(topics, n)
            _must(_kafka_offsets(kafka, rows, len(pairs), 7, timeout_ms, error), error)
            return [Offsets(row.topic.decode(), row.partition, row.low, row.last_stable, row.high) for row in rows]
        finally:
            _kafka_close(kafka)


# ---- rows ----

def _python(value):
    text = c.string_at(value.text, value.size).decode() if value.text else None
    kinds = (lambda: None, lambda: value.boolean, lambda: json.loads(text), lambda: text, lambda: json.loads(text),
             lambda: json.loads(text))
    return kinds[value.type]()


class Row:
    """A record's fields.  Valid within apply only."""

    def __init__(self, pointer):
        self._pointer = pointer

    @property
    def record(self):
        return _row_record(self._pointer).contents

    @property
    def key(self):
        record = self.record
        return c.string_at(record.key, record.key_size) if record.key is not None else None

    @property
    def value(self):
        record = self.record
        return c.string_at(record.value, record.value_size) if record.value is not None else None

    def get(self, name, default=None):
        value = kd_value()
        return _python(value) if _row_get(self._pointer, name.encode(), value) else default

    def __getitem__(self, name):
        value = kd_value()
        if not _row_get(self._pointer, name.encode(), value):
            raise KeyError(name)
        return _python(value)

    def __setitem__(self, name, value):
        text = json.dumps(value, ensure_ascii=False).encode()
        _row_set_json(self._pointer, name.encode(), text, len(text))

    def __delitem__(self, name):
        _row_remove(self._pointer, name.encode())

    def fields(self):
        """All fields as a dict."""
        name, size, value, found = c.c_void_p(), c.c_size_t(), kd_value(), {}
        while _row_at(self._pointer, len(found), name, size, value):
            found[c.string_at(name, size.value).decode()] = _python(value)
        return found

    def clear(self):
        _row_clear(self._pointer)

    def into(self, table):
        """Where the row goes: one of sink.tables; None: the sink's own table."""
        _row_set_table(self._pointer, table.encode() if table else None)


class _Refused(BaseException):
    """kd_emit said no, and why is in the error already."""


# ---- a job ----

class Job:
    """transform: a class, made once per worker, with apply(batch, row, emit); None: records go on as they are.
    on_planned, on_committed: called with a list of OffsetRange.  log: called with a level's name and a line."""

    def __init__(self, path, transform=None, overrides=None, until_latest=False, on_planned=None, on_committed=None,
                 log=None, log_level="info"):
        self.config = Config(path, overrides)
        self._make, self._states, self._observe, self._log = transform, {}, (on_planned, on_committed), log
        self._ops = kd_transform_ops(abi=KD_TRANSFORM_ABI, name=b"python", summary=b"a transform in Python",
                                     open=OPEN(self._on_open), close=CLOSE(self._on_close), apply=APPLY(self._on_apply))
        options = kd_job_options(until_latest=until_latest, version=b"python", observer=OBSERVER(self._on_event))
        options.log = kd_logger(LOG(self._on_log) if log else LOG(), None, LEVELS.index(log_level))
        if transform:
            options.transform = c.pointer(self._ops)
        self._options, self._pointer, self._lock, error = options, c.c_void_p(), threading.Lock(), kd_error()
        _must(_job_new(self.config.pointer, self.config.sink, options, self._pointer, error), error)

    # The library calls these from its own threads; each call holds Python's lock.

    def _on_open(self, context, ret_state, error):
        try:
            number = context.contents.worker + 1
            self._states[number] = self._make()
            ret_state[0] = number
            return KD_OK
        except Exception as exception:
            return self._refuse(error, exception)

    def _on_close(self, state):
        self._states.pop(state, None)

    def _on_apply(self, state, batch, row, rows, error):
        def emit():
            if _emit(rows, row, error) != KD_OK:
                raise _Refused
        try:
            self._states[state].apply(_range(batch.contents), Row(row), emit)
            return KD_OK
        except _Refused:
            return error.contents.code
        except Exception as exception:
            return self._refuse(error, exception)

    @staticmethod
    def _refuse(error, exception):
        text = f"{type(exception).__name__}: {exception}".replace("\n", " ").replace("%", "%%").replace("\0", "")
        return _error_set(error, KD_ERECORD, KD_STOP, text.encode("utf-8", "replace"))

    def _on_event(self, _, event, entries, n):
        if self._observe[event]:
            self._observe[event]([_range(entries[i]) for i in range(n)])

    def _on_log(self, _, level, batch_time_ms, line):
        self._log(LEVELS[level], line.decode("utf-8", "replace"))

    def run(self):
        """Blocks until the job ends; SIGINT and SIGTERM stop it where this is the main thread.  Raises Error."""
        error, result = kd_error(), []
        worker = threading.Thread(target=lambda: result.append(_job_run(self._pointer, error)))
        handlers = {}
        if threading.current_thread() is threading.main_thread():
            handlers = {number: signal.signal(number, lambda *_: self.stop()) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            worker.start()
            while worker.is_alive():
                worker.join(0.1)  # signal handlers run here: in C they would have to wait for the job's end
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        _must(result[0], error)

    def stop(self):
        _job_stop(self._pointer)

    def progress(self):
        progress = kd_progress()
        _job_progress(self._pointer, progress)
        return progress

    def close(self):
        _job_free(self._pointer)
        self._pointer = c.c_void_p()
