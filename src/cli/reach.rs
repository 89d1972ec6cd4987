//! How far the notifier's eyes reach: which logs of the clusters' tasks it may not read.

use std::collections::BTreeSet;

use aws_config::SdkConfig;

use crate::aws::workload;
use crate::config::{Config, log_group_covers};

/// Which log groups of the clusters' tasks the notifier may not read, and the flags that would change it.
pub async fn logs_beyond(config: &Config, sdk: &SdkConfig) -> Option<String> {
    let covered = &config.log_groups;
    if covered.is_empty() || config.own_role_arn.is_some() {
        return None;
    }
    let (mut missing, mut whole) = (BTreeSet::new(), true);
    for cluster in &config.clusters {
        match workload::log_groups(sdk, cluster.name()).await {
            Ok(found) => {
                missing.extend(found.groups);
                whole &= found.whole;
            }
            // The cluster itself is asked for beside this.
            Err(fault) if fault.is(&["ClusterNotFoundException"]) => {}
            Err(fault) => {
                return Some(format!("note: which logs the clusters' tasks write is not known: {fault}\n"));
            }
        }
    }
    missing.retain(|group| !covered.iter().any(|pattern| log_group_covers(pattern, group)));
    if missing.is_empty() {
        return None;
    }
    let flags = covered.iter().chain(&missing).map(|group| format!("--log-group '{group}'"));
    let (names, flags) = (missing.iter().cloned().collect::<Vec<_>>(), flags.collect::<Vec<_>>());
    Some(format!(
        "note: alerts will come without the end of these logs, which the notifier may not read: {}{}\n  hint: {}\n",
        names.join(", "),
        if whole { "" } else { " (and maybe others: not all task definitions were looked at)" },
        flags.join(" ")
    ))
}
