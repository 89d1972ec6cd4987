//! Reads a stack from AWS, and checks an event against the stack's rules and links, and against the notifier with the data that
//! the notifier looks up.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::answer::{Answer, Decision, Outcome, Tested};
use crate::arn::{Arn, Task};
use crate::aws::calls::{announcement, task};
use crate::aws::kinds::{Given, function};
use crate::config::Cluster;
use crate::error::{Category, Error, Hint, Result};
use crate::notifier::archive::archive;
use crate::notifier::embedded::Engine;
use crate::operations::event_file::Event;
use crate::operations::links::{Broken, links};
use crate::operations::session::Session;
use crate::operations::target::{Context, Target};
use crate::reconcile::resource::{Found, Inventory};
use crate::stack::{Kind, Place};

/// The task to test, with its region and cluster.
pub struct TaskArn<'a> {
    arn: &'a str,
    region: &'a str,
    pub cluster: Cluster,
}

impl<'a> TaskArn<'a> {
    /// Parses the ARN of a task. An ARN of the old, short form does not name the cluster; then the first of `clusters` is used.
    ///
    /// # Errors
    /// If the text is not the ARN of a task, or the cluster is not known.
    pub fn parse(arn: &'a str, clusters: &[Cluster]) -> Result<Self> {
        let Task { arn: Arn { region, .. }, cluster } = crate::arn::task(arn)?;
        let missing = || Error::usage("this task's ARN does not name its cluster").hint(Hint::NameCluster);
        let cluster = match cluster {
            Some(name) => name.parse::<Cluster>()?,
            None => clusters.iter().find(|cluster| !cluster.is_glob()).cloned().ok_or_else(missing)?,
        };
        Ok(Self { arn, region, cluster })
    }
}

/// The function and the rules of a stack as they are in AWS.
pub struct Live {
    session: Session,
    seen: Inventory,
    place: Place,
    engine: Engine,
    clock: fn() -> SystemTime,
}

impl Live {
    /// Reads the function and the rules of a stack.
    ///
    /// # Errors
    /// If the caller is unknown to AWS; on interruption.
    pub async fn read(target: &Target, context: &Context) -> Result<Self> {
        let session = Session::open(target, Given::default(), context).await?;
        let (seen, place) = session.observe_only(&[Kind::Function, Kind::Rule]).await?;
        session.report_place(&place);
        Ok(Self { session, seen, place, engine: Engine::new()?, clock: context.clock })
    }

    /// Checks whether the notifier in AWS has other code than this binary, whose rules decide in the test.
    ///
    /// # Errors
    /// If this binary's notifier cannot be archived.
    pub fn is_of_another_version(&self) -> Result<bool> {
        let Some(found) = self.notifier() else { return Ok(false) };
        Ok(found.spec["code_sha256"] != archive()?.code_sha256)
    }

    /// Checks that there is something to test against.
    ///
    /// # Errors
    /// If the stack has no rule.
    pub fn must_have_a_rule(&self) -> Result<()> {
        match links(&Value::Null, &self.seen, &self.session.stack, &self.place).is_empty() {
            true => Err(Error::new("the stack has no rule here").hint(Hint::SetUp)),
            false => Ok(()),
        }
    }

    /// Returns the event of a task that ECS still shows.
    ///
    /// # Errors
    /// If the task is in another region, ECS does not know it, or it could not be read; on interruption.
    pub async fn event_of(&self, TaskArn { arn, region, cluster }: &TaskArn<'_>) -> Result<Value> {
        if *region != self.place.region {
            return Err(Error::usage(format!(
                "the task is in {region}, and the region in use is {}",
                self.place.region
            ))
            .hint(Hint::ChooseRegion((*region).to_owned())));
        }
        let look = self.session.unless_interrupted(task::event_of(&self.session.sdk, cluster.name(), arn)).await?;
        let look = look.map_err(|fault| {
            Error::new("could not look up the task").because(Error::from(fault)).category(Category::Unreadable)
        })?;
        look.ok_or_else(|| {
            Error::new(format!("ECS does not know the task {arn}"))
                .hint("ECS shows stopped tasks for about an hour; to test a saved event, run `taskbell pattern test FILE --live`")
        })
    }

    /// Tests an event against the rules and their links, and against the notifier's rules. Moves a sample to the first of the
    /// clusters.
    ///
    /// # Errors
    /// If the embedded notifier fails; on interruption.
    pub async fn test(&self, event: Event, clusters: &[Cluster]) -> Result<Tested> {
        let event = match clusters.first() {
            Some(cluster) => event.moved(&self.place, cluster)?,
            None => event,
        };
        let links = links(&event.body, &self.seen, &self.session.stack, &self.place);
        let answers: Vec<Answer> = links
            .into_iter()
            .map(|link| Answer {
                from: link.rule.to_string(),
                is_default: false,
                outcome: link.broken.map_or(Outcome::Passes, Outcome::Broken),
            })
            .collect();
        // If no rule can bring the event to the notifier, no lookup is needed.
        let is_open =
            |answer: &Answer| matches!(answer.outcome, Outcome::Passes | Outcome::Broken(Broken::Unreadable { .. }));
        let decision = match answers.iter().any(is_open) {
            true => self.session.unless_interrupted(self.decision(&event)).await??,
            false => Decision::of(&self.incident(&event, &event.context)?),
        };
        Ok(Tested { event: event.name, answers, decision, is_live: true })
    }

    fn incident(&self, event: &Event, context: &Value) -> Result<Value> {
        Ok(self.engine.preview(&event.body, context, &json!({}))?.incident)
    }

    /// Returns the decision of the notifier's own rules, with the data that the notifier would look up.
    async fn decision(&self, Event { body: event, context, .. }: &Event) -> Result<Decision> {
        let definition = event["detail"]["taskDefinitionArn"].as_str();
        let is_task = event["detail-type"] == "ECS Task State Change";
        let context = match definition.filter(|_| is_task && context.is_null()) {
            None => context.clone(),
            Some(arn) => match task::outline_of(&self.session.sdk, arn).await {
                Ok(outline) => json!({ "taskDefinition": outline }),
                Err(fault) => return Ok(Decision::Unknown(format!("the task definition could not be read: {fault}"))),
            },
        };
        let incident = self.engine.preview(event, &context, &json!({}))?.incident;
        match Decision::of(&incident) {
            Decision::Announces(cause) => self.unless_announced_before(event, &incident, cause).await,
            other => Ok(other),
        }
    }

    /// Returns the decision after a look at the table: a task is announced once, and not every repetition of a failure is announced.
    async fn unless_announced_before(&self, event: &Value, incident: &Value, cause: String) -> Result<Decision> {
        let (Some(table), Some(subject)) = (self.setting("TASKBELL_TABLE"), incident["subject"].as_str()) else {
            return Ok(Decision::Announces(cause));
        };
        let unreadable =
            |fault| Ok(Decision::Unknown(format!("the record of announced alerts could not be read: {fault}")));
        let sdk = &self.session.sdk;
        let subject = match announcement::subject(sdk, table, subject).await {
            Ok(subject) => subject,
            Err(fault) => return unreadable(fault),
        };
        let minutes = self.setting("TASKBELL_STORM_MINUTES").and_then(|minutes| minutes.parse().ok()).unwrap_or(15);
        let now = (self.clock)().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = u64::try_from(now).unwrap_or_default();
        let window = self.engine.window_of(incident, &subject, now, minutes * 60_000)?;
        let window = match announcement::window(sdk, table, &window).await {
            Ok(window) => window,
            Err(fault) => return unreadable(fault),
        };
        let settings = self.notifier().map_or(Value::Null, |found| found.spec["environment"].clone());
        let foreseen =
            self.engine.foresee(event, incident, &settings, &json!({ "subject": subject, "window": window }))?;
        Ok(Decision::of_table(&foreseen).unwrap_or(Decision::Announces(cause)))
    }

    /// Returns a setting of the notifier in AWS.
    fn setting(&self, name: &str) -> Option<&str> {
        self.notifier()?.spec["environment"][name].as_str()
    }

    fn notifier(&self) -> Option<&Found<Value>> {
        self.seen.get(&function::address(&self.session.stack).id)?.serving().ok()?
    }
}
