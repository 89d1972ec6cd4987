"""Prints the code of each crate in the release binary: what a service of AWS costs. Links the binary once more, with its symbols."""

import json
import pathlib
import subprocess

VERSION = "0.12.1"
BLOAT = pathlib.Path(".local/bloat/bin/cargo-bloat")
# Crates with less bytes than this are summed up, except those of AWS's services.
SMALL = 150_000


def main():
    if not BLOAT.exists():
        install = ["cargo", "install", "cargo-bloat", "--version", VERSION, "--locked", "--quiet", "--root", ".local/bloat"]
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
