//! Reads a stack from AWS, and checks an event against the stack's rules and links, and against the notifier with the data that
//! the notifier looks up.

use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use super::told::{Answer, Said, Told, Verdict};
use crate::aws::calls::{announcement, task};
use crate::aws::kinds::{Given, function};
use crate::cli::args::common::Common;
use crate::cli::run::progress::Progress;
use crate::cli::terminal::World;
use crate::config::Cluster;
use crate::error::{Category, Error, Result};
use crate::notifier::archive::archive;
use crate::notifier::embedded::Engine;
use crate::operations::event_file::Event;
use crate::operations::links::{Broken, links};
use crate::operations::session::Session;
use crate::reconcile::resource::{Found, Inventory};
use crate::stack::Place;

/// The task to test, with its region and cluster.
pub struct TaskArn<'a> {
    pub arn: &'a str,
    region: &'a str,
    pub cluster: Cluster,
}

impl<'a> TaskArn<'a> {
    /// Parses the ARN of a task. An ARN of the old, short form does not name the cluster; then the first of `clusters` is used.
    pub fn parse(arn: &'a str, clusters: &[Cluster]) -> Result<Self> {
        let bad = || {
            Error::usage(format!("{arn:?} is not the ARN of a task"))
                .hint("it looks like arn:aws:ecs:us-east-1:123456789012:task/CLUSTER/0123456789abcdef0123456789abcdef")
        };
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, "ecs", region, _, rest] = parts[..] else { return Err(bad()) };
        let named = match rest.split('/').collect::<Vec<_>>()[..] {
            ["task", cluster, _] => cluster.parse().ok(),
            ["task", _] => {
                let missing = || Error::usage("this task's ARN does not name its cluster").hint("give --cluster NAME");
                Some(clusters.first().cloned().ok_or_else(missing)?)
            }
            _ => None,
        };
        Ok(Self { arn, region, cluster: named.ok_or_else(bad)? })
    }
}

pub struct Live<'a> {
    session: Session,
    seen: Inventory,
    pub place: Place,
    engine: Engine,
    world: &'a World,
}

impl<'a> Live<'a> {
    pub async fn read(clusters: &[Cluster], common: &Common, world: &'a World) -> Result<Self> {
        let given = Given::default();
        let (target, progress) = (common.target(clusters)?, Progress::new(common, world));
        let session = progress.over(Session::open(&target, given, progress.context())).await?;
        let (seen, place) = progress.over(session.observe_only(&["function", "rule"])).await?;
        session.report_place(&place);
        let live = Self { session, seen, place, engine: Engine::new()?, world };
        live.note_another_notifier()?;
        match links(&Value::Null, &live.seen, &live.session.stack, &live.place).is_empty() {
            true => Err(Error::new("the stack has no rule here").hint("`taskbell setup` sets it up")),
            false => Ok(live),
        }
    }

    pub async fn event_of(&self, TaskArn { arn, region, cluster }: &TaskArn<'_>) -> Result<Event> {
        if *region != self.place.region {
            return Err(Error::usage(format!(
                "the task is in {region}, and the region in use is {}",
                self.place.region
            ))
            .hint(format!("give --region {region}")));
        }
        let look = self.session.unless_interrupted(task::event_of(&self.session.sdk, cluster.name(), arn)).await?;
        let look = look.map_err(|fault| {
            Error::new("could not look the task up").because(Error::from(fault)).category(Category::Unreadable)
        })?;
        let body = look.ok_or_else(|| {
            Error::new(format!("ECS does not know the task {arn}"))
                .hint("it shows stopped tasks for about an hour; an event that was kept can be tested with `taskbell pattern test FILE --live`")
        })?;
        Ok(Event { name: (*arn).to_owned(), body, context: Value::Null, is_sample: false })
    }

    pub async fn tell(&self, event: &Event) -> Result<Told> {
        let links = links(&event.body, &self.seen, &self.session.stack, &self.place);
        let answers: Vec<Answer> = links
            .into_iter()
            .map(|link| Answer {
                from: link.rule.to_string(),
                is_default: false,
                said: link.broken.map_or(Said::Takes, Said::Broken),
            })
            .collect();
        // If no rule can bring the event to the notifier, no lookup is needed.
        let is_open = |answer: &Answer| matches!(answer.said, Said::Takes | Said::Broken(Broken::Unreadable { .. }));
        let verdict = match answers.iter().any(is_open) {
            true => self.session.unless_interrupted(self.verdict(event)).await??,
            false => Verdict::of(&self.incident(event, &event.context)?),
        };
        Ok(Told { event: event.name.clone(), answers, verdict, is_live: true })
    }

    fn incident(&self, event: &Event, context: &Value) -> Result<Value> {
        Ok(self.engine.preview(&event.body, context, &json!({}))?.incident)
    }

    /// Returns the verdict of the notifier's own rules, with the data that the notifier would look up.
    async fn verdict(&self, Event { body: event, context, .. }: &Event) -> Result<Verdict> {
        let definition = event["detail"]["taskDefinitionArn"].as_str();
        let is_task = event["detail-type"] == "ECS Task State Change";
        let context = match definition.filter(|_| is_task && context.is_null()) {
            None => context.clone(),
            Some(arn) => match task::outline_of(&self.session.sdk, arn).await {
                Ok(outline) => json!({ "taskDefinition": outline }),
                Err(fault) => return Ok(Verdict::Unknown(format!("the task definition could not be read: {fault}"))),
            },
        };
        let incident = self.engine.preview(event, &context, &json!({}))?.incident;
        match Verdict::of(&incident) {
            Verdict::Announces(cause) => self.unless_told_before(event, &incident, cause).await,
            other => Ok(other),
        }
    }

    /// Returns the verdict after a look at the table: a task is announced once, and not every repetition of a failure is announced.
    async fn unless_told_before(&self, event: &Value, incident: &Value, cause: String) -> Result<Verdict> {
        let (Some(table), Some(subject)) = (self.setting("TASKBELL_TABLE"), incident["subject"].as_str()) else {
            return Ok(Verdict::Announces(cause));
        };
        let unreadable = |fault| Ok(Verdict::Unknown(format!("what was announced already could not be read: {fault}")));
        let sdk = &self.session.sdk;
        let subject = match announcement::subject(sdk, table, subject).await {
            Ok(subject) => subject,
            Err(fault) => return unreadable(fault),
        };
        let minutes = self.setting("TASKBELL_STORM_MINUTES").and_then(|minutes| minutes.parse().ok()).unwrap_or(15);
        let now = self.world.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = u64::try_from(now).unwrap_or_default();
        let window = self.engine.window_of(incident, &subject, now, minutes * 60_000)?;
        let window = match announcement::window(sdk, table, &window).await {
            Ok(window) => window,
            Err(fault) => return unreadable(fault),
        };
        let settings = self.notifier().map_or(Value::Null, |found| found.spec["environment"].clone());
        let foreseen =
            self.engine.foresee(event, incident, &settings, &json!({ "subject": subject, "window": window }))?;
        Ok(Verdict::told_before(&foreseen).unwrap_or(Verdict::Announces(cause)))
    }

    /// Returns a setting of the notifier in AWS.
    fn setting(&self, name: &str) -> Option<&str> {
        self.notifier()?.spec["environment"][name].as_str()
    }

    fn notifier(&self) -> Option<&Found<Value>> {
        self.seen.get(&function::address(&self.session.stack).id)?.serving().ok()?
    }

    /// Prints a note if the notifier in AWS has other code than this binary, because the verdict follows this binary's rules.
    fn note_another_notifier(&self) -> Result<()> {
        if let Some(found) = self.notifier()
            && found.spec["code_sha256"] != archive()?.code_sha256
        {
            self.world
                .err
                .print("note: the notifier in AWS is of another version than this taskbell, whose rules are told\n");
        }
        Ok(())
    }
}
