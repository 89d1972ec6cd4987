#!/usr/bin/env python3
"""Judges recorded requests by AWS's own models of its services: dev/judges/requests.py FOLDER [LEAST]

Reads the requests that tests/support/witness.rs and dev/judges/witness.py wrote into the folder. Parses each as the service would,
with botocore's model, and checks names, types, required members, lengths, ranges, patterns and enums, and the limits that only
AWS's documentation has. Writes FOLDER/policies.json for dev/judges/policies.mjs: every policy that was printed or attached, and
every permission that a request needs. Fails if a fault is found, if the policy of a command line with requests was not printed, or if
fewer than LEAST operations were recorded.
"""

import base64
import collections
import datetime
import functools
import json
import pathlib
import re
import sys
import urllib.parse

import cbor2
import regex
from botocore.session import get_session

SERVICES = {"monitoring": "cloudwatch", "tagging": "resourcegroupstaggingapi"}
ACCOUNT = "123456789012"
DAYS_OF_LOGS = {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
# The attributes of a queue are text to the model.
OF_QUEUES = {
    "DelaySeconds": (0, 900),
    "MaximumMessageSize": (1024, 1048576),
    "MessageRetentionPeriod": (60, 1209600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43200),
}
# Permissions that no printed policy has: without them, a command only leaves out a hint, or reports what somebody else has to do.
ONLY_FOR_HINTS = {
    "setup": {
        "ecs:ListServices", "ecs:DescribeServices", "ecs:ListTasks", "ecs:DescribeTasks", "ecs:DescribeTaskDefinition",
        "ecs:ListClusters", "iam:RemoveRoleFromInstanceProfile",
    },
    "teardown": {"ecs:DescribeClusters", "ecs:ListClusters", "iam:RemoveRoleFromInstanceProfile"},
    "drift": {"ecs:DescribeClusters", "ecs:ListClusters"},
    "drill": {"ecs:ListClusters"},
}


@functools.cache
def model(service):
    return get_session().get_service_model(service)


class Unreadable(Exception):
    """A request that the service cannot read."""


# Parsing: each returns the operation's model, and the members by their names in the model.


def parsed(record):
    name = record.get("service")
    if not name:
        raise Unreadable("the request is not signed for a service")
    service = model(SERVICES.get(name, name))
    headers = {key.lower(): value for key, value in record["headers"]}
    body = base64.b64decode(record["base64"]) if record.get("base64") else record.get("body", "").encode()
    path, _, query = re.sub(r"^https?://[^/]*", "", record["uri"]).partition("?")
    if "/operation/" in path:
        operation = operation_of(service, path.rsplit("/", 1)[1])
        return operation, of_document(operation.input_shape, cbor2.loads(body) if body else {})
    if target := headers.get("x-amz-target"):
        prefix, _, operation = target.partition(".")
        if prefix != service.metadata.get("targetPrefix"):
            raise Unreadable(f"{target} is no target of {service.service_name}")
        operation = operation_of(service, operation)
        return operation, of_document(operation.input_shape, json.loads(body or b"{}"))
    if service.metadata["protocol"] == "query":
        form = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
        if form.pop("Version", None) != service.api_version:
            raise Unreadable(f"the version is not {service.api_version}")
        operation = operation_of(service, form.pop("Action", ""))
        members = of_form(operation.input_shape, "", form) if operation.input_shape else {}
        if form:
            raise Unreadable(f"{operation.name} has no parameter {', '.join(form)}")
        return operation, members or {}
    return of_rest(service, record["method"], path, query, headers, body)


def operation_of(service, name):
    if name not in service.operation_names:
        raise Unreadable(f"{service.service_name} has no operation {name}")
    return service.operation_model(name)


def of_document(shape, value):
    """Replaces the names on the wire by the members' names. Unknown names stay, so that the check finds them."""
    if shape is None or value is None:
        return value
    if shape.type_name == "structure" and isinstance(value, dict):
        names = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
        named = {}
        for key, one in value.items():
            name, member = names.get(key, (key, None))
            named[name] = of_document(member, one)
        return named
    if shape.type_name == "list" and isinstance(value, list):
        return [of_document(shape.member, one) for one in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: of_document(shape.value, one) for key, one in value.items()}
    if shape.type_name == "blob" and isinstance(value, str):
        return base64.b64decode(value, validate=True)
    return value


def of_text(shape, text):
    """Reads a value that is text on the wire. Text that is no such value stays text, so that the check finds it."""
    kind = shape.type_name
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if kind in ("integer", "long") and re.fullmatch(r"-?\d+", text):
        return int(text)
    if kind in ("float", "double") and re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    if kind == "blob":
        return base64.b64decode(text)
    return text


def of_form(shape, prefix, form):
    """Takes the parameters of a shape out of the form; none if it has none."""
    dotted = f"{prefix}." if prefix else ""
    if shape.type_name == "structure":
        members = {}
        for name, member in shape.members.items():
            value = of_form(member, dotted + member.serialization.get("name", name), form)
            if value is not None:
                members[name] = value
        return members or None
    if shape.type_name == "list":
        if not shape.serialization.get("flattened"):
            dotted += shape.member.serialization.get("name", "member") + "."
        return of_numbers(lambda at: of_form(shape.member, f"{dotted}{at}", form)) or empty(prefix, form, [])
    if shape.type_name == "map":
        if not shape.serialization.get("flattened"):
            dotted += "entry."
        key, value = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
        pairs = of_numbers(
            lambda at: (form.pop(f"{dotted}{at}.{key}"), of_form(shape.value, f"{dotted}{at}.{value}", form))
            if f"{dotted}{at}.{key}" in form
            else None
        )
        return dict(pairs) or empty(prefix, form, {})
    return of_text(shape, form.pop(prefix)) if prefix in form else None


def of_numbers(read):
    values = []
    while (value := read(len(values) + 1)) is not None:
        values.append(value)
    return values


def empty(prefix, form, value):
    return value if form.pop(prefix, None) == "" else None


def of_rest(service, method, path, query, headers, body):
    fitting = []
    for name in service.operation_names:
        operation = service.operation_model(name)
        pattern, _, fixed = operation.http["requestUri"].partition("?")
        labels = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.sub(r"\\\{(\w+)\\\+\\\}", r"(?P<\1>.+)", re.escape(pattern)))
        found = re.fullmatch(labels.rstrip("/") + "/?", path)
        if found and operation.http["method"] == method and all(word in query.split("&") for word in fixed.split("&") if word):
            fitting.append((len(found.groupdict()), operation, found.groupdict()))
    if not fitting:
        raise Unreadable(f"{service.service_name} has no operation {method} {path}")
    _, operation, labels = min(fitting, key=lambda one: one[0])
    members, shape = {}, operation.input_shape
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    for name, member in shape.members.items() if shape else []:
        place, wire = member.serialization.get("location"), member.serialization.get("name", name)
        if place == "uri" and wire in labels:
            members[name] = of_text(member, urllib.parse.unquote(labels[wire]))
        elif place == "querystring":
            values = [value for key, value in pairs if key == wire]
            pairs = [(key, value) for key, value in pairs if key != wire]
            if values:
                listed = member.type_name == "list"
                members[name] = [of_text(member.member, one) for one in values] if listed else of_text(member, values[0])
        elif place == "header" and wire.lower() in headers:
            members[name] = of_text(member, headers[wire.lower()])
    if pairs:
        raise Unreadable(f"{operation.name} has no parameter {pairs[0][0]}")
    payload = shape.serialization.get("payload") if shape else None
    if payload:
        if body:
            members[payload] = body if shape.members[payload].type_name == "blob" else of_document(shape.members[payload], json.loads(body))
    elif body:
        members |= of_document(shape, json.loads(body))
    return operation, members


# Checking against the model: each yields sentences.


def faults(shape, value, path):
    checks = {
        "structure": of_structure, "list": of_list, "map": of_map, "string": of_string, "integer": of_number, "long": of_number,
        "float": of_number, "double": of_number, "boolean": of_boolean, "timestamp": of_time, "blob": of_blob,
    }
    return checks[shape.type_name](shape, value, path)


def of_structure(shape, value, path):
    if not isinstance(value, dict):
        yield f"{path} is not a structure: {value!r:.60}"
        return
    if shape.metadata.get("document"):
        return
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"{path} lacks {name}"
    if shape.is_tagged_union and len(value) != 1:
        yield f"{path} has {len(value)} members instead of one"
    for name, one in value.items():
        if name not in shape.members:
            yield f"{path} has no member {name}"
        elif one is not None:
            yield from faults(shape.members[name], one, f"{path}.{name}")


def of_list(shape, value, path):
    if not isinstance(value, list):
        yield f"{path} is not a list: {value!r:.60}"
        return
    yield from of_range(shape, len(value), path, "elements")
    for one in value:
        yield from faults(shape.member, one, f"{path}[]")


def of_map(shape, value, path):
    if not isinstance(value, dict):
        yield f"{path} is not a map: {value!r:.60}"
        return
    yield from of_range(shape, len(value), path, "entries")
    for key, one in value.items():
        yield from faults(shape.key, key, f"{path} (key)")
        yield from faults(shape.value, one, f"{path}.{key}")


@functools.cache
def compiled(pattern):
    return regex.compile(pattern)


def of_string(shape, value, path):
    if not isinstance(value, str):
        yield f"{path} is not text: {value!r:.60}"
        return
    yield from of_range(shape, len(value), path, "characters")
    # The service states limits of one shape in the model only by its pattern, which has to fit the whole text.
    pattern = shape.metadata.get("pattern")
    if pattern and not compiled(pattern).fullmatch(value):
        yield f"{path} does not match {pattern}: {value!r:.80}"
    if shape.enum and value not in shape.enum:
        yield f"{path} is none of {', '.join(shape.enum[:8])}…: {value!r:.60}"


def of_number(shape, value, path):
    whole = shape.type_name in ("integer", "long")
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        yield f"{path} is not a number: {value!r:.60}"
        return
    yield from of_range(shape, value, path, "")


def of_boolean(shape, value, path):
    if not isinstance(value, bool):
        yield f"{path} is neither true nor false: {value!r:.60}"


def of_time(shape, value, path):
    if isinstance(value, bool) or not isinstance(value, (int, float, datetime.datetime)):
        yield f"{path} is not a time: {value!r:.60}"


def of_blob(shape, value, path):
    if not isinstance(value, bytes):
        yield f"{path} is not binary: {value!r:.60}"
        return
    yield from of_range(shape, len(value), path, "bytes")


def of_range(shape, size, path, unit):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    told = f"{path} has {size} {unit}" if unit else f"{path} is {size}"
    if least is not None and size < least:
        yield f"{told}, less than {least}"
    if most is not None and size > most:
        yield f"{told}, more than {most}"


# Limits that only the documentation has.


def faults_of_schedule(members):
    """Yields the faults of a schedule that its model does not know."""
    expression, target = members["ScheduleExpression"], members["Target"]
    rate = re.fullmatch(r"rate\((\d+) (minute|hour|day)(s?)\)", expression)
    if rate and (int(rate[1]) < 1 or (int(rate[1]) == 1) == bool(rate[3])):
        yield f"the rate of the schedule is {expression}"
    if not rate and not re.fullmatch(r"cron\(\S+( \S+){5}\)|at\(\S+\)", expression):
        yield f"the expression of the schedule is {expression}"
    if len(target.get("Input", "").encode()) > 256 * 1024:
        yield "the input of the schedule has more than 256 KB"
    if ":lambda:" in target["Arn"] and not is_object(target.get("Input", "{}")):
        yield "the input of the schedule is no JSON object"


def wholes(name, members):
    for tags in (members.get("Tags"), members.get("tags")):
        yield from of_tags(name, tags)
    if name in ("lambda:CreateFunction", "lambda:UpdateFunctionConfiguration"):
        variables = members.get("Environment", {}).get("Variables", {})
        size = sum(len(key.encode()) + len(value.encode()) for key, value in variables.items())
        if size > 4096:
            yield f"the environment has {size} bytes, more than 4,096"
        for key in variables:
            if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_]+", key) or key.startswith(("AWS_", "LAMBDA_")):
                yield f"the environment has the variable {key}, which is reserved or no name"
    if name == "logs:PutRetentionPolicy" and members.get("retentionInDays") not in DAYS_OF_LOGS:
        yield f"logs cannot be kept for {members.get('retentionInDays')} days"
    if name in ("sqs:CreateQueue", "sqs:SetQueueAttributes"):
        for key, (least, most) in OF_QUEUES.items():
            text = members.get("Attributes", {}).get(key)
            if text is not None and not (text.isdigit() and least <= int(text) <= most):
                yield f"the queue's {key} is {text}, not from {least} to {most}"
    if name == "ssm:PutParameter":
        most = 8192 if members.get("Tier") == "Advanced" else 4096
        if len(members.get("Value", "").encode()) > most:
            yield f"the parameter's value has more than {most} bytes"
        if members.get("Tags") and members.get("Overwrite"):
            yield "PutParameter takes no tags together with Overwrite"
        if re.match(r"/?(aws|ssm)", members.get("Name", ""), re.IGNORECASE):
            yield f"the parameter's name {members['Name']} begins with aws or ssm"
    if name in ("scheduler:CreateSchedule", "scheduler:UpdateSchedule"):
        yield from faults_of_schedule(members)
    if name == "events:PutTargets":
        ids = [target.get("Id") for target in members.get("Targets", [])]
        if len(ids) > 5 or len(set(ids)) < len(ids):
            yield f"a rule has at most five targets, each with its own id: {ids}"
    if name == "events:PutEvents":
        for entry in members.get("Entries", []):
            size = sum(len(str(entry.get(key, "")).encode()) for key in ("Source", "DetailType", "Detail"))
            if size > 256 * 1024:
                yield f"the entry has {size} bytes, more than 256 KB"
            if entry.get("Source", "").startswith("aws."):
                yield f"the source {entry['Source']} is reserved for AWS"
            if not is_object(entry.get("Detail", "")):
                yield "the detail of the entry is no JSON object"
    for kind, document in policies(name, members):
        most = {"trust": 2048, "identity": 10240, "queue": 8192, "function": 20480}[kind]
        size = len(re.sub(r"\s", "", document if isinstance(document, str) else json.dumps(document)))
        if size > most:
            yield f"the {kind} policy has {size} characters, more than {most:,}"


def of_tags(name, tags):
    if isinstance(tags, list):
        pairs = [(tag.get("Key", tag.get("key")), tag.get("Value", tag.get("value"))) for tag in tags if isinstance(tag, dict)]
    else:
        pairs = list((tags or {}).items())
    if len(pairs) > 50:
        yield f"there are {len(pairs)} tags, more than 50"
    keys = [str(key) for key, _ in pairs]
    compared = [key.lower() for key in keys] if name.startswith("iam:") else keys
    if len(set(compared)) < len(compared):
        yield f"a tag appears twice: {', '.join(keys)}"
    for key, value in pairs:
        if str(key).lower().startswith("aws:") or len(str(key)) > 128 or len(str(value or "")) > 256:
            yield f"AWS takes no tag {key}={value!s:.40}"


def is_object(text):
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


# Policies, and the permissions that a request needs.


def policies(name, members):
    """Yields the policies that a request attaches: the kind, and the document."""
    for operation, member, kind in (
        ("iam:CreateRole", "AssumeRolePolicyDocument", "trust"),
        ("iam:UpdateAssumeRolePolicy", "PolicyDocument", "trust"),
        ("iam:PutRolePolicy", "PolicyDocument", "identity"),
    ):
        if name == operation and members.get(member):
            yield kind, members[member]
    if name in ("sqs:CreateQueue", "sqs:SetQueueAttributes") and members.get("Attributes", {}).get("Policy"):
        yield "queue", members["Attributes"]["Policy"]
    if name == "lambda:AddPermission":
        condition = {}
        if arn := members.get("SourceArn"):
            condition["ArnLike"] = {"aws:SourceArn": arn}
        if account := members.get("SourceAccount"):
            condition["StringEquals"] = {"aws:SourceAccount": account}
        function = members["FunctionName"]
        arn = function if function.startswith("arn:") else f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function}"
        statement = {
            "Sid": members["StatementId"],
            "Effect": "Allow",
            "Principal": {"Service": members["Principal"]},
            "Action": members["Action"],
            "Resource": arn,
        }
        yield "function", {"Version": "2012-10-17", "Statement": [statement | ({"Condition": condition} if condition else {})]}


def resources(name, members, region):
    """Returns the ARNs that IAM compares with the policy; empty: the operation has no resource."""
    service, operation = name.split(":")

    def arn(rest, of=service):
        return f"arn:{partition(region)}:{of}:{region}:{ACCOUNT}:{rest}"

    def named(text, prefix):
        return text if text.startswith("arn:") else arn(prefix + text)

    first = next((members[key] for key in ("ResourceARN", "ResourceArn", "resourceArn", "Resource") if members.get(key)), None)
    if isinstance(first, str) and first.startswith("arn:"):
        return [first]
    match service:
        case "lambda" if members.get("FunctionName"):
            return [named(members["FunctionName"], "function:")]
        case "lambda" if members.get("UUID"):
            return [arn("event-source-mapping:" + members["UUID"])]
        case "iam" if members.get("InstanceProfileName"):
            return [f"arn:{partition(region)}:iam::{ACCOUNT}:instance-profile/{members['InstanceProfileName']}"]
        case "iam" if members.get("RoleName"):
            path = "/taskbell/" if members["RoleName"].startswith("taskbell") else "/"
            return [f"arn:{partition(region)}:iam::{ACCOUNT}:role{members.get('Path', path)}{members['RoleName']}"]
        case "events" if operation == "PutEvents":
            return [arn("event-bus/default")]
        case "events" if members.get("Rule") or (members.get("Name") and "Rule" in operation):
            return [arn("rule/" + (members.get("Rule") or members["Name"]))]
        case "logs" if members.get("logStreamName"):
            return [arn(f"log-group:{members['logGroupName']}:log-stream:{members['logStreamName']}")]
        case "logs" if members.get("logGroupName"):
            return [arn(f"log-group:{members['logGroupName']}")]
        case "sqs" if members.get("QueueUrl") or members.get("QueueName"):
            return [arn((members.get("QueueUrl") or members["QueueName"]).rsplit("/", 1)[-1])]
        case "ssm" if members.get("Name") or members.get("ResourceId"):
            return [arn("parameter/" + (members.get("Name") or members["ResourceId"]).removeprefix("/"))]
        case "dynamodb" if members.get("TableName"):
            return [named(members["TableName"], "table/")]
        case "cloudwatch" if operation != "ListAlarmMuteRules" and (members.get("AlarmName") or operation == "DeleteAlarms"):
            return [arn(f"alarm:{name}") for name in members.get("AlarmNames") or [members["AlarmName"]]]
        case "scheduler" if operation.endswith("Group"):
            return [arn(f"schedule-group/{members['Name']}")]
        case "scheduler" if members.get("Name"):
            return [arn(f"schedule/{members.get('GroupName', 'default')}/{members['Name']}")]
        case "ecs" if operation == "DescribeClusters":
            return [named(one, "cluster/") for one in members.get("clusters", [])]
        case "ecs" if operation == "DescribeTasks":
            return members.get("tasks", [])
    return []


def partition(region):
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


TAGGING = {
    "lambda:CreateFunction": "lambda:TagResource", "events:PutRule": "events:TagResource", "logs:CreateLogGroup": "logs:TagResource",
    "sqs:CreateQueue": "sqs:TagQueue", "ssm:PutParameter": "ssm:AddTagsToResource", "iam:CreateRole": "iam:TagRole",
    "dynamodb:CreateTable": "dynamodb:TagResource", "cloudwatch:PutMetricAlarm": "cloudwatch:TagResource",
    "scheduler:CreateScheduleGroup": "scheduler:TagResource",
}
STACK_TAG = "taskbell:stack"
CHANGES_OF_RULES = {f"events:{verb}" for verb in ("PutRule", "PutTargets", "RemoveTargets", "DeleteRule", "TagResource", "UntagResource")}
ACTIONS = {"lambda:Invoke": "lambda:InvokeFunction", "resourcegroupstaggingapi:GetResources": "tag:GetResources"}


def stack_of(line):
    """Returns the stack of a command line: its `--stack`, or the name of its first cluster; none: no stack."""
    named = re.search(r"--stack (\S+)", line) or re.search(r"--cluster (\S+)", line)
    return named and named[1].rsplit("/", 1)[-1]


def needs(name, members, region, boundary, stack):
    """Yields the permissions that a request needs: action, ARN (none: no resource), and the values of condition keys."""
    if name.startswith("sts:"):
        return
    context = {}
    if boundary and name.startswith("iam:"):
        context["iam:PermissionsBoundary"] = members.get("PermissionsBoundary") or boundary
    if name == "events:PutEvents":
        context["events:source"] = sorted({entry.get("Source", "") for entry in members.get("Entries", [])})
    if name in CHANGES_OF_RULES:
        requested = {tag.get("Key"): tag.get("Value") for tag in members.get("Tags", [])}.get(STACK_TAG)
        if requested:
            context[f"aws:RequestTag/{STACK_TAG}"] = requested
        # taskbell gives tags to PutRule only for a rule that does not exist yet.
        if stack and not (name == "events:PutRule" and requested):
            context[f"aws:ResourceTag/{STACK_TAG}"] = stack
    if name == "lambda:DeleteEventSourceMapping" and stack:
        context["lambda:FunctionArn"] = f"arn:{partition(region)}:lambda:{region}:{ACCOUNT}:function:taskbell-{stack}"
    for resource in resources(name, members, region) or [None]:
        yield ACTIONS.get(name, name), resource, context
        if name in TAGGING and (members.get("Tags") or members.get("tags")):
            yield TAGGING[name], resource, context
    if name in ("lambda:CreateFunction", "lambda:UpdateFunctionConfiguration") and members.get("Role"):
        yield "iam:PassRole", members["Role"], {"iam:PassedToService": "lambda.amazonaws.com"}
    if name in ("scheduler:CreateSchedule", "scheduler:UpdateSchedule"):
        yield "iam:PassRole", members["Target"]["RoleArn"], {"iam:PassedToService": "scheduler.amazonaws.com"}
    if name == "scheduler:DeleteScheduleGroup":
        # Scheduler deletes the schedules of the group on behalf of the caller.
        of_group = resources(name, members, region)[0].replace(":schedule-group/", ":schedule/", 1)
        yield "scheduler:DeleteSchedule", f"{of_group}/*", {}


def main(folder, least=1):
    found, seen, questions = collections.Counter(), collections.Counter(), {}
    attached = {}
    lines = [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]
    records = [line for line in lines if "method" in line]
    printed = {line["permissions"]: line["policy"] for line in lines if "policy" in line}
    # A command line with a mistake gets no policy; the command may read before it finds the mistake.
    refused = {line["refused"] for line in lines if "refused" in line}
    for record in records:
        try:
            operation, members = parsed(record)
        except (Unreadable, ValueError) as unreadable:
            found[f"{record['method']} {record['uri']}: {unreadable}"] += 1
            continue
        service = operation.service_model.service_name
        name = f"{service}:{operation.name}"
        seen[name] += 1
        told = list(faults(operation.input_shape, members, operation.name)) if operation.input_shape else []
        if not told:
            told = list(wholes(name, members))
        for fault in told:
            found[f"{service}: {fault}"] += 1
        if told:
            continue
        for kind, document in policies(name, members):
            attached[kind, document if isinstance(document, str) else json.dumps(document)] = name
        lines_of = record["permissions"]
        for line in lines_of:
            if line not in printed and line not in refused:
                found[f"no policy was printed by `{line}`, so that nothing judges the requests of its command"] += 1
        if not lines_of or any(line not in printed for line in lines_of):
            continue
        boundary = re.search(r"--permissions-boundary (\S+)", lines_of[0])
        hints = set().union(*(ONLY_FOR_HINTS.get(line.split()[2], ()) for line in lines_of))
        for action, resource, context in needs(name, members, record["region"], boundary and boundary[1], stack_of(lines_of[0])):
            if action not in hints:
                question = {"policies": lines_of, "action": action, "resource": resource, "context": context}
                questions[json.dumps(question, sort_keys=True)] = question
    of_printed = [{"kind": "identity", "where": line, "document": policy} for line, policy in printed.items()]
    of_attached = [{"kind": kind, "where": name, "document": json.loads(text)} for (kind, text), name in attached.items()]
    told = {"policies": of_printed + of_attached, "questions": list(questions.values())}
    (folder / "policies.json").write_text(json.dumps(told))
    for fault, times in found.most_common():
        print(f"{fault} ({times} times)" if times > 1 else fault)
    print(f"requests: {len(records)} of {len(seen)} operations judged, {len(found)} faults")
    if len(seen) < least:
        sys.exit(f"only {len(seen)} of at least {least} operations were recorded")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    sys.exit(main(pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:])))
