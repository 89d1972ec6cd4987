//! Renders the next deadlines of the jobs, and the next summaries.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::calendar::{in_rfc_3339, in_words};
use crate::config::deadlines::Next;
use crate::config::job::Job;

/// Returns the expectations, each with its next times; empty if nothing is expected.
#[must_use]
pub fn text(all: &[Next]) -> String {
    let mut text = String::new();
    if !all.is_empty() {
        text.push_str("\nNext deadlines:\n");
    }
    for Next { job, expected, zone, grace, times } in all {
        let subject = job.as_ref().map_or_else(|| "summary".to_owned(), ToString::to_string);
        let check = grace.map(|grace| format!(", checked {grace} later")).unwrap_or_default();
        let _ = writeln!(text, "  {subject}: {expected}{check}");
        for (at, time) in times.iter().enumerate() {
            let zone = zone.as_ref().filter(|_| at == 0).map(|zone| format!(" ({zone})")).unwrap_or_default();
            let _ = writeln!(text, "    {}{zone}", in_words(time));
        }
    }
    text
}

/// Returns the same as JSON.
#[must_use]
pub fn array(all: &[Next]) -> Value {
    let name = |job: &Option<Job>| job.as_ref().map(|job| job.name.clone());
    let started_by = |job: &Option<Job>| job.as_ref().and_then(|job| job.started_by.clone());
    let item = |Next { job, expected, zone, grace, times }: &Next| {
        json!({
            "job": name(job),
            "started_by": started_by(job),
            "expected": expected,
            "timezone": zone,
            "grace_seconds": grace.map(|grace| grace.seconds),
            "next": times.iter().map(in_rfc_3339).collect::<Vec<_>>(),
        })
    };
    all.iter().map(item).collect()
}
