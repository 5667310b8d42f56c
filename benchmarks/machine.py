"""The machine that the figures were measured on, and the program's choices there."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.peers import Missing, dpdk, in_python
from dataplane.engine.experiment import DEFAULT_BATCH_FRAMES, DEFAULT_BATCH_FRAMES_ON_RAY
from dataplane.kernels import toeplitz

#: CPU features that affect the figures.
FLAGS_THAT_MATTER = (
    "avx2", "avx512f", "avx512bw", "avx512vl", "avx512_vbmi", "gfni", "pclmulqdq", "vpclmulqdq", "bmi2", "hypervisor",
)  # fmt: skip

PACKAGES = ("vmmq-dataplane", "numpy", "numba", "llvmlite", "pyarrow", "ray", "scapy", "dpkt")


def cpu_flags() -> frozenset[str]:
    """Features of the CPU, with the names that Linux uses; empty if Linux does not say."""
    return frozenset(_cpu_field("flags").split())


def machine() -> dict[str, Any]:
    """The machine as it is now."""
    flags = cpu_flags()
    return {
        "cpu": _cpu_field("model name") or platform.processor() or platform.machine(),
        "cpu_family_model_stepping": [_cpu_field(name) for name in ("cpu family", "model", "stepping")],
        "cores": len(os.sched_getaffinity(0)),
        "caches": _caches(),
        "flags": [name for name in FLAGS_THAT_MATTER if name in flags],
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "load_average": list(os.getloadavg()),
    }


def choices() -> dict[str, Any]:
    """The choices of the program on this machine."""
    return {
        "toeplitz": toeplitz_method(),
        "inline_batch_frames": DEFAULT_BATCH_FRAMES,
        "ray_batch_frames": DEFAULT_BATCH_FRAMES_ON_RAY,
    }


def toeplitz_method() -> str:
    """The hash method of the kernels."""
    return toeplitz.method()


def missing_peers() -> list[Missing]:
    """Peers that are not available on this machine."""
    return [*dpdk.missing(cpu_flags()), *in_python.missing()]


def _cpu_field(name: str) -> str:
    """A field of the first CPU in /proc/cpuinfo, empty if there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return ""
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _caches() -> dict[str, int]:
    """Bytes of each cache that the first CPU uses, by name."""
    sizes: dict[str, int] = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = ((folder / name).read_text("utf-8").strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        suffix = {"Data": "d", "Instruction": "i"}.get(kind, "")
        sizes[f"L{level}{suffix}"] = int(size.removesuffix("K")) * 1024
    return sizes


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
