"""Measures the size of the release binary, and the time and memory of a start. Fails if a bound is broken."""

import os
import statistics
import sys

from measure import BINARY, run

# Most bytes of the binary, milliseconds of `--help`, and MiB of a start.
LARGEST, SLOWEST, MOST_MEMORY = 15_200_000, 20, 20


def main():
    broken = []
    size = os.path.getsize(BINARY)
    print(f"binary: {size / 1e6:.2f} MB (bound: {LARGEST / 1e6:.1f})")
    if size > LARGEST:
        broken.append(f"the binary is too big: it has {size / 1e6:.2f} MB, more than {LARGEST / 1e6:.1f}")
    for arguments in (["--help"], ["--version"]):
        runs = [run([BINARY, *arguments], dict(os.environ)) for _ in range(20)]
        seconds, peaks = zip(*runs)
        median, peak = statistics.median(seconds) * 1000, max(peaks)
        print(f"taskbell {' '.join(arguments)}: {median:.1f} ms (bound: {SLOWEST}), {peak:.0f} MiB at most (bound: {MOST_MEMORY})")
        if median > SLOWEST or peak > MOST_MEMORY:
            broken.append(f"taskbell {' '.join(arguments)} takes {median:.1f} ms and {peak:.0f} MiB")
    python = [run([sys.executable, "-c", "import boto3"], dict(os.environ))[0] for _ in range(5)]
    print(f"for comparison, importing boto3: {statistics.median(python) * 1000:.0f} ms\n")
    if broken:
        sys.exit("\n".join(f"bound broken: {one}" for one in broken))


if __name__ == "__main__":
    main()
