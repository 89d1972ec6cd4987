//! Manages the schedule group of EventBridge Scheduler, with the schedules at which the notifier checks the expectations of jobs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::operation::get_schedule::GetScheduleOutput;
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy,
    ScheduleGroupState, ScheduleState, Tag, Target,
};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lists::Lists;
use crate::aws::client::fault::{Fault, fault};
use crate::aws::client::wait::{Attempt, CONFLICT, NEW_RESOURCE, ROLE_PROPAGATION, SCHEDULE_GROUP, Waiter, conflict};
use crate::document::canonical;
use crate::error::{Error, Result};
use crate::reconcile::resource::{Adapter, AlreadyExists, Found, Needs, TagChange, Tags};
use crate::stack::{Address, Id, Kind, Stack};

const ABSENT: [&str; 1] = ["ResourceNotFoundException"];
/// The most calls at once about the schedules of one group.
const AT_ONCE: usize = 20;
/// The state of a schedule that runs.
pub const ENABLED: &str = "ENABLED";
/// The action after the last run of a schedule: Scheduler keeps the schedule.
pub const KEPT: &str = "NONE";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The schedules by name. All schedules of the group belong to the stack: another one also invokes the notifier.
    pub schedules: BTreeMap<String, Schedule>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// `cron(…)` or `rate(…)`.
    pub expression: String,
    /// The IANA name of the expression's time zone.
    pub time_zone: String,
    pub state: String,
    pub description: String,
    /// The minutes within which Scheduler may be late; none: Scheduler invokes the target at the time itself.
    pub window_minutes: Option<i32>,
    /// The dates before and after which the schedule does not run; none wanted.
    pub starts: Option<String>,
    pub ends: Option<String>,
    pub after_completion: String,
    /// The user's own key that encrypts the input, none: without that key the schedule does not run.
    pub kms_key: Option<String>,
    pub target: String,
    /// The role with which Scheduler invokes the target.
    pub role: String,
    /// The input in canonical form; a text that is not JSON as a string.
    pub input: Value,
    pub max_event_age_seconds: Option<i32>,
    pub max_retry_attempts: Option<i32>,
    pub dead_letter_queue: Option<String>,
}

pub struct Watch {
    pub scheduler: Client,
    pub waiter: Waiter,
    /// The lists of all stacks, if several are read.
    pub lists: Lists,
}

#[must_use]
pub fn address(stack: &Stack) -> Address {
    Address { id: Id::new(Kind::Watch, "schedules"), name: stack.schedule_group_name(), stack: stack.name.clone() }
}

impl Adapter for Watch {
    type Spec = Spec;
    const KIND: Kind = Kind::Watch;
    const NEEDS: Needs = Needs::OF_TRIGGER;
    const CREATION_REFUSES: bool = true;

    async fn read(&self, at: &Address) -> Result<Option<Found<Spec>>> {
        let Some(Group { arn, is_going: false }) = self.group(&at.name).await? else {
            return Ok(None);
        };
        // A group that was removed since has neither tags nor schedules.
        let (tags, schedules) = tokio::join!(self.tags(&arn), self.schedules(&at.name));
        let (Some(tags), Some(schedules)) = (tags?, schedules?) else {
            return Ok(None);
        };
        Ok(Some(Found { spec: Spec { schedules }, tags }))
    }

    /// Creates the group without schedules.
    async fn begin(&self, at: &Address, _want: &Spec, tags: &TagChange) -> Result<()> {
        self.create(at, &tags.all).await
    }

    async fn put(&self, at: &Address, have: Option<&Spec>, want: &Spec, tags: &TagChange) -> Result<()> {
        let none = BTreeMap::new();
        let there = have.map_or(&none, |have| &have.schedules);
        let differs = |(name, schedule): &(&String, &Schedule)| there.get(*name) != Some(*schedule);
        let changed: Vec<(&String, &Schedule)> = want.schedules.iter().filter(differs).collect();
        for some in changed.chunks(AT_ONCE) {
            let puts = some.iter().map(|(name, schedule)| self.put_schedule(at, name, schedule, there));
            join_all(puts).await.into_iter().collect::<Result<Vec<()>>>()?;
        }
        // Last, so that a job whose schedule gets another name is never without a check.
        let gone: Vec<&String> = there.keys().filter(|name| !want.schedules.contains_key(*name)).collect();
        for some in gone.chunks(AT_ONCE) {
            let removals = some.iter().map(|name| self.delete_schedule(at, name));
            join_all(removals).await.into_iter().collect::<Result<Vec<()>>>()?;
        }
        if have.is_some() { self.tag(at, tags).await } else { Ok(()) }
    }

    /// Deletes the group. Scheduler then deletes the group's schedules, which may take minutes: until then, they still run.
    async fn stop(&self, at: &Address, _have: &Spec) -> Result<()> {
        let attempt = || {
            let call = self.scheduler.delete_schedule_group().name(&at.name);
            async {
                let Err(fault) = call.send().await.map_err(fault("scheduler:DeleteScheduleGroup")) else {
                    return Ok(Attempt::Ready(()));
                };
                // Scheduler refuses a second deletion while it carries out the first, whose answer may be lost.
                let is_gone = is_absent(&fault)
                    || is_conflict(&fault) && self.group(&at.name).await?.is_none_or(|group| group.is_going);
                if is_gone { Ok(Attempt::Ready(())) } else { unless_final(fault, busy) }
            }
        };
        self.waiter.until(&at.id, CONFLICT, attempt).await?;
        let look = || async {
            Ok(match self.group(&at.name).await? {
                None => Attempt::Ready(()),
                Some(_) => Attempt::NotYet { what: GOING.to_owned(), fault: None },
            })
        };
        self.waiter.until(&at.id, SCHEDULE_GROUP, look).await
    }

    /// Does nothing: [`Watch::stop`] leaves nothing.
    async fn delete(&self, _at: &Address, _have: &Spec) -> Result<()> {
        Ok(())
    }

    async fn list(&self, stack: &Stack) -> Result<Vec<Address>> {
        Ok(vec![address(stack)])
    }
}

const GOING: &str = "EventBridge Scheduler to delete the schedule group";

/// The answer to GetScheduleGroup.
struct Group {
    arn: String,
    /// Whether Scheduler is deleting the group.
    is_going: bool,
}

/// Reads the group.
impl Watch {
    async fn group(&self, name: &str) -> Result<Option<Group>, Fault> {
        if self.lists.has_schedule_group(name).await == Some(false) {
            return Ok(None);
        }
        let answer = self.scheduler.get_schedule_group().name(name).send().await;
        match answer.map_err(fault("scheduler:GetScheduleGroup")) {
            Err(fault) if is_absent(&fault) => Ok(None),
            answer => {
                let group = answer?;
                let is_going = group.state() == Some(&ScheduleGroupState::Deleting);
                Ok(Some(Group { arn: group.arn.unwrap_or_default(), is_going }))
            }
        }
    }

    /// Returns the tags; none if there is no such group.
    async fn tags(&self, arn: &str) -> Result<Option<Tags>, Fault> {
        if let Some(tags) = self.lists.tags(arn).await {
            return Ok(Some(tags));
        }
        let answer = self.scheduler.list_tags_for_resource().resource_arn(arn).send().await;
        match answer.map_err(fault("scheduler:ListTagsForResource")) {
            Err(fault) if is_absent(&fault) => Ok(None),
            answer => {
                Ok(Some(answer?.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect()))
            }
        }
    }

    /// Returns the schedules by name; none if there is no such group.
    async fn schedules(&self, group: &str) -> Result<Option<BTreeMap<String, Schedule>>, Fault> {
        let Some(names) = self.names(group).await? else {
            return Ok(None);
        };
        let mut schedules = BTreeMap::new();
        for some in names.chunks(AT_ONCE) {
            let reads = join_all(some.iter().map(|name| self.schedule(group, name))).await;
            for (name, schedule) in some.iter().zip(reads) {
                // A schedule that was removed after it was listed is not one of the group.
                schedules.extend(schedule?.map(|schedule| (name.clone(), schedule)));
            }
        }
        // Somebody removed listed schedules, or perhaps the whole group.
        let is_odd = names.is_empty() || schedules.len() < names.len();
        if is_odd && self.group(group).await?.is_none_or(|group| group.is_going) {
            return Ok(None);
        }
        Ok(Some(schedules))
    }

    async fn names(&self, group: &str) -> Result<Option<Vec<String>>, Fault> {
        let mut names = Vec::new();
        let mut next = None;
        loop {
            let call = self.scheduler.list_schedules().group_name(group).set_next_token(next.take());
            let page = match call.send().await.map_err(fault("scheduler:ListSchedules")) {
                Err(fault) if is_absent(&fault) => return Ok(None),
                page => page?,
            };
            names.extend(page.schedules().iter().filter_map(|schedule| schedule.name()).map(str::to_owned));
            next = page.next_token;
            if next.is_none() {
                return Ok(Some(names));
            }
        }
    }

    async fn schedule(&self, group: &str, name: &str) -> Result<Option<Schedule>, Fault> {
        let call = self.scheduler.get_schedule().group_name(group).name(name);
        match call.send().await.map_err(fault("scheduler:GetSchedule")) {
            Err(fault) if is_absent(&fault) => Ok(None),
            answer => Ok(Some(normal(answer?))),
        }
    }
}

/// Writes the group.
impl Watch {
    /// Creates the group. While Scheduler deletes a group of that name, waits for the end of the deletion. The SDK gives each call a
    /// token, so that its own retries create no second group.
    async fn create(&self, at: &Address, tags: &Tags) -> Result<()> {
        let tags = sdk_tags(tags)?;
        let attempt = || {
            let call = self.scheduler.create_schedule_group().name(&at.name).set_tags(Some(tags.clone()));
            async move {
                match call.send().await.map_err(fault("scheduler:CreateScheduleGroup")) {
                    Err(fault) if is_conflict(&fault) => match self.group(&at.name).await? {
                        Some(Group { is_going: false, .. }) => Err(AlreadyExists(fault.to_string()).into()),
                        Some(_) | None => Ok(Attempt::NotYet { what: GOING.to_owned(), fault: Some(fault) }),
                    },
                    answer => Ok(Attempt::Ready(answer.map(drop)?)),
                }
            }
        };
        self.waiter.until(&at.id, SCHEDULE_GROUP, attempt).await
    }

    /// Creates or replaces a schedule. Somebody may have created or deleted it since the group was read.
    async fn put_schedule(
        &self,
        at: &Address,
        name: &str,
        schedule: &Schedule,
        there: &BTreeMap<String, Schedule>,
    ) -> Result<()> {
        let (target, window) = (sdk_target(name, schedule)?, sdk_window(name, schedule)?);
        let parts = (&target, &window);
        let is_there = AtomicBool::new(there.contains_key(name));
        let attempt = || async {
            if !is_there.load(Ordering::Relaxed) {
                match self.create_schedule(at, name, schedule, parts).await {
                    Err(fault) if is_conflict(&fault) => is_there.store(true, Ordering::Relaxed),
                    Err(fault) => return unless_final(fault, not_ready),
                    Ok(()) => return Ok(Attempt::Ready(())),
                }
            }
            match self.update_schedule(at, name, schedule, parts).await {
                Err(fault) => {
                    is_there.store(!is_absent(&fault), Ordering::Relaxed);
                    unless_final(fault, not_ready)
                }
                Ok(()) => Ok(Attempt::Ready(())),
            }
        };
        self.waiter.until(&at.id, ROLE_PROPAGATION, attempt).await
    }

    async fn create_schedule(
        &self,
        at: &Address,
        name: &str,
        schedule: &Schedule,
        (target, window): (&Target, &FlexibleTimeWindow),
    ) -> Result<(), Fault> {
        let call = self
            .scheduler
            .create_schedule()
            .group_name(&at.name)
            .name(name)
            .schedule_expression(&schedule.expression)
            .schedule_expression_timezone(&schedule.time_zone)
            .state(ScheduleState::from(schedule.state.as_str()))
            .description(&schedule.description)
            .action_after_completion(ActionAfterCompletion::from(schedule.after_completion.as_str()))
            .flexible_time_window(window.clone())
            .target(target.clone());
        call.send().await.map(drop).map_err(fault("scheduler:CreateSchedule"))
    }

    /// Replaces the whole schedule: UpdateSchedule gives a field that it does not receive its default.
    async fn update_schedule(
        &self,
        at: &Address,
        name: &str,
        schedule: &Schedule,
        (target, window): (&Target, &FlexibleTimeWindow),
    ) -> Result<(), Fault> {
        let call = self
            .scheduler
            .update_schedule()
            .group_name(&at.name)
            .name(name)
            .schedule_expression(&schedule.expression)
            .schedule_expression_timezone(&schedule.time_zone)
            .state(ScheduleState::from(schedule.state.as_str()))
            .description(&schedule.description)
            .action_after_completion(ActionAfterCompletion::from(schedule.after_completion.as_str()))
            .flexible_time_window(window.clone())
            .target(target.clone());
        call.send().await.map(drop).map_err(fault("scheduler:UpdateSchedule"))
    }

    async fn delete_schedule(&self, at: &Address, name: &str) -> Result<()> {
        let call = || {
            let call = self.scheduler.delete_schedule().group_name(&at.name).name(name);
            async {
                match call.send().await.map_err(fault("scheduler:DeleteSchedule")) {
                    Err(fault) if !is_absent(&fault) => Err(fault),
                    _ => Ok(()),
                }
            }
        };
        self.waiter.retry(&at.id, CONFLICT, busy, call).await
    }

    /// Tags the group: schedules have no tags.
    async fn tag(&self, at: &Address, tags: &TagChange) -> Result<()> {
        if tags.set.is_empty() && tags.remove.is_empty() {
            return Ok(());
        }
        let look = || async { Ok(Attempt::seen(self.group(&at.name).await?)) };
        let Group { arn, .. } = self.waiter.until(&at.id, CONFLICT, look).await?;
        if !tags.set.is_empty() {
            let set = sdk_tags(&tags.set)?;
            let call = || {
                let call = self.scheduler.tag_resource().resource_arn(&arn).set_tags(Some(set.clone()));
                async { call.send().await.map(drop).map_err(fault("scheduler:TagResource")) }
            };
            self.waiter.retry(&at.id, CONFLICT, unseen, call).await?;
        }
        if !tags.remove.is_empty() {
            let call = || {
                let call = self.scheduler.untag_resource().resource_arn(&arn).set_tag_keys(Some(tags.remove.clone()));
                async { call.send().await.map(drop).map_err(fault("scheduler:UntagResource")) }
            };
            self.waiter.retry(&at.id, CONFLICT, busy, call).await?;
        }
        Ok(())
    }
}

fn normal(schedule: GetScheduleOutput) -> Schedule {
    let window = schedule.flexible_time_window.filter(|window| window.mode != FlexibleTimeWindowMode::Off);
    let target = schedule.target;
    let of_target = |of: fn(&Target) -> Option<String>| target.as_ref().and_then(of);
    let retry = target.as_ref().and_then(Target::retry_policy);
    let input = of_target(|target| target.input.clone());
    Schedule {
        expression: schedule.schedule_expression.unwrap_or_default(),
        time_zone: schedule.schedule_expression_timezone.unwrap_or_else(|| "UTC".to_owned()),
        state: schedule.state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
        description: schedule.description.unwrap_or_default(),
        window_minutes: window.and_then(|window| window.maximum_window_in_minutes),
        starts: schedule.start_date.map(|date| date.to_string()),
        ends: schedule.end_date.map(|date| date.to_string()),
        after_completion: schedule.action_after_completion.map_or(KEPT.to_owned(), |action| action.as_str().to_owned()),
        kms_key: schedule.kms_key_arn,
        input: input.map_or(Value::Null, |text| read_input(&text)),
        max_event_age_seconds: retry.and_then(RetryPolicy::maximum_event_age_in_seconds),
        max_retry_attempts: retry.and_then(RetryPolicy::maximum_retry_attempts),
        dead_letter_queue: of_target(|target| target.dead_letter_config()?.arn.clone()),
        role: of_target(|target| Some(target.role_arn.clone())).unwrap_or_default(),
        target: of_target(|target| Some(target.arn.clone())).unwrap_or_default(),
    }
}

/// Returns the input in its normal form.
fn read_input(text: &str) -> Value {
    serde_json::from_str(text).map_or_else(|_| Value::from(text), |input| canonical(&input))
}

/// Returns the text of an input in its normal form.
#[must_use]
pub fn written(input: &Value) -> String {
    input.as_str().map_or_else(|| input.to_string(), str::to_owned)
}

fn sdk_target(name: &str, schedule: &Schedule) -> Result<Target> {
    let retry = RetryPolicy::builder()
        .set_maximum_event_age_in_seconds(schedule.max_event_age_seconds)
        .set_maximum_retry_attempts(schedule.max_retry_attempts);
    let queue = schedule.dead_letter_queue.as_ref();
    let target = Target::builder()
        .arn(&schedule.target)
        .role_arn(&schedule.role)
        .input(written(&schedule.input))
        .retry_policy(retry.build())
        .set_dead_letter_config(queue.map(|arn| DeadLetterConfig::builder().arn(arn).build()));
    target.build().map_err(|error| incomplete(name).because(error))
}

fn sdk_window(name: &str, schedule: &Schedule) -> Result<FlexibleTimeWindow> {
    let mode = match schedule.window_minutes {
        None => FlexibleTimeWindowMode::Off,
        Some(_) => FlexibleTimeWindowMode::Flexible,
    };
    let window = FlexibleTimeWindow::builder().mode(mode).set_maximum_window_in_minutes(schedule.window_minutes);
    window.build().map_err(|error| incomplete(name).because(error))
}

fn incomplete(name: &str) -> Error {
    Error::new(format!("the schedule {name} is incomplete"))
}

fn sdk_tags(tags: &Tags) -> Result<Vec<Tag>> {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    tags.collect::<Result<_, _>>().map_err(|error| Error::new("a tag is incomplete").because(error))
}

fn is_absent(fault: &Fault) -> bool {
    fault.is(&ABSENT)
}

fn is_conflict(fault: &Fault) -> bool {
    fault.is(&["ConflictException"])
}

/// Returns the attempt that ended with the fault, if `reason` knows what AWS still needs.
fn unless_final(fault: Fault, reason: fn(&Fault) -> Option<&'static str>) -> Result<Attempt<()>> {
    match reason(&fault) {
        Some(what) => Ok(Attempt::NotYet { what: what.to_owned(), fault: Some(fault) }),
        None => Err(fault.into()),
    }
}

/// Returns the reason to wait if Scheduler is still changing the same group or schedule.
fn busy(fault: &Fault) -> Option<&'static str> {
    match is_conflict(fault) {
        true => Some("another change of the same resource to finish"),
        false => conflict(fault),
    }
}

fn unseen(fault: &Fault) -> Option<&'static str> {
    if is_absent(fault) { Some(NEW_RESOURCE) } else { busy(fault) }
}

/// Returns the reason to wait before a schedule can be written: Scheduler does not see the group yet, or checks that it can assume
/// the role ("The execution role you provide must allow AWS EventBridge Scheduler to assume the role."), which is new.
fn not_ready(fault: &Fault) -> Option<&'static str> {
    match fault.is(&["ValidationException"]) && fault.says("assume the role") {
        true => Some("IAM to show the role to EventBridge Scheduler"),
        false => unseen(fault),
    }
}
