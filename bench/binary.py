"""Measures the size of the release binary, and the time and memory of a start. Fails if the binary is too big."""

import os
import statistics
import sys

from measure import BINARY, run

LIMIT = 20_000_000


def main():
    size = os.path.getsize(BINARY)
    print(f"binary: {size / 1e6:.2f} MB (goal: under {LIMIT / 1e6:.0f})")
    if size >= LIMIT:
        sys.exit(f"{BINARY} is too big")
    for arguments in (["--help"], ["--version"]):
        runs = [run([BINARY, *arguments], dict(os.environ)) for _ in range(20)]
        seconds, peaks = zip(*runs)
        told = f"taskbell {' '.join(arguments)}: {statistics.median(seconds) * 1000:.1f} ms, {max(peaks):.0f} MiB at most"
        print(f"{told} (goal: under 20 ms)" if arguments == ["--help"] else told)
    python = [run([sys.executable, "-c", "import boto3"], dict(os.environ))[0] for _ in range(5)]
    print(f"for comparison, importing boto3: {statistics.median(python) * 1000:.0f} ms\n")


if __name__ == "__main__":
    main()
