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
/// together, so that other callers have room. EventBridge allows 50 calls; Lambda 100 of GetFunction, 15 of GetPolicy and 15 of all
/// others; CloudWatch Logs 5 of most operations, each (quotas); Parameter Store 40 (its default throughput). IAM has no documented
/// limit, 20 is observed.
const RATES: Rates = &[
    ("events", 40.0, 4.0),
    ("lambda GetFunction", 80.0, 8.0),
    ("lambda GetPolicy", 12.0, 3.0),
    ("lambda", 12.0, 3.0),
    ("logs", 4.0, 3.0),
    ("ssm", 32.0, 4.0),
    ("iam", 16.0, 3.0),
];

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
    /// The time at which the next call would be due at an even rate, by the calls that share a limit, and the region.
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
    fn wait(&self, Scope { service, region, operation }: &Scope) -> Duration {
        let named = operation.as_ref().map(|operation| format!("{service} {operation}"));
        let rate_of = |name: &str| self.rates.iter().find(|(of, ..)| *of == name);
        let own = named.as_deref().and_then(rate_of);
        let Some((limit, a_second, burst)) = own.or_else(|| rate_of(service)) else {
            return Duration::ZERO;
        };
        // Each operation of CloudWatch Logs has a limit of its own.
        let sharing = if *service == "logs" { named.as_deref().unwrap_or(limit) } else { limit };
        let between = Duration::from_secs_f64(1.0 / *a_second);
        let now = Instant::now();
        let mut turns = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let due = turns.entry((sharing.to_owned(), (*region).to_owned())).or_insert(now);
        *due = (*due).max(now) + between;
        due.duration_since(now).saturating_sub(between.mul_f64(*burst))
    }
}

/// The limits that a call counts towards.
#[derive(Debug, PartialEq)]
struct Scope<'a> {
    service: &'a str,
    region: &'a str,
    /// The operation, of services whose operations have limits of their own.
    operation: Option<&'a str>,
}

/// Reads region and service of a signed request: `Credential=KEY/20261124/us-east-1/lambda/aws4_request, …`.
fn scope(request: &HttpRequest) -> Option<Scope<'_>> {
    let mut parts = request.headers().get("authorization")?.split_once("Credential=")?.1.split('/').skip(2);
    let (region, service) = (parts.next()?, parts.next()?);
    let operation = match service {
        "logs" => request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next()),
        "lambda" if request.method() == "GET" => lambda_operation(request.uri()),
        _ => None,
    };
    Some(Scope { service, region, operation })
}

/// Names those calls of Lambda that have limits of their own: `https://HOST/2015-03-31/functions/NAME`, and `…/policy`.
fn lambda_operation(uri: &str) -> Option<&'static str> {
    let path = uri.split_once("/functions/")?.1.split('?').next()?;
    match path.split_once('/') {
        None => Some("GetFunction"),
        Some((_, "policy")) => Some("GetPolicy"),
        Some(_) => None,
    }
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
        let wait = scope(&request).map_or(Duration::ZERO, |scope| self.turns.wait(&scope));
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

    const fn of<'a>(service: &'a str, region: &'a str, operation: Option<&'a str>) -> Scope<'a> {
        Scope { service, region, operation }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_of_a_service_and_region_are_even_after_a_burst() {
        let turns = Turns::new(RATES);
        let lambda = of("lambda", "us-east-1", None);
        let waits: Vec<u128> = (0..16).map(|_| turns.wait(&lambda).as_millis()).collect();
        assert_eq!(waits[..3], [0; 3], "{waits:?}");
        assert!(waits[3..].windows(2).all(|two| (82..=84).contains(&(two[1] - two[0]))), "{waits:?}");
        for other in [
            of("lambda", "eu-west-1", None),
            of("events", "us-east-1", None),
            of("lambda", "us-east-1", Some("GetPolicy")),
            of("lambda", "us-east-1", Some("GetFunction")),
        ] {
            assert!(turns.wait(&other).is_zero(), "{other:?}");
        }
        assert!((0..100).all(|_| turns.wait(&of("sqs", "us-east-1", None)).is_zero()), "SQS takes what comes");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(turns.wait(&lambda).is_zero(), "after a while nobody waits");
    }

    #[tokio::test(start_paused = true)]
    async fn each_operation_of_the_logs_has_its_own_turns() {
        let turns = Turns::new(RATES);
        let filters = of("logs", "us-east-1", Some("DescribeSubscriptionFilters"));
        assert!((0..3).all(|_| turns.wait(&filters).is_zero()));
        assert_eq!(turns.wait(&filters).as_millis(), 250);
        assert!(turns.wait(&of("logs", "us-east-1", Some("DescribeLogGroups"))).is_zero());
    }

    #[test]
    fn scope_comes_from_the_signature_and_the_operation_from_the_request() {
        let mut request = HttpRequest::empty();
        assert_eq!(scope(&request), None);
        let signed = |service: &str| {
            format!("AWS4-HMAC-SHA256 Credential=AKIA/20261124/eu-west-1/{service}/aws4_request, SignedHeaders=host")
        };
        request.headers_mut().insert("authorization", signed("events"));
        request.headers_mut().insert("x-amz-target", "AWSEvents.ListRules");
        assert_eq!(scope(&request), Some(of("events", "eu-west-1", None)));
        request.headers_mut().insert("authorization", signed("logs"));
        request.headers_mut().insert("x-amz-target", "Logs_20140328.DescribeSubscriptionFilters");
        assert_eq!(scope(&request), Some(of("logs", "eu-west-1", Some("DescribeSubscriptionFilters"))));
        request.headers_mut().insert("authorization", signed("lambda"));
        for (uri, operation) in [
            ("https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/taskbell-batch", Some("GetFunction")),
            ("https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/taskbell-batch/policy", Some("GetPolicy")),
            ("https://lambda.eu-west-1.amazonaws.com/2019-09-25/functions/a/event-invoke-config", None),
            ("https://lambda.eu-west-1.amazonaws.com/2015-03-31/event-source-mappings?FunctionName=a", None),
        ] {
            request.set_uri(uri).unwrap();
            assert_eq!(scope(&request), Some(of("lambda", "eu-west-1", operation)), "{uri}");
        }
    }
}
