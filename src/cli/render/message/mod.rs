//! Renders the message of an alert for a terminal or a browser.

pub mod html;
pub mod mrkdwn;
pub mod terminal;

use std::fmt::Write as _;

use serde_json::Value;

use crate::calendar::{Zone, on_a_clock};

/// Returns the message with each of Slack's dates as a reader in this time zone sees it.
#[must_use]
pub fn in_zone(payload: &Value, zone: &Zone) -> Value {
    match payload {
        Value::String(text) => dated(text, zone).into(),
        Value::Array(items) => items.iter().map(|item| in_zone(item, zone)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), in_zone(value, zone))).collect(),
        other => other.clone(),
    }
}

/// Replaces the label of each date, which is in UTC: `<!date^1795170731^{date_num} {time_secs}|2026-11-20 10:32:11 UTC>`.
fn dated(text: &str, zone: &Zone) -> String {
    const START: &str = "<!date^";
    let (mut shown, mut rest) = (String::new(), text);
    while let Some((before, inner, after)) = rest.split_once(START).and_then(|(before, date)| {
        let (inner, after) = date.split_once('>')?;
        Some((before, inner, after))
    }) {
        let seconds = inner.split_once('^').and_then(|(seconds, _)| seconds.parse().ok());
        let (format, label) = inner.rsplit_once('|').unwrap_or((inner, inner));
        let local = seconds.and_then(|seconds| on_a_clock(seconds, zone)).unwrap_or_else(|| label.to_owned());
        let _ = write!(shown, "{before}{START}{format}|{local}>");
        rest = after;
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dates_are_shown_in_the_readers_time_zone_with_its_name() {
        let date = |label: &str| format!("<!date^1795170731^{{date_num}} {{time_secs}}|{label}>");
        let payload = json!({ "text": "web", "blocks": [{ "text": format!("a {} b {}", date("2026-11-20 10:32:11 UTC"), date("x")) }] });
        for (zone, local) in [
            ("Asia/Tokyo", "2026-11-20 19:32:11 JST"),
            ("America/New_York", "2026-11-20 05:32:11 EST"),
            ("UTC", "2026-11-20 10:32:11 UTC"),
        ] {
            let shown = in_zone(&payload, &Zone::parse(zone).unwrap());
            assert_eq!(shown["blocks"][0]["text"], format!("a {} b {}", date(local), date(local)));
            assert_eq!(shown["text"], "web");
        }
    }

    #[test]
    fn text_that_is_no_date_stays_unchanged() {
        let zone = Zone::utc();
        for text in ["", "<!here> a", "<!date^", "a <!date^1", "&lt;!date^1^x|y&gt;"] {
            assert_eq!(dated(text, &zone), text);
        }
        assert_eq!(dated("<!date^99999999999999^x|never>", &zone), "<!date^99999999999999^x|never>");
        assert_eq!(dated("<!date^x^y|z> 日本", &zone), "<!date^x^y|z> 日本");
    }
}
