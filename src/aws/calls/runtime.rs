//! Reports until when AWS supports a Lambda runtime, and the state of a function.

use aws_config::SdkConfig;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use crate::aws::client;
use crate::aws::client::fault::{Fault, fault};

/// Days before the end of a runtime from which taskbell warns: AWS writes to account owners at about this time.
pub const NOTICE_DAYS: i64 = 180;

/// The ends of support, from AWS's page "Lambda runtimes" (read in November 2026; AWS has moved such dates before).
const ENDS: [(&str, &str); 4] = [
    ("nodejs18.x", "2025-09-01"),
    ("nodejs20.x", "2026-04-30"),
    ("nodejs22.x", "2027-04-30"),
    ("nodejs24.x", "2028-04-30"),
];

/// Returns the day on which AWS stops supporting the runtime; none for a runtime that the list does not have.
#[must_use]
pub fn supported_until(runtime: &str) -> Option<&'static str> {
    ENDS.iter().find(|(known, _)| *known == runtime).map(|(_, day)| *day)
}

/// Returns a warning about the runtime, if its support has ended or ends soon.
#[must_use]
pub fn warning(runtime: &str, now: DateTime) -> Option<String> {
    let day = supported_until(runtime)?;
    let end = DateTime::from_str(&format!("{day}T00:00:00Z"), Format::DateTime).ok()?;
    match (end.secs() - now.secs()).div_euclid(24 * 3600) {
        left if left < 0 => Some(format!("AWS stopped supporting {runtime} on {day}")),
        left if left <= NOTICE_DAYS => Some(format!("AWS stops supporting {runtime} on {day}, in {left} days")),
        _ => None,
    }
}

/// The state of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    pub runtime: String,
    /// `Active`, `Pending`, `Inactive` or `Failed`.
    pub state: String,
    /// The reason for this state, or for the failure of the last update.
    pub problem: Option<String>,
}

/// Returns the state of a function; none if no function has that name.
///
/// # Errors
/// If the call fails.
pub async fn health(sdk: &SdkConfig, function: &str) -> Result<Option<Health>, Fault> {
    let call = client::lambda(sdk).get_function_configuration().function_name(function);
    let answer = match call.send().await.map_err(fault("lambda:GetFunctionConfiguration")) {
        Err(fault) if fault.is(&["ResourceNotFoundException"]) => return Ok(None),
        answer => answer?,
    };
    let failed_update = answer.last_update_status().is_some_and(|status| status.as_str() == "Failed");
    let update = answer.last_update_status_reason().unwrap_or("no reason given");
    let problem = failed_update.then(|| format!("its last update failed: {update}"));
    Ok(Some(Health {
        runtime: answer.runtime().map(|runtime| runtime.as_str().to_owned()).unwrap_or_default(),
        state: answer.state().map_or_else(|| "Active".to_owned(), |state| state.as_str().to_owned()),
        problem: answer.state_reason().filter(|reason| !reason.is_empty()).map(str::to_owned).or(problem),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(day: &str) -> DateTime {
        DateTime::from_str(&format!("{day}T12:00:00Z"), Format::DateTime).unwrap()
    }

    #[test]
    fn runtime_warning_starts_half_a_year_before_the_end() {
        assert_eq!(warning("nodejs24.x", on("2026-11-24")), None);
        assert_eq!(warning("nodejs24.x", on("2027-10-01")), None);
        let half = warning("nodejs24.x", on("2027-11-03")).unwrap();
        assert_eq!(half, "AWS stops supporting nodejs24.x on 2028-04-30, in 178 days");
        assert!(warning("nodejs24.x", on("2028-05-01")).unwrap().contains("AWS stopped"));
        assert_eq!(warning("nodejs99.x", on("2028-05-01")), None);
    }
}
