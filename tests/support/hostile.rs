//! Puts hostile texts into AWS's answers: into the fields whose model allows any text, into every text, or instead of the answer.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use serde_json::{Value, json};

use crate::support::aws::error;
use crate::support::strict::rewrite;

/// A word that no output of taskbell's own contains. Wherever it begins a line, a foreign text has broken the line.
pub const TOKEN: &str = "HOSTILE";

/// A text with everything that commands a terminal or a log viewer, breaks a line, changes the direction of the text, or is not
/// seen.
pub const TEXT: &str = "::error::first\u{1b}[35;45mHOSTILE\n::error title=x::HOSTILE\r##[error]HOSTILE\u{85}::set-output::HOSTILE\
    \u{2028}HOSTILE\u{2029}HOSTILE\u{b}HOSTILE\u{c}HOSTILE\u{1b}]8;;http://x\u{7}\u{9b}2J\u{7f}\u{8}\u{0}##vso[task.x]\
    \u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\
    \u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{ad}\u{34f}\u{115f}\u{3164}\u{fe0f}\u{e0041}\u{e007f}\u{e0101}\u{fdef}\u{fdd0}end";

/// The extent of the hostile texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hostility {
    /// The fields that may hold any text, by the service's model: descriptions, reasons, messages, values of tags.
    Texts,
    /// Every text of every answer, also the texts that AWS's own rules exclude: names, ARNs, states.
    Everything,
    /// An error with a hostile code and a hostile message, instead of every answer except that about the caller.
    Faults,
}

/// The fields that may hold any text, or nearly any.
const FREE: [&str; 25] = [
    "Description",
    "description",
    "message",
    "Message",
    "StateReason",
    "StateReasonCode",
    "LastUpdateStatusReason",
    "stoppedReason",
    "stopCode",
    "reason",
    "detail",
    "healthStatus",
    "imageDigest",
    "startedBy",
    "group",
    "Body",
    "StringValue",
    "InputPath",
    "Input",
    "KeyId",
    "ErrorMessage",
    "ErrorCode",
    "outcome",
    "errorMessage",
    "Runtime",
];

impl Hostility {
    pub fn spoilt(self, action: &str, answer: HttpResponse) -> HttpResponse {
        if self == Self::Faults && action != "sts:GetCallerIdentity" {
            return match action.split(':').next() {
                Some("iam" | "sts") => error(action, 400, &xml("Odd"), &xml(TEXT)),
                // The header with the code accepts no control characters.
                _ => of_body(error(action, 400, "Odd", TEXT)),
            };
        }
        if answer.headers().get("smithy-protocol").is_some() || !answer.status().is_success() {
            return answer;
        }
        rewrite(answer, |text| match serde_json::from_str::<Value>(&text) {
            Ok(mut body) => {
                self.spoil(&mut body, "");
                body.to_string()
            }
            Err(_) if self == Self::Everything => of_xml(&text),
            Err(_) => text,
        })
    }

    fn spoil(self, value: &mut Value, field: &str) {
        match value {
            Value::String(text) => {
                let is_number = text.parse::<f64>().is_ok();
                match self {
                    Self::Everything if !is_number => text.push_str(TEXT),
                    _ if FREE.contains(&field) => text.push_str(TEXT),
                    _ => {}
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.spoil(item, field)),
            Value::Object(fields) => {
                let is_tag_of_another =
                    fields.get("Key").and_then(Value::as_str).is_some_and(|key| !key.starts_with("taskbell:"));
                if is_tag_of_another && let Some(Value::String(value)) = fields.get_mut("Value") {
                    value.push_str(TEXT);
                }
                fields.iter_mut().for_each(|(field, value)| self.spoil(value, field));
            }
            _ => {}
        }
    }
}

/// Removes the code from the headers: it is in the body, too.
fn of_body(mut answer: HttpResponse) -> HttpResponse {
    if answer.headers().get("smithy-protocol").is_none() {
        answer.headers_mut().remove("x-amzn-errortype");
        let body = json!({ "__type": format!("Odd{TEXT}"), "message": TEXT, "Message": TEXT });
        return rewrite(answer, |_| body.to_string());
    }
    answer
}

fn xml(text: &str) -> String {
    text.chars().map(|char| if char.is_ascii_alphanumeric() { char.to_string() } else { number(char) }).collect()
}

/// Returns the reference to a character, or nothing for those that XML excludes.
fn number(char: char) -> String {
    match u32::from(char) {
        0..=8 | 11 | 12 | 14..=31 | 0xfffe | 0xffff => String::new(),
        code => format!("&#{code};"),
    }
}

fn of_xml(text: &str) -> String {
    let leaf = regex::Regex::new(r">([^<>]+)</").unwrap();
    leaf.replace_all(text, |found: &regex::Captures| format!(">{}{}</", &found[1], xml(TEXT))).into_owned()
}
