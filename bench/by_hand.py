"""Sets up an alert as an engineer would script it by hand: one boto3 call after the other. taskbell is compared with it."""

import io
import json
import os
import time
import zipfile

import boto3

NAME = "by-hand"
REGION = "us-east-1"
ACCOUNT = "123456789012"
RULE_ARN = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{NAME}"
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{NAME}"
FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}"
TAGS = {"owner": NAME}
TAG_LIST = [{"Key": "owner", "Value": NAME}]
CODE = "export const handler = async (event) => fetch(process.env.URL, {method: 'POST', body: JSON.stringify(event)});"

ssm, logs, sqs, iam, lambda_, events, ecs = (
    boto3.client(name) for name in ("ssm", "logs", "sqs", "iam", "lambda", "events", "ecs")
)


def archive() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr("index.mjs", CODE)
    return data.getvalue()


def allow(actions, resource, **more):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": resource, **more}]}


def wait_until_active():
    while lambda_.get_function_configuration(FunctionName=NAME)["State"] == "Pending":
        time.sleep(0.2)


def setup():
    ecs.describe_clusters(clusters=["bench"])
    ssm.put_parameter(Name=f"/{NAME}", Value="https://hooks.slack.com/services/x", Type="SecureString", Tags=TAG_LIST)
    logs.create_log_group(logGroupName=f"/aws/lambda/{NAME}", tags=TAGS)
    logs.put_retention_policy(logGroupName=f"/aws/lambda/{NAME}", retentionInDays=30)
    policy = allow("sqs:SendMessage", QUEUE_ARN, Principal={"Service": "events.amazonaws.com"})
    sqs.create_queue(QueueName=NAME, Attributes={"Policy": json.dumps(policy)}, tags=TAGS)
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=json.dumps(trust), Tags=TAG_LIST)["Role"]["Arn"]
    iam.put_role_policy(RoleName=NAME, PolicyName="x", PolicyDocument=json.dumps(allow("ssm:GetParameter", "*")))
    lambda_.create_function(
        FunctionName=NAME, Runtime="nodejs24.x", Handler="index.handler", Role=role, Code={"ZipFile": archive()}, Tags=TAGS
    )
    wait_until_active()
    lambda_.add_permission(
        FunctionName=NAME, StatementId="x", Action="lambda:InvokeFunction", Principal="events.amazonaws.com", SourceArn=RULE_ARN
    )
    lambda_.put_function_event_invoke_config(
        FunctionName=NAME, MaximumRetryAttempts=2, DestinationConfig={"OnFailure": {"Destination": QUEUE_ARN}}
    )
    events.put_rule(Name=NAME, EventPattern='{"source":["aws.ecs"]}', Tags=TAG_LIST)
    events.put_targets(Rule=NAME, Targets=[{"Id": "x", "Arn": FUNCTION_ARN, "DeadLetterConfig": {"Arn": QUEUE_ARN}}])


def drift():
    """Reads the resources of the alert, without the tags."""
    ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [f"/{NAME}"]}])
    logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{NAME}")
    url = sqs.get_queue_url(QueueName=NAME)["QueueUrl"]
    sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    iam.get_role(RoleName=NAME)
    for name in iam.list_role_policies(RoleName=NAME)["PolicyNames"]:
        iam.get_role_policy(RoleName=NAME, PolicyName=name)
    iam.list_attached_role_policies(RoleName=NAME)
    lambda_.get_function(FunctionName=NAME)
    lambda_.get_policy(FunctionName=NAME)
    lambda_.get_function_event_invoke_config(FunctionName=NAME)
    events.describe_rule(Name=NAME)
    events.list_targets_by_rule(Rule=NAME)


def teardown():
    events.remove_targets(Rule=NAME, Ids=["x"])
    events.delete_rule(Name=NAME)
    lambda_.delete_function(FunctionName=NAME)
    iam.delete_role_policy(RoleName=NAME, PolicyName="x")
    iam.delete_role(RoleName=NAME)
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=NAME)["QueueUrl"])
    ssm.delete_parameter(Name=f"/{NAME}")
    logs.delete_log_group(logGroupName=f"/aws/lambda/{NAME}")


if __name__ == "__main__":
    {"setup": setup, "drift": drift, "teardown": teardown}[os.environ["STEP"]]()
