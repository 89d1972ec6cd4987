//! Asks EventBridge, before a rule is created, whether each pattern matches the samples that taskbell's own matcher matches.

use futures_util::stream::{StreamExt, TryStreamExt, iter};
use serde_json::Value;

use crate::aws::calls::bus;
use crate::aws::client::SdkConfig;
use crate::aws::client::wait::{CONFLICT, Waiter, throttled};
use crate::config::Config;
use crate::desired::cluster_arn;
use crate::error::{Error, Result};
use crate::operations::events::Note;
use crate::pattern::deciding::deciding;
use crate::pattern::fitting::fitted;
use crate::pattern::{self, samples};
use crate::stack::{Place, Subject};

/// The number of questions at once. EventBridge's control plane accepts 50 calls a second from all callers together; with this
/// number, the check takes no longer than the reads that run at the same time.
const AT_ONCE: usize = 32;
/// The number of questions for each pattern about samples that the pattern does not match.
const OTHERS: usize = 2;

/// Asks about few samples that decide every alternative of a pattern, and about some samples that the pattern does not match.
/// Returns the notes for the user.
///
/// # Errors
/// If an answer of EventBridge differs from taskbell's, or a call fails.
pub async fn reached(
    sdk: &SdkConfig,
    waiter: &Waiter,
    (config, is_asked): (&Config, impl Fn(&str) -> bool),
    place: &Place,
) -> Result<Vec<Note>> {
    let arns = config.clusters.iter().map(|cluster| cluster_arn(cluster, place)).collect::<Result<Vec<_>>>()?;
    let samples = samples::of_cluster(arns.first().map_or("", String::as_str))?;
    let (mut questions, mut notes) = (Vec::new(), Vec::new());
    for pattern in config.patterns.iter().filter(|pattern| is_asked(&pattern.name)) {
        let normal = pattern.in_rule(&arns, config.drill)?;
        let bound = pattern::meaning(&normal);
        let matcher = pattern.matcher(&arns, config.drill)?;
        let (taken, others): (Vec<Value>, Vec<Value>) =
            samples.iter().cloned().partition(|event| matcher.matches(event));
        let mut taken = deciding(&bound, taken);
        if taken.is_empty() {
            taken.extend(samples.iter().find_map(|sample| fitted(&matcher, sample.clone())));
        }
        if taken.is_empty() {
            let name = &pattern.name;
            let text = format!("no sample matches the pattern {name}: EventBridge was not asked about it");
            notes.push(Note { text, hint: None });
        }
        let taken = taken.into_iter().map(|event| (event, true));
        let events = taken.chain(others.into_iter().take(OTHERS).map(|event| (event, false)));
        questions.extend(events.map(|(event, expected)| (&pattern.name, normal.clone(), event, expected)));
    }
    let answers = questions.into_iter().map(|(name, normal, event, expected)| async move {
        let subject = Subject::Pattern(name.clone());
        let ask = || bus::would_match(sdk, &normal, &event);
        match waiter.retry(subject, CONFLICT, throttled, ask).await? == expected {
            true => Ok(()),
            false => Err(Error::new(format!(
                "EventBridge and taskbell do not agree on which events match the pattern {name}"
            ))
            .hint(format!(
                "nothing was changed; please report this with the sample {}; --no-pattern-check skips the check",
                event["id"]
            ))),
        }
    });
    iter(answers).buffer_unordered(AT_ONCE).try_collect::<()>().await.map(|()| notes)
}
