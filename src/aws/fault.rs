//! A failed AWS call, told in the user's terms: which action, which code, what AWS said, and what can be done.

use std::error::Error as StdError;
use std::fmt;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::error::Error;

/// One call that failed, after the SDK's own retries.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The IAM action of the call: `lambda:UpdateFunctionCode`.
    action: &'static str,
    /// The service's error code; none if it never answered.
    code: Option<String>,
    message: String,
}

/// For `map_err`: names the action a call needs.
pub fn fault<E, R>(action: &'static str) -> impl Fn(SdkError<E, R>) -> Fault
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    move |error| {
        let service = error.as_service_error();
        let code = service.and_then(ProvideErrorMetadata::code).map(str::to_owned);
        let message = service.and_then(ProvideErrorMetadata::message).map(str::to_owned);
        let message = message.unwrap_or_else(|| chain(&error));
        Fault { action, code, message }
    }
}

/// Every message down the chain of sources, without repetitions.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut messages: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let message = error.to_string();
        if messages.last().is_none_or(|last| !last.contains(&message)) {
            messages.push(message);
        }
        next = error.source();
    }
    messages.join(": ")
}

impl Fault {
    /// A fault that came inside a successful answer, such as a failed entry of PutTargets.
    #[must_use]
    pub fn of_entry(action: &'static str, code: Option<&str>, message: Option<&str>) -> Self {
        Self { action, code: code.map(str::to_owned), message: message.unwrap_or("no message").to_owned() }
    }

    #[must_use]
    pub fn is(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }

    #[must_use]
    pub fn says(&self, text: &str) -> bool {
        self.message.contains(text)
    }

    fn hint(&self) -> Option<String> {
        let code = self.code.as_deref().unwrap_or_default();
        let hint = match code {
            _ if code.starts_with("AccessDenied")
                || code == "UnauthorizedOperation"
                || code == "AuthorizationError" =>
            {
                "`taskbell permissions --for COMMAND` prints the policy that the command needs".to_owned()
            }
            "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
                "the credentials have expired: log in again (`aws sso login`), or renew them".to_owned()
            }
            "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "SignatureDoesNotMatch"
            | "InvalidSignatureException" => {
                "AWS does not take these credentials here: check --profile and --region".to_owned()
            }
            "OptInRequired" | "InvalidToken" => "check that this region is enabled in the account".to_owned(),
            _ if code.contains("Throttl") || code == "TooManyRequestsException" => {
                "AWS is throttling this account; the same command may be run again in a minute".to_owned()
            }
            _ if self.says("profile file credentials provider") || self.says("profile `") => {
                "the AWS profile cannot be used: `aws configure list-profiles` shows which there are".to_owned()
            }
            _ if self.says("no providers in chain") || self.says("credential") => {
                "no usable AWS credentials: set AWS_PROFILE or --profile, or log in (`aws sso login`, `aws configure`)"
                    .to_owned()
            }
            "" => "check the network, --region, and AWS_ENDPOINT_URL if it is set".to_owned(),
            _ => return None,
        };
        Some(hint)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, code, message } = self;
        match code {
            Some(code) => write!(f, "{code} on {action}: {message}"),
            None => write!(f, "no answer to {action}: {message}"),
        }
    }
}

impl StdError for Fault {}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let error = Self::new(fault.to_string());
        match fault.hint() {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}
