//! `drill`: sends a labelled test failure through the live rule.

use clap::Args as ClapArgs;

use super::options::{ClusterArgs, Common};
use super::session::Session;
use super::world::World;
use crate::aws::{Given, bus};
use crate::error::{Error, Result};
use crate::pattern::DRILL_SOURCE;
use crate::stack::Place;
use serde_json::{Value, json};

/// Send a labelled test failure through the live rule, so that a message arrives in Slack.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  taskbell drill --cluster batch")]
pub struct Args {
    #[command(flatten)]
    clusters: ClusterArgs,
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    let clusters = args.clusters.parse()?;
    let cluster = clusters
        .first()
        .ok_or_else(|| Error::usage("a drill needs to know which cluster").hint("give --cluster NAME"))?;
    let given = Given { webhook: None, accept_stored_webhook: false, archive: Vec::new() };
    let session = Session::open(common.stack_name(&clusters)?, given, common, world).await?;
    let place = session.identity.place().await?;
    let task = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let detail = failed_task(place, cluster.name(), &task, world);
    let task_arn = detail["taskArn"].as_str().unwrap_or_default().to_owned();
    bus::put(&session.sdk, DRILL_SOURCE, "ECS Task State Change", &[task_arn], &detail).await?;
    world.err.print(&format!(
        "A test failure is on its way: task {task} of the cluster {}. Its message should reach Slack within seconds.\n",
        cluster.name()
    ));
    Ok(0)
}

/// What ECS sends when the essential container of a stand-alone task exits with 1.
fn failed_task(place: &Place, cluster: &str, task: &str, world: &World) -> Value {
    let Place { partition, region, account } = place;
    let ecs = format!("arn:{partition}:ecs:{region}:{account}");
    let now = aws_smithy_types::DateTime::from(world.now());
    let before = aws_smithy_types::DateTime::from_secs(now.secs() - 42);
    let text =
        |time: aws_smithy_types::DateTime| time.fmt(aws_smithy_types::date_time::Format::DateTime).unwrap_or_default();
    json!({
        "clusterArn": format!("{ecs}:cluster/{cluster}"),
        "taskArn": format!("{ecs}:task/{cluster}/{task}"),
        "taskDefinitionArn": format!("{ecs}:task-definition/taskbell-drill:1"),
        "group": "family:taskbell-drill",
        "startedBy": "taskbell drill",
        "launchType": "FARGATE",
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
        "createdAt": text(before),
        "startedAt": text(before),
        "stoppingAt": text(now),
        "stoppedAt": text(now),
        "containers": [{ "name": "drill", "lastStatus": "STOPPED", "exitCode": 1, "taskArn": format!("{ecs}:task/{cluster}/{task}") }],
        "version": 5,
    })
}
