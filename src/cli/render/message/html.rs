//! Renders a Slack message as a separate HTML page that looks like Slack. The page has no script, no font and no other resource
//! from outside.

use std::fmt::Write;

use serde_json::Value;

use super::mrkdwn::{Look, Span, parse};
use crate::input::printable_lines;

const STYLE: &str = "\
body { margin: 0; padding: 24px; background: #fff; color: #1d1c1d; font: 15px/1.46668 Lato, 'Noto Sans', 'Noto Sans CJK JP', 'Helvetica Neue', Arial, sans-serif; }
.message { display: flex; gap: 8px; max-width: 680px; }
.icon { flex: none; width: 36px; height: 36px; border-radius: 4px; background: #fbe9e7; font-size: 22px; line-height: 36px; text-align: center; }
.name { font-weight: 900; }
.app { margin: 0 4px; padding: 1px 3px; border-radius: 2px; background: #dddddd; color: #616061; font-size: 10px; font-weight: 700; }
.attachment { margin: 6px 0; padding-left: 12px; border-left: 4px solid; border-radius: 4px; }
.block { margin: 8px 0; overflow-wrap: anywhere; }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 16px; }
.context { color: #616061; font-size: 13px; }
.context span { margin-right: 8px; }
code { padding: 2px 3px 1px; border: 1px solid #d9d9d9; border-radius: 3px; background: #f6f6f6; color: #e01e5a; font: 12px/1.5 Monaco, Menlo, 'Noto Sans Mono', monospace; }
pre { margin: 4px 0; padding: 8px; border: 1px solid #d9d9d9; border-radius: 4px; background: #f8f8f8; font: 12px/1.5 Monaco, Menlo, 'Noto Sans Mono', monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
a { color: #1264a3; text-decoration: none; }
.mention { padding: 0 2px; border-radius: 3px; background: #fff3cd; color: #1264a3; }
";

/// Returns the whole page.
#[must_use]
pub fn page(payload: &Value, language: &str) -> String {
    let name = escaped(payload["username"].as_str().unwrap_or("taskbell"));
    let title: String = parse(text(payload, "text")).into_iter().map(|span| span.text).collect();
    let mut body: String = match payload["blocks"].as_array() {
        Some(blocks) => blocks.iter().map(drawn).collect(),
        None => format!("<div>{}</div>", html(text(payload, "text"))),
    };
    for attachment in payload["attachments"].as_array().into_iter().flatten() {
        let color: String = text(attachment, "color").chars().filter(|c| *c == '#' || c.is_ascii_hexdigit()).collect();
        let _ = write!(body, "<div class=\"attachment\" style=\"border-color: {color}\">");
        for block in attachment["blocks"].as_array().into_iter().flatten() {
            body += &drawn(block);
        }
        if let Some(text) = attachment["text"].as_str() {
            let _ = write!(body, "<div class=\"block\">{}</div>", html(text));
        }
        body += "</div>";
    }
    format!(
        "<!doctype html>\n<html lang=\"{}\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n<div class=\"message\"><div class=\"icon\">🔔</div><div>\
         <span class=\"name\">{name}</span><span class=\"app\">APP</span>{body}</div></div>\n</html>\n",
        escaped(language),
        escaped(&title),
    )
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn drawn(block: &Value) -> String {
    let all = |list: &Value, element: &str| -> String {
        let each = list.as_array().into_iter().flatten();
        each.flat_map(|one| [format!("<{element}>"), html(text(one, "text")), format!("</{element}>")]).collect()
    };
    let mut inner = String::new();
    if block["text"]["text"].is_string() {
        inner += &html(text(&block["text"], "text"));
    }
    if block["fields"].is_array() {
        let _ = write!(inner, "<div class=\"fields\">{}</div>", all(&block["fields"], "div"));
    }
    let class = if block["type"] == "context" { "block context" } else { "block" };
    format!("<div class=\"{class}\">{inner}{}</div>", all(&block["elements"], "span"))
}

fn html(text: &str) -> String {
    parse(text).iter().map(span).collect()
}

fn span(span: &Span) -> String {
    let text = escaped(&span.text);
    let inner = match &span.look {
        Look::Plain => text.replace('\n', "<br>"),
        Look::Code => format!("<code>{text}</code>"),
        Look::Fence => format!("<pre>{text}</pre>"),
        Look::Link(url) if url.starts_with("https://") => format!("<a href=\"{}\">{text}</a>", escaped(url)),
        Look::Link(_) => text,
        Look::Mention => format!("<span class=\"mention\">{text}</span>"),
    };
    let inner = if span.italic { format!("<i>{inner}</i>") } else { inner };
    if span.bold { format!("<b>{inner}</b>") } else { inner }
}

fn escaped(text: &str) -> String {
    printable_lines(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_from_outside_stays_text() {
        let hostile = "&lt;script&gt;alert(1)&lt;/script&gt; <javascript:alert(1)|x> \" ' <https://x/\"onclick=y|z>";
        let block = json!({ "type": "section", "text": { "text": hostile } });
        let payload = json!({ "text": hostile, "username": "<b>", "blocks": [block], "attachments": [
            { "color": "#fff\" onload=\"x", "text": format!("```{hostile}```"), "blocks": [{ "type": "section", "text": { "text": hostile } }] },
        ] });
        let page = page(&payload, "en\"");
        assert!(
            !page.contains("<script") && !page.contains("href=\"javascript:") && !page.contains("onload=\""),
            "{page}"
        );
        assert!(!page.contains("\"onclick"), "{page}");
        assert!(page.contains("&lt;script&gt;"));
    }
}
