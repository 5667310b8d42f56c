"""Everything in turn, for `make bench`: kernels, whole runs, engines."""

from __future__ import annotations

from benchmarks import engines, pipeline, steering


def main() -> None:
    """Print every figure with its unit or as a ratio."""
    print("steering kernel")
    for name, value in steering.measure_steering().items():
        print(f"  {name:<42} {value:,.2f}")
    print("whole runs, frames a second")
    for name, value in pipeline.measure_pipeline().items():
        print(f"  {name:<42} {value:,.0f}")
    print("engines")
    engines.main()


if __name__ == "__main__":
    main()
