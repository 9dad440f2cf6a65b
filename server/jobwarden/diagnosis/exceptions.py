"""What the kind of a Python exception says, where no signature knows its message."""

from __future__ import annotations

import re

from jobwarden.diagnosis.form import Signature, Weight
from jobwarden.diagnosis.model import Category, Retryable
from jobwarden.diagnosis.tracebacks import Traceback

_C, _W = Category, Weight
_BY_NAME: dict[str, tuple[Category, str, Weight]] = {
    "MemoryError": (_C.OUT_OF_MEMORY, "host", _W.ROOT),
    "OutOfMemoryError": (_C.OUT_OF_MEMORY, "gpu", _W.ROOT),
    "ResourceExhaustedError": (_C.OUT_OF_MEMORY, "gpu", _W.ROOT),
    "ModuleNotFoundError": (_C.MISSING, "module", _W.ROOT),
    "ImportError": (_C.MISSING, "module", _W.LIKELY),
    "FileNotFoundError": (_C.MISSING, "file", _W.LIKELY),
    "NotADirectoryError": (_C.MISSING, "file", _W.LIKELY),
    "IsADirectoryError": (_C.CONFIGURATION, "path", _W.LIKELY),
    "FileExistsError": (_C.CONFIGURATION, "path", _W.LIKELY),
    "PermissionError": (_C.PERMISSION, "file", _W.LIKELY),
    "ConnectionRefusedError": (_C.NETWORK, "", _W.LIKELY),
    "ConnectionResetError": (_C.NETWORK, "lost", _W.CASCADE),
    "ConnectionAbortedError": (_C.NETWORK, "lost", _W.CASCADE),
    "BrokenPipeError": (_C.NETWORK, "lost", _W.CASCADE),
    "ConnectionError": (_C.NETWORK, "", _W.LIKELY),
    "URLError": (_C.NETWORK, "", _W.LIKELY),
    "ConnectTimeout": (_C.NETWORK, "", _W.LIKELY),
    "ReadTimeout": (_C.NETWORK, "", _W.LIKELY),
    "ConnectError": (_C.NETWORK, "", _W.LIKELY),
    "ReadError": (_C.NETWORK, "", _W.LIKELY),
    "gaierror": (_C.NAME_RESOLUTION, "", _W.ROOT),
    "SSLError": (_C.TLS, "", _W.ROOT),
    "SSLCertVerificationError": (_C.TLS, "", _W.ROOT),
    "EOFError": (_C.CODE_ERROR, "", _W.CASCADE),
    "KeyboardInterrupt": (_C.CANCELLED, "interrupt", _W.FACT),
    "SignalException": (_C.CANCELLED, "signal", _W.FACT),
    "SystemExit": (_C.CODE_ERROR, "exit", _W.CASCADE),
    "CalledProcessError": (_C.CODE_ERROR, "child", _W.CASCADE),
    "ExceptionGroup": (_C.CODE_ERROR, "", _W.CASCADE),
    "BaseExceptionGroup": (_C.CODE_ERROR, "", _W.CASCADE),
    "PapermillExecutionError": (_C.CODE_ERROR, "child", _W.CASCADE),
    "CellExecutionError": (_C.CODE_ERROR, "child", _W.CASCADE),
    "RemoteTraceback": (_C.CODE_ERROR, "", _W.CASCADE),
    "_RemoteTraceback": (_C.CODE_ERROR, "", _W.CASCADE),
    "CancelledError": (_C.CODE_ERROR, "", _W.CASCADE),
    "RecursionError": (_C.CODE_ERROR, "recursion", _W.LIKELY),
    "UnpicklingError": (_C.CORRUPT_DATA, "data", _W.LIKELY),
    "UnicodeDecodeError": (_C.CORRUPT_DATA, "data", _W.LIKELY),
    "BadZipFile": (_C.CORRUPT_DATA, "archive", _W.ROOT),
    "BadGzipFile": (_C.CORRUPT_DATA, "archive", _W.ROOT),
    "LZMAError": (_C.CORRUPT_DATA, "archive", _W.ROOT),
    "JSONDecodeError": (_C.CORRUPT_DATA, "data", _W.LIKELY),
    "ParserError": (_C.CORRUPT_DATA, "data", _W.LIKELY),
    "ParseError": (_C.CORRUPT_DATA, "data", _W.LIKELY),
    "ArrowInvalid": (_C.CORRUPT_DATA, "data", _W.LIKELY),
    "UnidentifiedImageError": (_C.CORRUPT_DATA, "data", _W.LIKELY),
    "SafetensorError": (_C.CORRUPT_DATA, "checkpoint", _W.ROOT),
    "ValidationError": (_C.CONFIGURATION, "settings", _W.LIKELY),
    "ArgumentError": (_C.CONFIGURATION, "arguments", _W.LIKELY),
    "ScannerError": (_C.CONFIGURATION, "settings", _W.LIKELY),
    "TOMLDecodeError": (_C.CONFIGURATION, "settings", _W.LIKELY),
    "UsageError": (_C.CONFIGURATION, "arguments", _W.LIKELY),
    "DistBackendError": (_C.DISTRIBUTED, "nccl", _W.CASCADE),
    "DistStoreError": (_C.DISTRIBUTED, "rendezvous", _W.CASCADE),
    "DistNetworkError": (_C.DISTRIBUTED, "rendezvous", _W.CASCADE),
    "ChildFailedError": (_C.DISTRIBUTED, "child_failed", _W.CASCADE),
    "TimeoutExpired": (_C.STUCK, "child", _W.LIKELY),
    "GatedRepoError": (_C.AUTHENTICATION, "gated", _W.ROOT),
}
_BY_WORDS: tuple[tuple[Category, str, re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (category, kind, re.compile(name), re.compile(message, re.IGNORECASE))
    for category, kind, name, message in (
        (_C.OUT_OF_MEMORY, "host", r"", r"\bout of memory\b|\bnot enough memory\b"),
        (
            _C.NETWORK,
            "",
            r"Connect|Timeout|Network|HTTP|Http|Socket|Client|API|Proxy",
            r"timed? ?out|refused|unreachable|reset",
        ),
        (_C.NETWORK, "", r"RateLimit|ServiceUnavailable|ConnectionError|NetworkError|GatewayTimeout", r""),
        (_C.AUTHENTICATION, "", r"Authenti|Unauthori[sz]ed|Credential|Forbidden|LoginError|TokenError", r""),
        (
            _C.CONFIGURATION,
            "settings",
            r"Config|Misconfigur|Settings|ArgumentError|OptionError|UsageError|BadParameter",
            r"",
        ),
        (_C.PERMISSION, "file", r"PermissionDenied|AccessDenied|Permission\w{0,20}Error", r""),
        (
            _C.MISSING,
            "file",
            r"(?:File|Path|Dataset|Repository|Entry|Checkpoint|Model|Revision)\w{0,20}(?:NotFound|Missing)",
            r"",
        ),
        (_C.CORRUPT_DATA, "data", r"Corrupt|Checksum|DecodeError|DecompressionError|Truncated|Malformed", r""),
    )
)
_PROBES = frozenset(
    {"KeyError", "AttributeError", "IndexError", "StopIteration", "Empty", "LookupError", "TypeError", "ValueError"}
)
"""What programs raise to find out whether something is there; behind them stands the failure that is meant."""
_SETTINGS = re.compile(r"(?i)conf(?:ig)?s?\b|config|cfg|settings|hparams|yaml|toml|argv|parse_args")
_OF_READERS = frozenset({"OSError", "IOError", "RuntimeError", "EOFError", "ValueError", "error", "UnpicklingError"})
_READS_CHECKPOINTS = re.compile(
    r"/torch/serialization\.py:\w{0,30}(?:load|init|read|legacy)|safetensors/\w{1,20}\.py|orbax/checkpoint"
)
_READS_DATA = re.compile(
    r"/(?:zipfile|gzip|tarfile|lzma|bz2|pickle|npyio|_npyio\w*|h5py/_hl/files|pyarrow/\w{1,20}|PIL/\w{1,30}|soundfile|netCDF4)(?:/__init__)?\.py:"
    r"\w{0,30}(?:load|open|read|init|decode|parse)"
)
_CHANGE = {
    Category.CODE_ERROR: "Correct the code at that place",
    Category.MISSING: "Install it or correct its path where the job runs",
    Category.NETWORK: "Try again; if it fails again, check that the node reaches that host",
    Category.CORRUPT_DATA: "Look at the file that it read last; fetch or make it again",
    Category.CONFIGURATION: "Correct the argument or setting",
    Category.CANCELLED: "Find out who ended it",
}
_RETRY = {
    Category.NETWORK: Retryable.YES,
    Category.DISTRIBUTED: Retryable.YES,
    Category.CANCELLED: Retryable.NO,
    Category.STUCK: Retryable.NO,
}


def is_probe(traceback: Traceback) -> bool:
    """Whether a program may have raised it only to find something out."""
    return traceback.name in _PROBES


def signature_of(traceback: Traceback) -> Signature:
    """Say what an exception's kind alone tells."""
    category, kind, weight = _BY_NAME.get(traceback.name) or _by_words(traceback)
    frame = traceback.frames[-1] if traceback.frames else None
    if traceback.name == "KeyError" and frame is not None and frame.file.endswith(("os.py", "<frozen os>")):
        category, kind = Category.CONFIGURATION, "variable"
    elif category is Category.CORRUPT_DATA and kind == "data" and reads_settings(traceback):
        category, kind = Category.CONFIGURATION, "settings"
    elif category is Category.CODE_ERROR and (read := _what_it_read(traceback)):
        category, kind = Category.CORRUPT_DATA, read
    elif category is Category.NETWORK and re.search(r"(?i)closed by|reset|lost|broken|disconnect", traceback.message):
        kind, weight = "lost", Weight.CASCADE
    elif traceback.name == "TimeoutError":
        category, kind, weight = _timeout(traceback)
    told = f"{traceback.name or 'An exception'}" + (f": {traceback.message[:300]}" if traceback.message else "")
    return Signature(
        f"python-{traceback.name}",
        category,
        kind,
        (),
        told.replace("[", "(").replace("]", ")").replace("{", "(").replace("}", ")"),
        _CHANGE.get(category, ""),
        _RETRY.get(category, Retryable.AFTER_CHANGE),
        weight,
    )


def reads_settings(traceback: Traceback) -> bool:
    """Whether it was raised while settings were read, as the names in the user's code say."""
    own = [frame for one in traceback.chain() for frame in one.frames if frame.own]
    return any(_SETTINGS.search(f"{frame.where} {frame.source}") for frame in own[-2:])


def _by_words(traceback: Traceback) -> tuple[Category, str, Weight]:
    """Say what the words in an exception's own name tell."""
    for category, kind, name, message in _BY_WORDS:
        if name.search(traceback.name) and message.search(traceback.message):
            return category, kind, Weight.LIKELY
    return Category.CODE_ERROR, "", Weight.LIKELY


def _what_it_read(traceback: Traceback) -> str:
    """Say what kind of data a reader of files failed on; empty where it was none."""
    if traceback.name not in _OF_READERS:
        return ""
    files = " ".join(f"{frame.file}:{frame.where}" for frame in traceback.frames[-3:])
    if _READS_CHECKPOINTS.search(files):
        return "checkpoint"
    return "data" if _READS_DATA.search(files) else ""


def _timeout(traceback: Traceback) -> tuple[Category, str, Weight]:
    files = " ".join(frame.file for frame in traceback.frames)
    if re.search(
        r"socket|ssl|http|urllib|aiohttp|httpx|asyncio|connect", f"{files} {traceback.message}", re.IGNORECASE
    ):
        return Category.NETWORK, "", Weight.LIKELY
    return Category.STUCK, "timeout", Weight.LIKELY
