"""Prints, from AWS's service models in botocore, what AWS says about each kind of resource: the calls that read a resource by its
name, and the properties in their answers. tests/data/properties.json has the output."""

import gzip
import json
import pathlib

import botocore

# The service, the fields that name a resource in a request, and the structures that describe the resource.
KINDS = {
    "parameter": ("ssm", ["Name", "ResourceArn"], ["ParameterMetadata"]),
    "log_group": ("logs", ["logGroupName", "logGroupIdentifier"], ["LogGroup"]),
    "queue": ("sqs", ["QueueUrl"], ["QueueAttributeName"]),
    "table": ("dynamodb", ["TableName", "ResourceArn"], ["TableDescription", "TimeToLiveDescription"]),
    "alarm": ("cloudwatch", ["AlarmName", "ResourceARN"], ["MetricAlarm"]),
    "role": ("iam", ["RoleName"], ["Role"]),
    "function": (
        "lambda",
        ["FunctionName", "Resource"],
        ["GetFunctionResponse", "FunctionConfiguration", "LoggingConfig", "FunctionEventInvokeConfig", "DestinationConfig"],
    ),
    "rule": ("events", ["Name", "Rule", "ResourceARN"], ["Rule", "Target"]),
    "watch": ("scheduler", ["Name", "ResourceArn"], ["GetScheduleGroupOutput", "GetScheduleOutput", "Target"]),
}


def model(service):
    folder = pathlib.Path(botocore.__file__).parent / "data" / service
    newest = max(folder.iterdir(), key=lambda version: version.name)
    with gzip.open(newest / "service-2.json.gz") as file:
        return json.load(file)


def reads(service, names):
    """Returns the reads whose request must have nothing but the name of the resource."""
    for name, operation in service["operations"].items():
        shape = service["shapes"][operation["input"]["shape"]] if "input" in operation else {}
        required = shape.get("required", [])
        if name.startswith(("Get", "List", "Describe")) and len(required) == 1 and required[0] in names:
            yield name


def properties(shape):
    return list(shape["members"]) if "members" in shape else shape["enum"]


told = {}
for kind, (service, names, shapes) in KINDS.items():
    service = model(service)
    told[kind] = {"reads": sorted(reads(service, names))}
    told[kind] |= {name: sorted(properties(service["shapes"][name])) for name in shapes}
print(json.dumps(told, indent=2))
