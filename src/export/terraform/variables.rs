//! Defines the variables of a configuration, which are the values of the blanks.

use crate::export::hcl::Item::{self, Attribute};
use crate::export::hcl::{Block, Expression, block};
use crate::export::{Blank, Blueprint};

/// Returns the name of the variable for a blank; none for blanks that the provider knows.
fn variable(blank: Blank) -> Option<String> {
    match blank {
        Blank::Partition | Blank::Region | Blank::Account => None,
        Blank::Cluster(0) => Some("cluster".to_owned()),
        Blank::Cluster(index) => Some(format!("cluster_{}", index + 1)),
        Blank::WebhookParameter => Some("webhook_parameter".to_owned()),
        Blank::TopicName => Some("alarm_topic_name".to_owned()),
        Blank::TopicArn => Some("alarm_topic".to_owned()),
    }
}

pub fn reference(blank: Blank) -> String {
    match (blank, variable(blank)) {
        (_, Some(name)) => format!("var.{name}"),
        (Blank::Partition, None) => "local.partition".to_owned(),
        (Blank::Region, None) => "local.region".to_owned(),
        (_, None) => "local.account".to_owned(),
    }
}

pub fn variables(blueprint: &Blueprint, used: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (blank, default) in &blueprint.defaults {
        let Some(name) = variable(*blank).filter(|name| used.contains(&format!("var.{name}"))) else { continue };
        let (description, condition) = match blank {
            Blank::Cluster(_) => {
                let condition = format!(r#"var.{name} != "default""#);
                let otherwise = "A cluster called default needs its own configuration.";
                ("The name of the ECS cluster whose tasks are watched", Some((condition, otherwise)))
            }
            Blank::WebhookParameter => {
                let begins = format!(r#"startswith(var.{name}, "/")"#);
                let condition = match default.starts_with('/') {
                    true => (begins, "The name must begin with a slash."),
                    false => (format!("!{begins}"), "The name must not begin with a slash."),
                };
                ("The name of the SSM SecureString that holds the Slack webhook", Some(condition))
            }
            _ => ("The SNS topic that the alarms notify; it must be in the region", None),
        };
        let mut body = variable_body(description, default);
        if let Some((condition, otherwise)) = condition {
            let validation = vec![
                Attribute("condition", Expression::Code(condition)),
                Attribute("error_message", Expression::text(otherwise)),
            ];
            body.push(Item::Block(block("validation", &[], validation)));
        }
        blocks.push(block("variable", &[&name], body));
    }
    let description = "The file that `taskbell export notifier` writes";
    blocks.push(block("variable", &["notifier_archive"], variable_body(description, "notifier.zip")));
    blocks
}

fn variable_body(description: &str, default: &str) -> Vec<Item> {
    vec![
        Attribute("type", Expression::code("string")),
        Attribute("description", Expression::text(description)),
        Attribute("default", Expression::text(default)),
    ]
}
