"""The input and output of the control plane: requests, completions, events.

All of these are plain immutable data, so a journal can keep them and a test can compare them.
"""

from __future__ import annotations

from dataclasses import dataclass

from dataplane.ids import ProcessorNumber
from dataplane.ndis.oids import RequestKind
from dataplane.ndis.status import NdisStatus

#: Issuers that are not clients (MOD-05); every other name is a client binding.
NDIS = "NDIS"
APPLICATION = "application"


_PROCESSOR_0 = ProcessorNumber(0, 0)


@dataclass(frozen=True, slots=True)
class OidRequest:
    """NDIS_OID_REQUEST as far as the model needs it (OID-02, MOD-05)."""

    oid: int
    kind: RequestKind
    issuer: str  # a client's name, NDIS or APPLICATION
    buffer: bytes = b""  # the InformationBuffer as the issuer filled it
    #: InformationBufferLength; None: the length of `buffer`, or more if the answer needs more.
    buffer_length: int | None = None
    vport_id: int | None = None  # its presence is NDIS_OID_REQUEST_FLAGS_VPORT_ID_VALID
    switch_id: int = 0
    processor: ProcessorNumber = _PROCESSOR_0  # where it is issued
    synchronous: bool = False  # which path it takes (OID-18)
    request_id: str = ""  # named by the event when the request completes later

    @property
    def information_buffer(self) -> bytes:
        """The buffer cut or filled with zeros to `buffer_length`."""
        if self.buffer_length is None:
            return self.buffer
        return self.buffer[: self.buffer_length].ljust(self.buffer_length, b"\0")


@dataclass(frozen=True, slots=True)
class StatusIndicated:
    """The miniport indicated NDIS_STATUS_RECEIVE_QUEUE_STATE with DmaStopped for a queue (QUE-23)."""

    queue_id: int


@dataclass(frozen=True, slots=True)
class RequestCompleted:
    """A request that was pending has completed (OID-14)."""

    request_id: str
    oid: int
    status: NdisStatus


Event = StatusIndicated | RequestCompleted


@dataclass(frozen=True, slots=True)
class Discard:
    """The data path must drop every frame it still holds for a queue or VPort (QUE-09, FLT-42, VPT-27)."""

    target_id: int
    reason: str


QUEUE_CLEARED = "queue cleared"
VPORT_DELETED = "vport deleted"


@dataclass(frozen=True, slots=True)
class Completion:
    """How a request ended, or that it is pending."""

    status: NdisStatus
    reached_miniport: bool  # MOD-06
    output: bytes | None = None  # the first BytesWritten bytes of the InformationBuffer; None when there is no answer
    bytes_needed: int = 0  # for NDIS_STATUS_INVALID_LENGTH because of a short buffer (OID-09)
    why: str = ""  # the reason of a refusal: "UPD-41: 5 processors in use, 4 queues"
    events: tuple[Event, ...] = ()
    discards: tuple[Discard, ...] = ()

    @property
    def pending(self) -> bool:
        """Whether a `RequestCompleted` event will follow."""
        return self.status is NdisStatus.NDIS_STATUS_PENDING

    @property
    def accepted(self) -> bool:
        """Whether the request took effect, now or when the last packet is returned."""
        return self.status in (NdisStatus.NDIS_STATUS_SUCCESS, NdisStatus.NDIS_STATUS_PENDING)


class Refusal(Exception):  # noqa: N818 - it is not an error of the program
    """Ends the decision about a request with a failure; never leaves this package.

    Only `adapter.ControlPlane.decide` catches it, and turns it into a `Completion`. When it is raised nothing has been
    changed, because nothing is changed before the decision is complete (MOD-09).
    """

    def __init__(self, status: NdisStatus, why: str, *, by_miniport: bool = False, bytes_needed: int = 0) -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.by_miniport = by_miniport
        self.bytes_needed = bytes_needed


def invalid_parameter(why: str, *, by_miniport: bool = False) -> Refusal:
    """NDIS_STATUS_INVALID_PARAMETER, the refusal of most rules."""
    return Refusal(NdisStatus.NDIS_STATUS_INVALID_PARAMETER, why, by_miniport=by_miniport)


def not_supported(why: str) -> Refusal:
    """NDIS_STATUS_NOT_SUPPORTED: kind, version, feature or mode (ERR-03 to ERR-05, ERR-21, ERR-35)."""
    return Refusal(NdisStatus.NDIS_STATUS_NOT_SUPPORTED, why)


def out_of(why: str) -> Refusal:
    """NDIS_STATUS_FAILURE: a table or a pool is exhausted."""
    return Refusal(NdisStatus.NDIS_STATUS_FAILURE, why)
