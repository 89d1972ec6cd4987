//! Checks webhooks.

use crate::error::{Error, Result};
use crate::secret::Sealed;

/// The hosts that a webhook may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookHosts {
    /// The hosts of Slack, Teams and Discord.
    Known,
    Any,
}

/// Checks a webhook. No message repeats it. The notifier also recognises the service by the host (`lambda/places/kinds.mjs`).
///
/// # Errors
/// If it is not an https URL of an incoming webhook of Slack, Teams or Discord (or, with `WebhookHosts::Any`, of another
/// host; plain http only for this machine).
pub fn webhook(text: &str, hosts: WebhookHosts) -> Result<Sealed<String>> {
    let bad = |problem: String| {
        Error::usage(problem).hint("an incoming webhook of Slack looks like https://hooks.slack.com/services/T…/B…/…; docs/destinations.md has those of Teams and Discord")
    };
    let text = text.trim();
    let url: http::Uri = text.parse().map_err(|_| bad("the webhook is not a URL".to_owned()))?;
    let (Some(scheme), Some(host)) = (url.scheme_str(), url.host()) else {
        return Err(bad("the webhook is not a complete URL".to_owned()));
    };
    // The notifier's fetch refuses a URL with credentials in it.
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(bad("the webhook has a user's name in front of its host".to_owned()));
    }
    let loopback = ["127.0.0.1", "localhost", "[::1]"].contains(&host);
    let plain_to_this_machine = scheme == "http" && loopback;
    if scheme != "https" && !(plain_to_this_machine && hosts == WebhookHosts::Any) {
        let error = bad("the webhook is not an https URL".to_owned());
        let flag = "--allow-any-webhook-host allows plain http to this machine";
        return Err(if plain_to_this_machine { error.hint(flag) } else { error });
    }
    let slack = ["hooks.slack.com", "hooks.slack-gov.com"].contains(&host);
    if slack && ["/workflows/", "/triggers/"].iter().any(|start| url.path().starts_with(start)) {
        return Err(bad("this webhook starts a Slack workflow, which accepts variables, not messages".to_owned()));
    }
    if slack && !url.path().starts_with("/services/") {
        return Err(bad("the Slack webhook's path does not begin with /services/".to_owned()));
    }
    let discord = ["discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"].contains(&host);
    if discord && !url.path().starts_with("/api/webhooks/") {
        return Err(bad("the path of Discord's webhook does not begin with /api/webhooks/".to_owned()));
    }
    let teams =
        [".logic.azure.com", ".api.powerplatform.com", ".webhook.office.com"].iter().any(|end| host.ends_with(end));
    if !(slack || discord || teams) && hosts == WebhookHosts::Known {
        return Err(bad("the webhook's host does not belong to Slack, Teams or Discord".to_owned())
            .hint("setup --allow-any-webhook-host allows other hosts that accept Slack's format"));
    }
    Ok(Sealed::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_webhooks_of_known_hosts_are_accepted_and_none_is_repeated() {
        let good = "https://hooks.slack.com/services/T0/B0/hunter2";
        assert_eq!(webhook(good, WebhookHosts::Known).unwrap().reveal(), good);
        for good in [
            " https://hooks.slack-gov.com/services/T/B/x\n",
            "https://discord.com/api/webhooks/1/x",
            "https://prod-1.westeurope.logic.azure.com:443/workflows/x/triggers/manual/paths/invoke?sig=x",
            "https://default1.2.environment.api.powerplatform.com:443/powerautomate/x?sig=y",
        ] {
            assert!(webhook(good, WebhookHosts::Known).is_ok(), "{good}");
        }
        for bad in [
            "hunter2",
            "hunter2 hunter2",
            "http://hooks.slack.com/services/T0/B0/hunter2",
            "https://hooks.slack.com.evil.example/services/hunter2",
            "https://hooks.slack.com/workflows/hunter2",
            "https://hooks.slack.com/triggers/hunter2",
            "https://hooks.slack.com/hunter2",
            "https://discord.com/hunter2",
            "https://discord.com.evil.example/api/webhooks/hunter2",
            "https://evil-logic.azure.com/hunter2",
            "https://hooks.slack.comhunter2",
            "https://user:hunter2@hooks.slack.com/services/T0/B0/x",
        ] {
            let error = webhook(bad, WebhookHosts::Known).unwrap_err();
            assert_eq!(error.kind(), crate::error::Category::Usage);
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn other_hosts_need_the_flag_and_plain_http_needs_this_machine() {
        assert!(webhook("https://chat.example/hook", WebhookHosts::Any).is_ok());
        assert!(webhook("http://127.0.0.1:8080/services/x", WebhookHosts::Any).is_ok());
        assert!(webhook("http://127.0.0.1:8080/services/x", WebhookHosts::Known).is_err());
        assert!(webhook("http://chat.example/hook", WebhookHosts::Any).is_err());
        assert!(webhook("http://127.0.0.1.evil.example/x", WebhookHosts::Any).is_err());
    }
}
