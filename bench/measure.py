"""Compares taskbell with provisioning by hand: calls, time, memory. Fails if a bound is broken."""

import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time

from proxy import Proxy

LATENCY = 0.05
BINARY = os.environ.get("BINARY", "target/release/taskbell")
ROUNDS = 3
# How many times as fast as the script each step is at least.
LEAST_RATIO = {"setup": 1.5, "drift": 2.0, "teardown": 1.0}
# Most MiB of a command, and most bytes of the notifier's archive.
MOST_MEMORY, LARGEST_ARCHIVE = 24, 40_000


def run(command, environment):
    """Returns the seconds and the peak memory in MiB of a command that has to succeed."""
    start = time.monotonic()
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    peaks = [0.0]
    # The kernel's figure for a child starts with the memory of this process, so read the child's own figure while it runs.
    watch = threading.Thread(target=lambda: peaks.extend(peak_while_alive(child)), daemon=True)
    watch.start()
    output = child.stdout.read()
    code = child.wait()
    seconds = time.monotonic() - start
    watch.join()
    if code != 0:
        sys.exit(f"{command}: {output.decode()}")
    return seconds, max(peaks)


def peak_while_alive(child):
    while child.poll() is None:
        try:
            status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
        except OSError:
            return
        yield from (int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
        time.sleep(0.01)


def measure(proxy, environment):
    steps = ["setup", "setup again", "drift", "teardown"]
    figures = {step: {"taskbell": [], "by hand": []} for step in steps}
    calls, memory = {}, {}
    # The script has one rule and no table, so taskbell gets the same.
    same = ["--pattern", "task-failed", "--no-dedupe"]
    flags = {"setup": ["--yes", *same], "teardown": ["--yes"], "drift": same}
    for _ in range(ROUNDS):
        for step in steps:
            verb = step.split()[0]
            proxy.count()
            seconds, peak = run([BINARY, verb, "--cluster", "bench", *flags[verb]], environment)
            figures[step]["taskbell"].append(seconds)
            calls[step, "taskbell"] = proxy.count()
            memory[verb] = max(memory.get(verb, 0), peak)
            if step == "setup again":
                continue
            if step == "drift":
                archive = archive_size(environment)
            seconds, _ = run([sys.executable, "bench/by_hand.py"], environment | {"STEP": verb})
            figures[step]["by hand"].append(seconds)
            calls[step, "by hand"] = proxy.count()
    print(f"notifier's archive: {archive / 1000:.1f} kB (bound: {LARGEST_ARCHIVE / 1000:.0f})\n")
    return figures, calls, memory, archive


def archive_size(environment):
    """Returns the size of the archive in bytes, as Lambda reports it."""
    size = "import boto3; print(boto3.client('lambda').get_function_configuration(FunctionName='taskbell-bench')['CodeSize'])"
    return int(subprocess.run([sys.executable, "-c", size], env=environment, capture_output=True, check=True).stdout)


def report(figures, calls, memory, archive):
    """Prints the figures and returns the broken bounds."""
    broken = []
    print(f"{'':<12} {'taskbell':>22} {'boto3, one by one':>22} {'ratio':>8}")
    for step, both in figures.items():
        cells = []
        for who in ("taskbell", "by hand"):
            if both[who]:
                cells.append(f"{statistics.median(both[who]) * 1000:.0f} ms, {calls[step, who]} calls")
            else:
                cells.append("(would fail)")
        ratio = ""
        if both["by hand"]:
            times = statistics.median(both["by hand"]) / statistics.median(both["taskbell"])
            ratio = f"{times:.1f} x"
            if times < LEAST_RATIO[step]:
                broken.append(f"{step} is {times:.1f} times as fast as the script, less than {LEAST_RATIO[step]} times")
        print(f"{step:<12} {cells[0]:>22} {cells[1]:>22} {ratio:>8}")
    print(f"\npeak memory: {', '.join(f'{verb} {peak:.0f} MiB' for verb, peak in memory.items())} (bound: {MOST_MEMORY})")
    broken += [f"{verb} takes {peak:.0f} MiB, more than {MOST_MEMORY}" for verb, peak in memory.items() if peak > MOST_MEMORY]
    if archive > LARGEST_ARCHIVE:
        broken.append(f"the notifier's archive has {archive} bytes, more than {LARGEST_ARCHIVE}")
    return broken


def main():
    proxy = Proxy(os.environ["AWS_ENDPOINT_URL"], LATENCY)
    environment = dict(os.environ) | {
        "AWS_ENDPOINT_URL": proxy.url,
        "TASKBELL_SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T00000000/B00000000/bench",
    }
    create = "import boto3; boto3.client('ecs').create_cluster(clusterName='bench')"
    run([sys.executable, "-c", create], environment)
    print(f"on a local AWS with {LATENCY * 1000:.0f} ms a call, median of {ROUNDS}\n")
    broken = report(*measure(proxy, environment))
    print("\nround trips one after the other, on a virtual clock:")
    test = ["cargo", "test", "--quiet", "--test", "laws", "round_trips", "--", "--nocapture"]
    tested = subprocess.run(test, capture_output=True, text=True)
    print("\n".join(line for line in tested.stdout.splitlines() if "round trips" in line))
    if tested.returncode != 0:
        broken.append("a command makes more calls than tests/laws/engine.rs allows")
    if broken:
        sys.exit("\n".join(f"bound broken: {one}" for one in broken))


if __name__ == "__main__":
    main()
