//! Invokes the notifier by hand for one event.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use serde_json::Value;

use crate::aws::client::fault::{Fault, fault};

/// Longest wait for an invocation: the notifier may run for 30 seconds, and Lambda has to start it first.
const PATIENCE: Duration = Duration::from_secs(45);

/// Outcomes of the notifier after which the event need not be sent again.
const OUTCOMES: [&str; 5] = ["sent", "sent-plain", "duplicate", "counted", "silent"];

/// Invokes the function with the event and waits: returns the notifier's outcome, or its failure as the inner error.
///
/// # Errors
/// If Lambda does not run the function, or its answer is lost.
pub async fn invoke(sdk: &SdkConfig, function: &str, event: &Value) -> Result<Result<String, String>, Fault> {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE).operation_timeout(PATIENCE).build();
    // No retries: the caller decides whether the event may be announced twice.
    let own = aws_sdk_lambda::config::Builder::from(sdk).timeout_config(timeouts).retry_config(RetryConfig::disabled());
    let call = Client::from_conf(own.build()).invoke().function_name(function).payload(Blob::new(event.to_string()));
    let answer = call.send().await.map_err(fault("lambda:InvokeFunction"))?;
    let payload = answer.payload().map(Blob::as_ref).unwrap_or_default();
    Ok(outcome(answer.function_error(), payload))
}

fn outcome(error: Option<&str>, payload: &[u8]) -> Result<String, String> {
    // An answer that is not JSON does not come from the notifier.
    let said: Value = serde_json::from_slice(payload).unwrap_or_default();
    match (error, said["outcome"].as_str()) {
        (Some(kind), _) => Err(said["errorMessage"].as_str().unwrap_or(kind).to_owned()),
        (None, Some(outcome)) if OUTCOMES.contains(&outcome) => Ok(outcome.to_owned()),
        (None, _) => {
            let answer: String = String::from_utf8_lossy(payload).chars().take(100).collect();
            Err(format!("the function answered {answer}, which is not an answer of the notifier"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_of_the_notifier_are_accepted() {
        assert_eq!(outcome(None, br#"{"outcome":"sent"}"#), Ok("sent".to_owned()));
        assert_eq!(outcome(Some("Unhandled"), br#"{"errorMessage":"no_service"}"#), Err("no_service".to_owned()));
        assert_eq!(outcome(Some("Unhandled"), b"oops"), Err("Unhandled".to_owned()));
        for strange in ["", "null", "{}", "1", r#"{"outcome":"ok"}"#, r#"{"outcome":1}"#] {
            let told = outcome(None, strange.as_bytes()).unwrap_err();
            assert!(told.contains(&format!("answered {strange},")), "{told}");
        }
    }
}
