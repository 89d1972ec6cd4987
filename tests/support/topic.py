"""Creates the SNS topic on-call, and the SQS queue that is subscribed to it. The environment selects the AWS."""

import boto3

sns, sqs = boto3.client("sns"), boto3.client("sqs")
topic = sns.create_topic(Name="on-call")["TopicArn"]
queue = sqs.create_queue(QueueName="on-call")["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
