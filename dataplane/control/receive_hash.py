"""OID_GEN_RECEIVE_HASH: hashing without spreading, on an adapter without switch and queues (RSS-22, RSS-23)."""

from __future__ import annotations

import dataclasses

from dataplane.control.decision import Context, Outcome
from dataplane.control.requests import invalid_parameter, not_supported
from dataplane.control.scaling import check_hash_information, require_rss_capabilities
from dataplane.ndis.codec import Failure, decode
from dataplane.ndis.constants import NDIS_HASH_FUNCTION_MASK, ReceiveHashFlags
from dataplane.ndis.structures import HashParameters
from dataplane.switch.configuration import TOEPLITZ, HashType, Mode, RssState

_FLAG = ReceiveHashFlags


def require_may_set(context: Context) -> None:
    """Hashing alone is for the native mode and excludes RSS (RSS-22, ERR-35)."""
    require_rss_capabilities(context)
    if context.state.mode is not Mode.NEUTRAL:
        raise not_supported("RSS-22: OID_GEN_RECEIVE_HASH is for adapters without switch and queues")
    if context.state.native.rss.enabled:
        parameters = decode(HashParameters, context.request.information_buffer)
        if isinstance(parameters, Failure) or _enables(parameters):
            raise not_supported("RSS-22: RSS is enabled")


def _enables(parameters: HashParameters) -> bool:
    """Whether the request enables hashing; hash function 0 disables it, as in RSS-06."""
    takes_hash = not parameters.flags & _FLAG.HASH_INFO_UNCHANGED
    no_function = takes_hash and not parameters.hash_information & NDIS_HASH_FUNCTION_MASK
    return bool(parameters.flags & _FLAG.ENABLE_HASH) and not no_function


def query_hash(context: Context, _parameters: None) -> Outcome:
    """The hash parameters in force."""
    state = context.state.receive_hash
    answer = HashParameters(
        flags=_FLAG.ENABLE_HASH if state.enabled else 0,
        hash_information=int(state.hash_types) | TOEPLITZ if state.enabled else 0,
        hash_secret_key=state.hash_secret_key or b"",
    )
    return Outcome(context.state, answer=answer)


def set_hash(context: Context, parameters: HashParameters) -> Outcome:
    """Enable, change or disable; disabling forgets everything, as in RSS-08."""
    if not _enables(parameters):
        return Outcome(dataclasses.replace(context.state, receive_hash=RssState()))
    old, flags = context.state.receive_hash, parameters.flags
    types: HashType = old.hash_types
    if not flags & _FLAG.HASH_INFO_UNCHANGED:
        types = check_hash_information(context, parameters.hash_information)
    key = old.hash_secret_key if flags & _FLAG.HASH_KEY_UNCHANGED else parameters.hash_secret_key
    if not types or key is None:
        raise invalid_parameter("RSS-08: UNCHANGED, but there is no value yet", by_miniport=True)
    enabled = RssState(enabled=True, hash_types=types, hash_secret_key=key)
    return Outcome(dataclasses.replace(context.state, receive_hash=enabled))
