"""Measures the size of the release binary, by crate, and the time and memory of a start. Fails if a bound is broken."""

import json
import os
import pathlib
import statistics
import subprocess
import sys

from measure import BINARY, run

# Most bytes of the binary, milliseconds of `--help`, and MiB of a start.
LARGEST, SLOWEST, MOST_MEMORY = 15_200_000, 20, 20
BLOAT_VERSION = "0.12.1"
BLOAT = pathlib.Path(".local/bloat/bin/cargo-bloat")
# Crates smaller than this are summed up.
SMALL = 150_000


def main():
    broken = []
    size = os.path.getsize(BINARY)
    print(f"binary: {size / 1e6:.2f} MB (bound: {LARGEST / 1e6:.1f})")
    if size > LARGEST:
        broken.append(f"the binary has {size / 1e6:.2f} MB, more than {LARGEST / 1e6:.1f}")
    for arguments in (["--help"], ["--version"]):
        runs = [run([BINARY, *arguments], dict(os.environ)) for _ in range(20)]
        seconds, peaks = zip(*runs)
        median, peak = statistics.median(seconds) * 1000, max(peaks)
        print(f"taskbell {' '.join(arguments)}: {median:.1f} ms (bound: {SLOWEST}), {peak:.0f} MiB at most (bound: {MOST_MEMORY})")
        if median > SLOWEST or peak > MOST_MEMORY:
            broken.append(f"taskbell {' '.join(arguments)} takes {median:.1f} ms and {peak:.0f} MiB")
    python = [run([sys.executable, "-c", "import boto3"], dict(os.environ))[0] for _ in range(5)]
    print(f"for comparison, importing boto3: {statistics.median(python) * 1000:.0f} ms\n")
    crates()
    if broken:
        sys.exit("\n".join(f"bound broken: {one}" for one in broken))


def crates():
    """Prints the code of each crate in the binary: what a service of AWS costs. Links the binary once more, with its symbols."""
    if not BLOAT.exists():
        install = ["cargo", "install", "cargo-bloat", "--version", BLOAT_VERSION, "--locked", "--quiet", "--root", ".local/bloat"]
        subprocess.run(install, check=True)
    command = [BLOAT, "bloat", "--release", "--locked", "--bin", "taskbell", "--crates", "-n", "0", "--message-format", "json"]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    print("| crate | kB of code |\n|---|---:|")
    rest = 0
    for crate in sorted(found["crates"], key=lambda crate: -crate["size"]):
        if crate["size"] < SMALL and not crate["name"].startswith("aws_sdk_"):
            rest += crate["size"]
            continue
        print(f"| `{crate['name']}` | {crate['size'] / 1000:.0f} |")
    print(f"| all others | {rest / 1000:.0f} |\n")


if __name__ == "__main__":
    main()
