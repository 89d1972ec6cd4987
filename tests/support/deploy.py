"""Deploys a template as its users do: deploy.py TEMPLATE ARCHIVE WEBHOOK [PARAMETER=VALUE...]

Creates the bucket with the notifier's archive and the SecureString with the webhook first. The environment selects the AWS.
"""

import json
import sys

import boto3
import botocore.exceptions


def main() -> None:
    template_file, archive_file, webhook, *given = sys.argv[1:]
    template = open(template_file).read()
    parameters = json.loads(template)["Parameters"]
    values = dict(text.split("=", 1) for text in given)
    region = boto3.session.Session().region_name
    if "CodeBucketPrefix" in parameters:
        values["CodeBucketPrefix"] = "code"
    else:
        values["CodeBucket"] = f"code-{region}"

    storage = boto3.client("s3")
    storage.create_bucket(Bucket=f"code-{region}")
    prefix = values.get("CodeKeyPrefix", parameters["CodeKeyPrefix"]["Default"])
    code = json.loads(template)["Resources"]["Notifier"]["Properties"]["Code"]
    key = code["S3Key"]["Fn::Sub"].replace("${CodeKeyPrefix}", prefix)
    storage.put_object(Bucket=f"code-{region}", Key=key, Body=open(archive_file, "rb").read())
    name = values.get("WebhookParameter", parameters["WebhookParameter"]["Default"])
    boto3.client("ssm").put_parameter(Name=name, Value=webhook, Type="SecureString")

    cloudformation = boto3.client("cloudformation")
    cloudformation.create_stack(
        StackName="alerts",
        TemplateBody=template,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    waiter = cloudformation.get_waiter("stack_create_complete")
    try:
        waiter.wait(StackName="alerts", WaiterConfig={"Delay": 1, "MaxAttempts": 600})
    except botocore.exceptions.WaiterError:
        events = cloudformation.describe_stack_events(StackName="alerts")["StackEvents"]
        sys.exit("\n".join(f"{e['LogicalResourceId']} {e['ResourceStatus']} {e.get('ResourceStatusReason')}" for e in events))


main()
