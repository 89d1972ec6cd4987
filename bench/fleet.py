"""Measures calls, time and memory of many stacks: four accounts, three regions, 50 ms a call, the rates of the control planes.

Fails if a drift of many stacks makes too many calls.
"""

import os
import pathlib
import sys
import tempfile

import boto3
from measure import BINARY, run
from proxy import Proxy

ACCOUNTS = [f"{number}" * 12 for number in range(1, 5)]
REGIONS = ["us-east-1", "eu-west-1", "ap-northeast-1"]
SIZES = [int(size) for size in os.environ.get("SIZES", "1 10 50 200").split()]
# Most calls a stack of a drift, if so many stacks share the lists of an account and region.
MANY, MOST_CALLS = 16, 20
SITES = [(account, region) for region in REGIONS for account in ACCOUNTS]


def stack(number):
    account, region = SITES[number % len(SITES)]
    return f'[[stack]]\nname = "job-{number}"\nclusters = ["batch"]\nprofile = "a{account[0]}"\nregion = "{region}"\n'


def prepare(folder, endpoint):
    keys = [f"[profile a{account[0]}]\naws_access_key_id = {account}\naws_secret_access_key = x\n" for account in ACCOUNTS]
    (folder / "config").write_text("\n".join(keys))
    for account, region in SITES:
        ecs = boto3.client(
            "ecs", region_name=region, endpoint_url=endpoint, aws_access_key_id=account, aws_secret_access_key="x"
        )
        ecs.create_cluster(clusterName="batch")


def main():
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="taskbell-fleet-"))
    prepare(folder, endpoint)
    proxy = Proxy(endpoint, 0.05, limited=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "AWS_ENDPOINT_URL": proxy.url,
        "AWS_CONFIG_FILE": str(folder / "config"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "TASKBELL_SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/a1b2c3d4",
    }
    file = folder / "taskbell.toml"
    setup = [BINARY, "setup", "--all", "--yes", "--quiet", "--config", str(file)]
    drift = [BINARY, "drift", "--all", "--quiet", "--config", str(file)]
    print("| stacks | command | calls | a stack | throttled | seconds | MiB |\n|---:|---|---:|---:|---:|---:|---:|")
    broken = []
    for size in SIZES:
        file.write_text('fleet = "bench"\n\n' + "\n".join(stack(number) for number in range(size)))
        run(setup, environment)
        for name, command in [("drift", drift), ("setup, nothing to do", setup)]:
            proxy.count()
            throttled = proxy.throttled
            seconds, memory = run(command, environment)
            calls = proxy.count()
            throttled = proxy.throttled - throttled
            print(f"| {size} | {name} | {calls} | {calls / size:.1f} | {throttled} | {seconds:.1f} | {memory:.0f} |")
            sys.stdout.flush()
            if name == "drift" and size / len(SITES) >= MANY and calls / size >= MOST_CALLS:
                broken.append(f"drift of {size} stacks makes {calls / size:.1f} calls a stack, not less than {MOST_CALLS}")
    if broken:
        sys.exit("\n".join(f"bound broken: {one}" for one in broken))


if __name__ == "__main__":
    main()
