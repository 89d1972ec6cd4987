//! Raises an alert of an application: an event of its own on the bus.

use std::time::Duration;

use serde_json::json;

use super::session::Session;
use super::target::{Context, Target};
use crate::aws::calls::bus;
use crate::aws::client::credentials;
use crate::aws::kinds::Given;
use crate::config::file::Site;
use crate::error::{Error, Result};
use crate::pattern::APPLICATION_SOURCE;
use crate::stack::StackName;

/// What of a detail is sent, in characters. A message shows the first 4,000, escaped: what is sent is to be seen to its end.
pub const LONGEST_DETAIL: usize = 3_600;
/// Of which the beginning has this many.
const BEGINNING: usize = LONGEST_DETAIL / 4;

/// How long credentials are looked for before the command is started.
const LOOK: Duration = Duration::from_secs(5);

/// One alert.
pub struct Alert {
    pub message: String,
    pub source: String,
    /// `error`, `warning` or `info`.
    pub level: &'static str,
    pub detail: String,
}

/// Whether there are a region and credentials; whether they suffice is known only once the bus is asked.
///
/// # Errors
/// If there are none, or they are not found within five seconds.
pub async fn could_be_raised(site: &Site, context: &Context) -> Result<()> {
    let look = async { credentials::must_exist(&open(site, context).await?.sdk).await };
    let late = || Error::new(format!("no credentials were found within {} seconds", LOOK.as_secs()));
    tokio::time::timeout(LOOK, look).await.unwrap_or_else(|_| Err(late()))
}

/// The event is for every stack with the rule: no name of one is needed.
async fn open(site: &Site, context: &Context) -> Result<Session> {
    let nobody: StackName = "notify".parse()?;
    Session::open(&Target { stack: nobody, site: site.clone() }, Given::default(), context).await
}

/// Puts the alert on the bus; the id that EventBridge gave it.
///
/// # Errors
/// If the alert has no message, or EventBridge does not take it, or may have taken it.
pub async fn raise(alert: Alert, site: &Site, context: &Context) -> Result<String> {
    let Alert { message, source, level, detail } = alert;
    if message.trim().is_empty() {
        return Err(Error::usage("an alert needs a message"));
    }
    let session = open(site, context).await?;
    let detail = json!({ "message": message, "level": level, "source": source, "detail": shortened(&detail) });
    let put = bus::put(&session.sdk, APPLICATION_SOURCE, "Application Error", &[], &detail).await;
    put.map_err(|fault| match fault.unanswered {
        true => Error::new("whether EventBridge took the alert is not known").because(Error::from(fault)),
        false => fault.into(),
    })
}

/// Its beginning and its end: what failed stands in one, and how it came to it in the other.
fn shortened(detail: &str) -> String {
    let count = detail.chars().count();
    if count <= LONGEST_DETAIL {
        return detail.to_owned();
    }
    let beginning: String = detail.chars().take(BEGINNING).collect();
    let end: String = detail.chars().skip(count - (LONGEST_DETAIL - BEGINNING)).collect();
    format!("{beginning}\n…\n{end}")
}
