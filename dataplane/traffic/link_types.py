"""Link types of captures by number, as far as people meet them (the tcpdump.org registry)."""

from __future__ import annotations

ETHERNET = 1

_NAMES = {
    0: "BSD loopback (NULL)",
    1: "Ethernet",
    6: "Token Ring",
    7: "ARCNET",
    8: "SLIP",
    9: "PPP",
    10: "FDDI",
    12: "raw IP",
    14: "raw IP",
    50: "PPP over serial",
    51: "PPPoE",
    100: "ATM",
    101: "raw IP",
    104: "Cisco HDLC",
    105: "IEEE 802.11 (Wi-Fi)",
    107: "Frame Relay",
    108: "OpenBSD loopback (LOOP)",
    113: "Linux cooked capture (SLL)",
    114: "Apple LocalTalk",
    117: "OpenBSD pflog",
    119: "Prism Wi-Fi",
    122: "IP over Fibre Channel",
    127: "Wi-Fi with radiotap",
    129: "ARCNET Linux",
    138: "Apple IP over IEEE 1394",
    143: "DOCSIS",
    163: "AVS Wi-Fi",
    187: "Bluetooth HCI",
    189: "USB (Linux)",
    192: "PPI",
    195: "IEEE 802.15.4",
    201: "Bluetooth HCI with direction",
    220: "USB (Linux, padded)",
    224: "Fibre Channel",
    226: "Solaris IPNET",
    227: "CAN bus (SocketCAN)",
    228: "raw IPv4",
    229: "raw IPv6",
    230: "IEEE 802.15.4 without FCS",
    239: "Linux nflog",
    247: "InfiniBand",
    249: "USBPcap",
    251: "Bluetooth Low Energy",
    253: "Linux netlink",
    258: "Apple PKTAP",
    276: "Linux cooked capture v2 (SLL2)",
}


def link_type_name(link_type: int) -> str:
    """Name and number of a link type, for messages."""
    name = "user-defined" if 147 <= link_type <= 162 else _NAMES.get(link_type)
    return f"{name}, link type {link_type}" if name else f"link type {link_type}"
