"""Every error that samplemind raises on purpose.

    SampleMindError
    ├── AnalysisError               one file has no answer: names the file and the reason
    │   ├── FileAccessError         missing, a directory, unreadable
    │   │   └── OutsideRootsError   a link that leads out of the folders that a service may read
    │   ├── UnsupportedFormatError  not audio, or a container or codec off the allow-list
    │   ├── DecodeError             damaged so far that no sample could be decoded
    │   ├── EmptyAudioError         decoded, but there is not a single frame
    │   ├── InvalidSamplesError     samples that are NaN, infinite or beyond any sound
    │   ├── LimitExceededError      longer, wider, faster or larger than the limits allow
    │   ├── CrashError              the worker process that analysed it died, or had to be ended, twice
    │   │   └── QuarantinedError    was so before, and is not tried again
    │   ├── KilledError             its workers were killed from outside, again and again: the file may be all right
    │   └── InternalError           a mistake of samplemind's own, with its cause
    ├── GraphError                  the feature graph is wrong, or was asked for what it hasn't got
    │   └── UnknownFeatureError     no node of this name
    ├── WorkerStartError            worker processes die before they have begun, or nodes of a cluster don't fit
    ├── LibraryError                the library's database can't be used: locked, full, damaged, out of reach
    │   └── LibraryVersionError     it was written by a newer samplemind, or has to be upgraded first
    ├── NotInLibraryError           no sound, tag, collection or folder of the library is what was named
    ├── LibraryValueError           a correction, or a name of a tag or a collection, that can't be one
    ├── ExportedFileError           a file to be imported is damaged, or nothing that samplemind exported
    ├── QueryError                  a search that can't be understood: names the place, and what is possible there
    │   └── CursorError             the cursor of a page is damaged, or of another query
    ├── OutputError                 results can't be written where they should be
    ├── ServiceError                a service refused a request, or could not answer it: status, code, detail
    ├── ServiceUnreachableError     a service can't be reached, or what came from it broke off or was damaged
    ├── ServiceTimeoutError         what a service was asked for is not there in time; it works on
    ├── LevelUnavailableError       an analysis level that does not exist, or not yet in this version
    ├── CorpusError                 labelled audio that accuracy can't be measured on
    ├── PeerError                   a library to compare with that is unknown, or not installed
    └── SettingsError               a setting with a value that makes no sense

An `AnalysisError` costs one file; a batch records it and goes on. The others are mistakes of the caller.
"""

from __future__ import annotations


class SampleMindError(Exception):
    """Base of every error raised by samplemind."""


class AnalysisError(SampleMindError):
    """One file could not be analysed.

    Args:
        path: the file, as the caller named it.
        reason: what is wrong with it, in words that stand alone.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class FileAccessError(AnalysisError):
    """The file is missing, is a directory, or can't be read."""


class OutsideRootsError(FileAccessError):
    """A link that leads out of the folders that may be read."""


class UnsupportedFormatError(AnalysisError):
    """Not audio, or in a container or codec that is not on the allow-list."""


class DecodeError(AnalysisError):
    """The file is damaged: no sample could be decoded."""


class EmptyAudioError(AnalysisError):
    """The file holds audio of zero frames."""


class InvalidSamplesError(AnalysisError):
    """Samples that are NaN, infinite, beyond any sound, or of no usable type or shape."""


class LimitExceededError(AnalysisError):
    """The file declares or holds more than the limits allow."""


class CrashError(AnalysisError):
    """The worker process that analysed the file crashed, hung or went beyond a limit, also when it was tried alone."""


class QuarantinedError(CrashError):
    """The file crashed its workers before, has not changed since, and is not tried again."""


class KilledError(AnalysisError):
    """Somebody, or the system for want of memory, killed every worker that analysed the file; it may be all right."""


class InternalError(AnalysisError):
    """The analysis failed by a mistake of samplemind's own; the original error is its cause."""


class GraphError(SampleMindError):
    """The feature graph is inconsistent, or a request does not fit it."""


class UnknownFeatureError(GraphError):
    """No node of this name exists."""


class WorkerStartError(SampleMindError):
    """Worker processes die before they are ready for the first file, or nodes of a cluster are not as they must be."""


class LibraryError(SampleMindError):
    """The library's database can't be used; nothing of the step that failed was kept."""


class LibraryVersionError(LibraryError):
    """The database was written by a newer version of samplemind, or has to be upgraded before this one uses it."""


class QueryError(SampleMindError):
    """A search can't be understood, or is beyond a limit.

    Args:
        column: where in its text, from 1.
        reason: what is wrong there, and what is possible.
    """

    def __init__(self, column: int, reason: str) -> None:
        super().__init__(column, reason)
        self.column = column
        self.reason = reason

    def __str__(self) -> str:
        return f"column {self.column}: {self.reason}"


class CursorError(QueryError):
    """What should tell where the next page begins is damaged, or was made for another query."""

    def __init__(self, reason: str) -> None:
        super().__init__(1, reason)
        self.args = (reason,)  # so that it can be pickled

    def __str__(self) -> str:
        return self.reason


class NotInLibraryError(SampleMindError):
    """No sound, tag, collection or folder of the library is what was named."""


class LibraryValueError(SampleMindError):
    """A correction, or a name of a tag or a collection, that can't be one."""


class ExportedFileError(SampleMindError):
    """A file that was to be imported is damaged, or nothing that samplemind exported; nothing of it was taken."""


class OutputError(SampleMindError):
    """Results can't be written where they should be."""


class ServiceError(SampleMindError):
    """A service refused a request, or could not answer it.

    Args:
        status: of HTTP.
        code: which problem it is, for programs.
        detail: the same in words.
        request_id: under which the service's log has it.
    """

    def __init__(self, status: int, code: str, detail: str, request_id: str | None = None) -> None:
        super().__init__(status, code, detail, request_id)
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id

    def __str__(self) -> str:
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.status} {self.code}: {self.detail}{request}"


class ServiceUnreachableError(SampleMindError):
    """A service can't be reached, did not answer, or what came from it broke off or was damaged."""


class ServiceTimeoutError(SampleMindError):
    """What a service was asked for is not there in time; the service works on."""


class LevelUnavailableError(SampleMindError):
    """No analysis level has this name, or this version can't compute it yet."""


class CorpusError(SampleMindError):
    """Labelled audio can't be evaluated: labels or files are missing, or not in their form."""


class PeerError(SampleMindError):
    """A library to compare with is unknown, or not installed."""


class SettingsError(SampleMindError):
    """A setting has a value that makes no sense."""
