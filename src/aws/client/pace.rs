//! Limits calls to the rates of the control planes: calls wait for their turn here instead of being throttled by AWS.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use tokio::time::Instant;

use super::wait;

/// Calls per second of an account in a region, and the size of a burst: the rate is four fifths of AWS's limit for all callers
/// together, so that other callers have room. EventBridge allows 50 and Lambda 15 (their quotas), Parameter Store 40 (its default
/// throughput); IAM has no documented limit, 20 is observed.
const RATES: Rates = &[("events", 40.0, 4.0), ("lambda", 12.0, 3.0), ("ssm", 32.0, 4.0), ("iam", 16.0, 3.0)];

/// The rate for one stack alone: a setup of many rules calls EventBridge for each rule and for each sample of a pattern. Together, burst
/// and rate are less than the 50 calls of a second. `drift` of a stack with five rules fits into the burst.
const RATES_OF_ONE: Rates = &[("events", 38.0, 11.0)];

type Rates = &'static [(&'static str, f64, f64)];

/// A client whose calls wait for the turns of one account.
#[derive(Debug, Clone)]
pub struct Pace {
    inner: SharedHttpClient,
    turns: Arc<Turns>,
}

#[derive(Debug)]
struct Turns {
    rates: Rates,
    /// The time at which the next call would be due at an even rate, by service and region.
    due: Mutex<HashMap<(String, String), Instant>>,
}

impl Pace {
    /// Returns a client for the calls of many stacks.
    #[must_use]
    pub fn of_many(inner: SharedHttpClient) -> Self {
        Self { inner, turns: Arc::new(Turns::new(RATES)) }
    }

    /// Returns a client for the calls of one stack.
    #[must_use]
    pub fn of_one(inner: SharedHttpClient) -> Self {
        Self { inner, turns: Arc::new(Turns::new(RATES_OF_ONE)) }
    }
}

impl Turns {
    fn new(rates: Rates) -> Self {
        Self { rates, due: Mutex::default() }
    }

    /// Returns the time that a call has to wait, and counts the call.
    fn wait(&self, service: &str, region: &str) -> Duration {
        let Some((_, a_second, burst)) = self.rates.iter().find(|(name, ..)| *name == service) else {
            return Duration::ZERO;
        };
        let between = Duration::from_secs_f64(1.0 / *a_second);
        let now = Instant::now();
        let mut turns = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let due = turns.entry((service.to_owned(), region.to_owned())).or_insert(now);
        *due = (*due).max(now) + between;
        due.duration_since(now).saturating_sub(between.mul_f64(*burst))
    }
}

/// Reads region and service of a signed request: `Credential=KEY/20261124/us-east-1/lambda/aws4_request, …`.
fn scope(request: &HttpRequest) -> Option<(&str, &str)> {
    let mut parts = request.headers().get("authorization")?.split_once("Credential=")?.1.split('/').skip(2);
    Some((parts.next()?, parts.next()?))
}

impl HttpClient for Pace {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, turns: Arc::clone(&self.turns) })
    }
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    turns: Arc<Turns>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wait = scope(&request).map_or(Duration::ZERO, |(region, service)| self.turns.wait(service, region));
        if wait.is_zero() {
            return self.inner.call(request);
        }
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            wait::turn(wait).await;
            inner.call(request).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_of_a_service_and_region_are_even_after_a_burst() {
        let turns = Turns::new(RATES);
        let waits: Vec<u128> = (0..16).map(|_| turns.wait("lambda", "us-east-1").as_millis()).collect();
        assert_eq!(waits[..3], [0; 3], "{waits:?}");
        assert!(waits[3..].windows(2).all(|two| (82..=84).contains(&(two[1] - two[0]))), "{waits:?}");
        assert!(turns.wait("lambda", "eu-west-1").is_zero() && turns.wait("events", "us-east-1").is_zero());
        assert!((0..100).all(|_| turns.wait("sqs", "us-east-1").is_zero()), "SQS takes what comes");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(turns.wait("lambda", "us-east-1").is_zero(), "after a while nobody waits");
    }

    #[test]
    fn service_and_region_come_from_the_signature() {
        let mut request = HttpRequest::empty();
        assert_eq!(scope(&request), None);
        let signed = "AWS4-HMAC-SHA256 Credential=AKIA/20261124/eu-west-1/events/aws4_request, SignedHeaders=host";
        request.headers_mut().insert("authorization", signed);
        assert_eq!(scope(&request), Some(("eu-west-1", "events")));
    }
}
