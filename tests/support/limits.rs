//! Limits the calls per second to each service: a bucket of tokens for each service, with the service's own error for throttling.

use std::collections::BTreeMap;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use tokio::time::Instant;

use crate::support::aws::throttled;

/// The control planes: calls per second (documented or observed), and the small burst that each allows.
const A_SECOND: [(&str, f64, f64); 4] =
    [("events", 50.0, 10.0), ("lambda", 15.0, 5.0), ("iam", 20.0, 5.0), ("ssm", 40.0, 10.0)];

#[derive(Debug)]
pub struct Limits {
    buckets: BTreeMap<&'static str, Bucket>,
    every: Option<usize>,
    calls: usize,
    pub refused: usize,
}

#[derive(Debug)]
struct Bucket {
    a_second: f64,
    burst: f64,
    tokens: f64,
    at: Instant,
}

impl Limits {
    pub fn of_the_control_planes() -> Self {
        let bucket = |(service, a_second, burst): (&'static str, f64, f64)| {
            (service, Bucket { a_second, burst, tokens: burst, at: Instant::now() })
        };
        Self { buckets: A_SECOND.into_iter().map(bucket).collect(), every: None, calls: 0, refused: 0 }
    }

    /// Refuses every Nth call as well: in real time, a slow machine may never exceed the rates.
    pub fn and_every(self, calls: usize) -> Self {
        Self { every: Some(calls), ..self }
    }

    /// Returns the service's refusal if this call exceeds the limit.
    pub fn refusal(&mut self, action: &str) -> Option<HttpResponse> {
        let bucket = self.buckets.get_mut(action.split(':').next().unwrap_or_default())?;
        let now = Instant::now();
        bucket.tokens = ((now - bucket.at).as_secs_f64() * bucket.a_second + bucket.tokens).min(bucket.burst);
        bucket.at = now;
        self.calls += 1;
        let in_turn = self.every.is_some_and(|every| self.calls.is_multiple_of(every));
        if bucket.tokens >= 1.0 && !in_turn {
            bucket.tokens -= 1.0;
            return None;
        }
        self.refused += 1;
        Some(throttled(action))
    }
}
