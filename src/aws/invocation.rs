//! The notifier, run by hand for one event.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use serde_json::Value;

use super::fault::{Fault, fault};

/// The notifier may take 30 seconds, and has to be started.
const PATIENCE: Duration = Duration::from_secs(45);

/// Runs the function with the event and waits for it: its outcome, or, as the inner error, what it failed with.
///
/// # Errors
/// If Lambda does not run it, or its answer is lost.
pub async fn invoke(sdk: &SdkConfig, function: &str, event: &Value) -> Result<Result<String, String>, Fault> {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE).operation_timeout(PATIENCE).build();
    // Not made again by itself: whoever asks decides whether the event may be told twice.
    let own = aws_sdk_lambda::config::Builder::from(sdk).timeout_config(timeouts).retry_config(RetryConfig::disabled());
    let call = Client::from_conf(own.build()).invoke().function_name(function).payload(Blob::new(event.to_string()));
    let answer = call.send().await.map_err(fault("lambda:InvokeFunction"))?;
    let payload = answer.payload().map(Blob::as_ref).unwrap_or_default();
    let said: Value = serde_json::from_slice(payload).unwrap_or_default();
    let text = |name: &str| said[name].as_str().map(str::to_owned);
    Ok(match answer.function_error() {
        Some(kind) => Err(text("errorMessage").unwrap_or_else(|| kind.to_owned())),
        None => Ok(text("outcome").unwrap_or_default()),
    })
}
