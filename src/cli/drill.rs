//! `drill`: sends a labelled test failure through the live rule.

use clap::Args as ClapArgs;

use super::options::{ClusterArgs, Common};
use super::session::Session;
use super::world::World;
use crate::aws::{Given, bus};
use crate::desired::cluster_arn;
use crate::error::{Category, Error, Result};
use crate::pattern::DRILL_SOURCE;
use crate::pattern::matcher::Matcher;
use crate::resource::{Inventory, Observed, Seen};
use crate::stack::Place;
use serde_json::{Value, json};

const DETAIL_TYPE: &str = "ECS Task State Change";

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
    let (seen, place) = session.observe(&[]).await?;
    let cluster_arn = cluster_arn(cluster, &place)?;
    let task = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let detail = failed_task(&place, cluster.name(), &task, world);
    let task_arn = detail["taskArn"].as_str().unwrap_or_default().to_owned();
    let event =
        json!({ "source": DRILL_SOURCE, "detail-type": DETAIL_TYPE, "resources": [task_arn], "detail": detail });
    must_ring(seen, &event)
        .map_err(|error| error.hint(format!("`taskbell setup --cluster {cluster_arn}` sets it up, or repairs it")))?;
    bus::put(&session.sdk, DRILL_SOURCE, DETAIL_TYPE, &[task_arn], &detail).await?;
    world.err.print(&format!(
        "A test failure is on its way: task {task} of the cluster {}. Its message should reach Slack within seconds.\n",
        cluster.name()
    ));
    Ok(0)
}

/// A drill that nothing can ring for is not sent: an enabled rule has to let it in.
fn must_ring(seen: Inventory, event: &Value) -> Result<()> {
    let mut refused = Vec::new();
    for Seen { address, observed, .. } in seen.into_values().filter(|seen| seen.address.id.kind == "rule") {
        let found = match observed {
            Ok(Observed::Ours(found)) => found,
            Ok(_) => continue,
            Err(error) => {
                return Err(Error::new(format!("could not read {}", address.id))
                    .because(error)
                    .category(Category::Unreadable));
            }
        };
        let pattern = Matcher::new(&(&found.spec["pattern"]).into());
        refused.push(match pattern.map(|pattern| pattern.mismatch(event)) {
            _ if found.spec["state"] != "ENABLED" => format!("{} is disabled", address.id),
            Ok(None) => return Ok(()),
            Ok(Some(mismatch)) => format!("{} does not let it in: {}", address.id, mismatch.path),
            Err(invalid) => format!("{} has no valid pattern: {invalid}", address.id),
        });
    }
    match refused.is_empty() {
        true => Err(Error::new("the stack has no rule, so nothing would ring")),
        false => Err(Error::new(format!("no rule would ring for a drill of this cluster: {}", refused.join("; ")))),
    }
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
