//! The sample events: what `preview` shows and tests are run on. Each is a file in `patterns/events/`.

use serde_json::Value;

use crate::error::{Error, Result};

macro_rules! samples {
    ($( $name:literal )*) => { [$( ($name, include_str!(concat!("../../patterns/events/", $name, ".json"))) ),*] };
}

/// Name and text.
pub const SAMPLES: [(&str, &str); 33] = samples! {
    "01-exit-nonzero" "02-oom" "03-cannot-pull" "03b-cannot-start" "03c-runtime-failed" "04-resource-init" "04b-logger-init"
    "05-spot" "05b-spot-warning-not-stopped" "06-scale-in-143" "06b-scale-in-137" "06c-elb-unhealthy"
    "06d-container-unhealthy" "07-user-stop" "08-exit-0" "09-sidecar-app-crash" "09b-sidecar-clean-app-killed-sidecar"
    "10-host-terminated" "10b-infrastructure" "11-killed-by-signal" "11b-command-not-found" "11c-not-executable"
    "12-running" "13-unknown-stop-code" "20-deployment-failed" "20b-rolling-back" "21-placement-failure"
    "22-start-impaired" "23-steady-state" "30-application-error" "31-run-rejected" "31b-run-denied" "31c-run-accepted"
};

/// What the notifier would look up for the samples: the task definition, and the end of the log.
const CONTEXT: &str = include_str!("../../patterns/events/context.json");

/// The sample of that name, with or without its number, and what goes with it.
///
/// # Errors
/// If there is none, naming the nearest.
pub fn sample(name: &str) -> Result<(Value, Value)> {
    let named = |(known, _): &&(&str, &str)| *known == name || without_number(known) == name;
    let Some((_, text)) = SAMPLES.iter().find(named) else {
        let distance = |known: &str| strsim::damerau_levenshtein(without_number(known), name);
        let nearest = SAMPLES.iter().map(|(known, _)| *known).min_by_key(|known| distance(known)).unwrap_or_default();
        return Err(Error::usage(format!("{name:?} is neither a sample nor a file"))
            .hint(format!("did you mean {nearest}? `taskbell preview` lists the samples")));
    };
    Ok((parsed(text)?, parsed(CONTEXT)?))
}

/// `01-exit-nonzero` is also called `exit-nonzero`.
#[must_use]
pub fn without_number(name: &str) -> &str {
    name.split_once('-').map_or(name, |(_, rest)| rest)
}

fn parsed(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| Error::new("a sample is not JSON").because(error))
}

/// The samples as if they came from this cluster: in account, region and partition of its ARN.
///
/// # Errors
/// If a sample is not JSON, which no release should show.
pub fn of_cluster(cluster_arn: &str) -> Result<Vec<Value>> {
    let mut parts = cluster_arn.split(':');
    let (partition, region, account) =
        (parts.nth(1).unwrap_or("aws"), parts.nth(1).unwrap_or_default(), parts.next().unwrap_or_default());
    let name = cluster_arn.rsplit('/').next().unwrap_or_default();
    let moved = |text: &str| {
        text.replace("arn:aws:", &format!("arn:{partition}:"))
            .replace("us-east-1", region)
            .replace("123456789012", account)
            .replace("cluster/prod", &format!("cluster/{name}"))
            .replace("task/prod/", &format!("task/{name}/"))
            .replace("service/prod/", &format!("service/{name}/"))
            .replace("\"cluster\": \"prod\"", &format!("\"cluster\": \"{name}\""))
    };
    SAMPLES.iter().map(|(_, text)| parsed(&moved(text))).collect()
}
