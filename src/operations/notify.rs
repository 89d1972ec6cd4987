//! Raises an alert of an application, and reports the end of a job of another machine: puts an event of the application on the bus.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::session::Session;
use super::target::{Context, Target};
use crate::aws::calls::bus;
use crate::aws::client::credentials;
use crate::aws::kinds::Given;
use crate::config::file::Site;
use crate::config::job;
use crate::error::{Error, Result};
use crate::pattern::APPLICATION_SOURCE;
use crate::stack::StackName;
use crate::words::time;

/// The most characters of a detail that are sent. A message shows 4,000 characters, after escaping, without a cut: the difference
/// leaves room for the escapes.
pub const LONGEST_DETAIL: usize = 3_600;
/// The number of these characters that come from the beginning of the detail.
const BEGINNING: usize = LONGEST_DETAIL / 4;

/// The time limit of the search for credentials before the user's command is started.
const LOOK: Duration = Duration::from_secs(5);

/// The detail-types of the events of applications.
const FAILED: &str = "Application Error";
const SUCCEEDED: &str = "Job Succeeded";

/// An alert of an application.
pub struct Alert {
    pub message: String,
    pub source: String,
    /// `error`, `warning` or `info`.
    pub level: &'static str,
    pub detail: String,
    /// The job that failed, if the application is one.
    pub job: Option<Job>,
}

/// A job that ended on a machine of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    name: String,
    /// The duration in seconds, if it is known.
    pub seconds: Option<u64>,
}

impl Job {
    /// # Errors
    /// If the text is not the name of a job.
    pub fn named(name: &str, seconds: Option<u64>) -> Result<Self> {
        Ok(Self { name: job::name(name)?, seconds })
    }

    /// Returns the job, with its duration.
    #[must_use]
    pub fn lasting(self, seconds: u64) -> Self {
        Self { seconds: Some(seconds), ..self }
    }

    /// Adds the job and the time of its end to the detail of an event.
    fn end(&self, now: SystemTime, detail: &mut Value) {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        detail["job"] = json!(self.name);
        detail["at"] = json!(time(i64::try_from(since.as_millis()).unwrap_or_default()));
        if let Some(seconds) = self.seconds {
            detail["seconds"] = json!(seconds);
        }
    }
}

/// Checks whether a region and credentials exist. Only a request to the bus shows whether they suffice.
///
/// # Errors
/// If a region or credentials do not exist, or are not found within five seconds.
pub async fn check_region_and_credentials(site: &Site, context: &Context) -> Result<()> {
    let look = async { credentials::must_exist(&open(site, context).await?.sdk).await };
    let late = || Error::new(format!("no credentials were found within {} seconds", LOOK.as_secs()));
    tokio::time::timeout(LOOK, look).await.unwrap_or_else(|_| Err(late()))
}

/// Opens a session without the name of a stack, because every stack whose rules match receives the event.
async fn open(site: &Site, context: &Context) -> Result<Session> {
    let placeholder: StackName = "notify".parse()?;
    Session::open(&Target { stack: placeholder, site: site.clone() }, Given::default(), context).await
}

/// Puts the alert on the bus. Returns the id that EventBridge gave to the event.
///
/// # Errors
/// If the alert has no message, or EventBridge refuses it, or EventBridge may have accepted it without an answer.
pub async fn raise(alert: Alert, site: &Site, context: &Context) -> Result<String> {
    let Alert { message, source, level, detail, job } = alert;
    if message.trim().is_empty() {
        return Err(Error::usage("an alert needs a message"));
    }
    let mut detail = json!({ "message": message, "level": level, "source": source, "detail": shortened(&detail) });
    if let Some(job) = &job {
        job.end((context.clock)(), &mut detail);
    }
    put(FAILED, &detail, "the alert", site, context).await
}

/// Puts the success of a job on the bus. Returns the id that EventBridge gave to the event.
///
/// # Errors
/// If EventBridge refuses the event, or may have accepted it without an answer.
pub async fn succeed(job: &Job, message: Option<&str>, site: &Site, context: &Context) -> Result<String> {
    let mut detail = json!({});
    if let Some(message) = message.filter(|text| !text.trim().is_empty()) {
        detail["message"] = json!(shortened(message));
    }
    job.end((context.clock)(), &mut detail);
    put(SUCCEEDED, &detail, "the success", site, context).await
}

async fn put(detail_type: &str, detail: &Value, what: &str, site: &Site, context: &Context) -> Result<String> {
    let session = open(site, context).await?;
    let put = bus::put(&session.sdk, APPLICATION_SOURCE, detail_type, &[], detail).await;
    put.map_err(|fault| match fault.unanswered {
        true => Error::new(format!("EventBridge may or may not have accepted {what}")).because(Error::from(fault)),
        false => fault.into(),
    })
}

/// Returns the beginning and the end of a long detail: one of them shows the failure, the other the way to it.
fn shortened(detail: &str) -> String {
    let count = detail.chars().count();
    if count <= LONGEST_DETAIL {
        return detail.to_owned();
    }
    let beginning: String = detail.chars().take(BEGINNING).collect();
    let end: String = detail.chars().skip(count - (LONGEST_DETAIL - BEGINNING)).collect();
    format!("{beginning}\n…\n{end}")
}
