//! Reads the environment variables of a function.

use std::collections::HashMap;

use aws_config::SdkConfig;

use crate::aws::client;
use crate::aws::client::fault::{Fault, fault};

/// Returns the variables of a function; none if it does not exist.
///
/// # Errors
/// If the call fails, also because the caller may not read the function.
pub async fn of_function(sdk: &SdkConfig, name: &str) -> Result<Option<HashMap<String, String>>, Fault> {
    let answer = client::lambda(sdk).get_function().function_name(name).send().await;
    match answer.map_err(fault("lambda:GetFunction")) {
        Err(fault) if fault.is(&["ResourceNotFoundException"]) => Ok(None),
        answer => {
            let environment = answer?.configuration.and_then(|configuration| configuration.environment);
            Ok(Some(environment.and_then(|environment| environment.variables).unwrap_or_default()))
        }
    }
}
