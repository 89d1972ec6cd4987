//! Describes a failed AWS call in the user's terms: the action, the code, AWS's message, and the fix.

use std::error::Error as StdError;
use std::fmt;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::error::{Error, Hint};
use crate::input::printable;
use crate::stack::WATCH_ROLE_END;

/// A call that failed, after the SDK's own retries.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The IAM action of the call: `lambda:UpdateFunctionCode`.
    action: &'static str,
    /// The service's error code; none if the service never answered.
    code: Option<String>,
    message: String,
    /// The message at length, if `message` is short.
    detail: Option<String>,
    /// Whether the call may have been made: the request was sent, and the answer was lost.
    pub unanswered: bool,
}

/// The kind of problem that a call met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Denied,
    Throttled,
    /// AWS does not know the credentials or no longer accepts them, or there are none.
    Credentials,
    /// This machine's clock is wrong.
    Clock,
    /// The name of the host is not known.
    Name,
    /// The host that answered is not trusted.
    Certificate,
    Proxy,
    Network,
    Other,
}

impl Trouble {
    /// Returns the fix for a call that did not reach AWS.
    fn way_to_aws(self) -> &'static str {
        match self {
            Self::Name => {
                "the host name could not be resolved: check --region, the network's DNS, and AWS_ENDPOINT_URL if it is set"
            }
            Self::Certificate => {
                "the server's certificate is not trusted: for a proxy that intercepts TLS, put its CA into SSL_CERT_FILE; check \
                 AWS_ENDPOINT_URL if it is set"
            }
            Self::Proxy => "the proxy refuses the connection: check HTTPS_PROXY and NO_PROXY",
            _ => "check the network, --region, and AWS_ENDPOINT_URL if it is set",
        }
    }
}

const IDENTITY: &str = "identity-based policy";

/// The policies that can deny a call whatever `taskbell permissions` prints, as AWS calls them in its messages, with the way out.
const GUARDS: [(&str, &str); 8] = [
    (
        "service control policy",
        "a service control policy of the AWS organization denies this; a permission of the account cannot change that: ask the \
         organization's administrators to allow the action for this account and region",
    ),
    (
        "resource control policy",
        "a resource control policy of the AWS organization denies this; a permission of the account cannot change that: ask the \
         organization's administrators to allow the action on this resource",
    ),
    (
        "permissions boundary",
        "the permissions boundary of this user or role denies this: ask the boundary's owner to allow the action in it; another \
         permission does not help",
    ),
    (
        "session policy",
        "the session policy with which these credentials were issued denies this: get credentials with a session policy that allows \
         the action",
    ),
    (
        "vpc endpoint policy",
        "the policy of the VPC endpoint denies this: ask the network's owner to allow the action in the endpoint's policy, or run \
         taskbell outside that VPC",
    ),
    (
        "resource-based policy",
        "the resource's own policy denies this: ask the resource's owner to allow the action for this user or role in that policy",
    ),
    (
        "role trust policy",
        "the trust policy of the role denies this: ask the role's owner to allow this user or role in the trust policy",
    ),
    (
        IDENTITY,
        "a policy of this user or role denies this explicitly: remove that statement; another permission does not help",
    ),
];

const CLOCK: &str =
    "this machine's clock is wrong: AWS refuses calls whose signature is more than 5 minutes old or ahead";

/// The words of DynamoDB's refusal to change a table's expiry (TTL) again soon after another change.
pub const EXPIRY_CHANGED_TWICE: &str = "modified multiple times within a fixed interval";

const NO_CREDENTIALS: &str = "no credentials found";

/// Returns a function for `map_err` that names the action of a call.
pub fn fault<E, R>(action: &'static str) -> impl Fn(SdkError<E, R>) -> Fault
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    move |error| {
        let service = error.as_service_error();
        let code = service.and_then(ProvideErrorMetadata::code).map(printable);
        let message = service.and_then(ProvideErrorMetadata::message).map(str::to_owned);
        let message = printable(&message.unwrap_or_else(|| chain(&error)));
        let unanswered = match &error {
            SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
            SdkError::DispatchFailure(failure) => failure.is_io() || failure.is_timeout(),
            _ => false,
        };
        let (message, detail) = match code.is_none() && is_without_credentials(&message) {
            true => (NO_CREDENTIALS.to_owned(), Some(message)),
            false => (message, None),
        };
        Fault { action, code, message, detail, unanswered }
    }
}

/// Recognises the SDK's words for missing credentials: of a chain of providers, of a single provider, and of the last provider of the
/// chain, the instance metadata, which only a machine on EC2 answers.
fn is_without_credentials(message: &str) -> bool {
    message.contains("no credentials found in chain")
        || message.ends_with("the credential provider was not enabled")
        || message.contains("IMDS session token")
}

/// Returns the error that there are no credentials to sign a call with, for this reason.
#[must_use]
pub fn no_credentials(reason: &str) -> Error {
    let (told, detail) = match reason.is_empty() || is_without_credentials(reason) {
        true => (NO_CREDENTIALS.to_owned(), reason),
        false => (format!("no usable credentials: {reason}"), ""),
    };
    let hint = if told == NO_CREDENTIALS { Hint::ProvideCredentials } else { WAYS_TO_CREDENTIALS.into() };
    let error = Error::new(told).hint(hint);
    if detail.is_empty() { error } else { error.detail(detail) }
}

const WAYS_TO_CREDENTIALS: &str =
    "get credentials: set AWS_PROFILE or --profile, or log in (`aws sso login`, `aws configure`)";

/// Returns all messages of the chain of sources, without repetitions.
pub fn chain(error: &(dyn StdError + 'static)) -> String {
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
    /// Creates a fault from an error inside a successful answer, such as a failed entry of PutTargets.
    #[must_use]
    pub fn of_entry(action: &'static str, code: Option<&str>, message: Option<&str>) -> Self {
        Self {
            action,
            code: code.map(printable),
            message: printable(message.unwrap_or("no message")),
            detail: None,
            unanswered: false,
        }
    }

    #[must_use]
    pub fn is(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }

    #[must_use]
    pub fn says(&self, text: &str) -> bool {
        self.message.contains(text)
    }

    #[must_use]
    pub fn action(&self) -> &'static str {
        self.action
    }

    /// Returns the reason why there was no answer, without the SDK's prefixes.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.message.rsplit("client error (Connect): ").next().unwrap_or_default()
    }

    #[must_use]
    pub fn trouble(&self) -> Trouble {
        let says = |texts: &[&str]| texts.iter().any(|text| self.says(text));
        match self.code.as_deref() {
            Some("AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "AuthorizationError") => {
                Trouble::Denied
            }
            Some("RequestTimeTooSkewed") => Trouble::Clock,
            Some(_) if says(&["Signature expired", "Signature not yet current"]) => Trouble::Clock,
            Some(
                "ExpiredToken"
                | "ExpiredTokenException"
                | "RequestExpired"
                | "InvalidClientTokenId"
                | "UnrecognizedClientException"
                | "InvalidToken"
                | "OptInRequired"
                | "SignatureDoesNotMatch"
                | "InvalidSignatureException",
            ) => Trouble::Credentials,
            Some(code) if code.contains("Throttl") || code == "TooManyRequestsException" => Trouble::Throttled,
            None if says(&[NO_CREDENTIALS, "credential"]) => Trouble::Credentials,
            None if says(&["proxy", "tunnel"]) => Trouble::Proxy,
            None if says(&["dns error"]) => Trouble::Name,
            None if says(&["TLS", "certificate"]) => Trouble::Certificate,
            None if says(&["connect", "dispatch failure", "timed out", "timeout"]) => Trouble::Network,
            _ => Trouble::Other,
        }
    }

    /// Returns the way out if another policy than the caller's own permissions denied the call. AWS names that policy in the message:
    /// "with an explicit deny in a …" or "because no … allows the … action".
    fn way_past_a_guard(&self) -> Option<&'static str> {
        let message = self.message.to_lowercase();
        let denies = |policy: &str| {
            ["a", "an", "the"].iter().any(|article| message.contains(&format!("explicit deny in {article} {policy}")))
        };
        let is_cause = |policy: &str| denies(policy) || message.contains(&format!("because no {policy} allows"));
        let guard = GUARDS.into_iter().find(|(policy, _)| match *policy {
            // Without an explicit denial, a permission is only missing.
            IDENTITY => denies(policy),
            policy => is_cause(policy),
        });
        guard.map(|(_, way_out)| way_out)
    }

    /// Returns whether the call is about the schedules or their role, as far as the action and the name in AWS's message show.
    fn is_about_schedules(&self) -> bool {
        self.action.starts_with("scheduler:")
            || self.action.starts_with("iam:") && self.message.contains(WATCH_ROLE_END)
    }

    fn hint(&self) -> Option<Hint> {
        if self.trouble() == Trouble::Denied {
            let grant = if self.is_about_schedules() { Hint::GrantSchedules } else { Hint::GrantPolicy };
            return Some(self.way_past_a_guard().map_or(grant, Hint::from));
        }
        if self.code.is_none() && self.message == NO_CREDENTIALS {
            return Some(Hint::ProvideCredentials);
        }
        let code = self.code.as_deref().unwrap_or_default();
        let hint = match code {
            _ if self.trouble() == Trouble::Clock => CLOCK.to_owned(),
            "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
                "the credentials have expired: log in again (`aws sso login`), or renew them".to_owned()
            }
            "InvalidClientTokenId" | "UnrecognizedClientException" => {
                "AWS does not accept these credentials here: check --profile and --region".to_owned()
            }
            // A signature that is too old is a problem of the clock, handled above.
            "SignatureDoesNotMatch" | "InvalidSignatureException" => {
                "AWS does not accept the signature: check the secret access key".to_owned()
            }
            _ if self.says(EXPIRY_CHANGED_TWICE) => {
                "DynamoDB accepts one change of a table's expiry an hour: wait an hour, then run the same command again"
                    .to_owned()
            }
            "OptInRequired" | "InvalidToken" => "check that this region is enabled in the account".to_owned(),
            _ if code.contains("Throttl") || code == "TooManyRequestsException" => {
                "AWS is throttling this account; run the same command again in a minute".to_owned()
            }
            _ if self.says("profile file credentials provider") || self.says("profile `") => {
                "the AWS profile cannot be used: `aws configure list-profiles` lists the profiles".to_owned()
            }
            _ if self.says("no providers in chain") || self.says("credential") => WAYS_TO_CREDENTIALS.to_owned(),
            "" => self.trouble().way_to_aws().to_owned(),
            _ => return None,
        };
        Some(hint.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, code, message, detail: _, unanswered: _ } = self;
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
        let error = match &fault.detail {
            Some(detail) => error.detail(detail),
            None => error,
        };
        match fault.hint() {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_of_an_unanswered_call_are_distinguished() {
        let unanswered =
            |message: &str| Fault { code: None, ..Fault::of_entry("sts:GetCallerIdentity", None, Some(message)) };
        let client = "dispatch failure: io error: client error (Connect)";
        for (message, trouble) in [
            ("dns error: failed to lookup address information: Name or service not known", Trouble::Name),
            ("tcp connect error: Connection refused (os error 111)", Trouble::Network),
            ("TLS handshake failed: invalid peer certificate: UnknownIssuer", Trouble::Certificate),
            ("TLS handshake failed: received corrupt message of type InvalidContentType", Trouble::Certificate),
            ("proxy tunnel failed", Trouble::Proxy),
        ] {
            assert_eq!(unanswered(&format!("{client}: {message}")).trouble(), trouble, "{message}");
        }
        assert_eq!(unanswered(NO_CREDENTIALS).trouble(), Trouble::Credentials);
        assert_eq!(unanswered("service error: unhandled error: Error").trouble(), Trouble::Other);
    }

    #[test]
    fn second_change_of_the_expiry_has_a_hint() {
        let message = "Time to live has been modified multiple times within a fixed interval";
        let fault = Fault::of_entry("dynamodb:UpdateTimeToLive", Some("ValidationException"), Some(message));
        let hint =
            "DynamoDB accepts one change of a table's expiry an hour: wait an hour, then run the same command again";
        assert_eq!(fault.hint(), Some(hint.to_owned().into()));
    }

    #[test]
    fn wrong_clock_is_distinguished_from_wrong_credentials() {
        let expired =
            "Signature expired: 20261124T000000Z is now earlier than 20261125T000000Z (20261125T000500Z - 5 min.)";
        for (code, message, trouble) in [
            ("InvalidSignatureException", expired, Trouble::Clock),
            ("SignatureDoesNotMatch", expired, Trouble::Clock),
            ("RequestTimeTooSkewed", "", Trouble::Clock),
            ("SignatureDoesNotMatch", "The request signature we calculated does not match", Trouble::Credentials),
        ] {
            let fault = Fault::of_entry("iam:GetRole", Some(code), Some(message));
            assert_eq!(fault.trouble(), trouble, "{code}");
            assert_eq!(fault.hint() == Some(CLOCK.into()), trouble == Trouble::Clock, "{code}");
        }
    }

    /// Checks the forms of AWS's documentation, and the form with the policy's ARN at the end.
    #[test]
    fn hint_for_a_denied_call_names_the_policy_that_denied_it() {
        let who = "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: iam:CreateRole on resource: x";
        let action = "the iam:CreateRole action";
        for (why, who_helps) in [
            (String::new(), None),
            (format!("because no identity-based policy allows {action}"), None),
            ("with an explicit deny in an identity-based policy".to_owned(), Some("remove that statement")),
            ("with an explicit deny in a service control policy".to_owned(), Some("organization's administrators")),
            (format!("because no service control policy allows {action}"), Some("organization's administrators")),
            (
                "with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o-1/p-1".to_owned(),
                Some("organization's administrators"),
            ),
            ("with an explicit deny in a resource control policy".to_owned(), Some("organization's administrators")),
            (format!("because no resource control policy allows {action}"), Some("organization's administrators")),
            (format!("because no permissions boundary allows {action}"), Some("the boundary's owner")),
            ("with an explicit deny in a permissions boundary".to_owned(), Some("the boundary's owner")),
            (format!("because no session policy allows {action}"), Some("session policy that allows")),
            ("with an explicit deny in a session policy".to_owned(), Some("session policy that allows")),
            (format!("because no VPC endpoint policy allows {action}"), Some("the network's owner")),
            ("with an explicit deny in a VPC endpoint policy".to_owned(), Some("the network's owner")),
            (format!("because no resource-based policy allows {action}"), Some("the resource's owner")),
            ("with an explicit deny in a resource-based policy".to_owned(), Some("the resource's owner")),
            ("because no role trust policy allows the sts:AssumeRole action".to_owned(), Some("the role's owner")),
            ("with an explicit deny in the role trust policy".to_owned(), Some("the role's owner")),
        ] {
            let fault = Fault::of_entry("iam:CreateRole", Some("AccessDenied"), Some(&format!("{who} {why}")));
            let error = Error::from(fault);
            let hint = error.nearest_hint();
            let fits = match (hint, who_helps) {
                (Some(Hint::GrantPolicy), None) => true,
                (Some(Hint::Words(words)), Some(helps)) => words.contains(helps),
                _ => false,
            };
            assert!(fits, "{why}: {hint:?}");
        }
    }

    /// Checks that a name in the message is not taken for the reason.
    #[test]
    fn name_of_a_resource_is_not_the_policy_that_denied_the_call() {
        let message = "User: u is not authorized to perform: iam:PutRolePolicy on resource: role session policy x \
                       because no identity-based policy allows the iam:PutRolePolicy action";
        let fault = Fault::of_entry("iam:PutRolePolicy", Some("AccessDenied"), Some(message));
        assert_eq!(fault.hint(), Some(Hint::GrantPolicy));
    }
}
