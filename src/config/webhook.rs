//! Checks webhooks.

use http::Uri;

use crate::error::{Error, Result};
use crate::secret::Sealed;

/// The hosts that a webhook may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookHosts {
    /// The hosts of Slack, Teams and Discord.
    Known,
    Any,
}

const DISCORD: [&str; 4] = ["discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"];
/// The ends of the hosts of Teams' workflows.
const TEAMS: [&str; 4] =
    [".logic.azure.com", ".api.powerplatform.com", ".api.powerautomate.com", ".flow.microsoft.com"];

/// Checks a webhook. No message repeats it. The notifier also recognises the service by the host (`lambda/places/kinds.mjs`).
///
/// # Errors
/// If it is not an https URL of an incoming webhook of Slack, Teams or Discord (or, with `WebhookHosts::Any`, of another
/// host; plain http only for this machine).
pub fn webhook(text: &str, hosts: WebhookHosts) -> Result<Sealed<String>> {
    let bad = |problem: String| {
        Error::usage(problem).hint("an incoming webhook of Slack looks like https://hooks.slack.com/services/T…/B…/…")
    };
    let text = text.trim();
    if text.contains('…') || text.contains("...") {
        return Err(bad("the webhook is not whole: a part of it is written as dots".to_owned()));
    }
    let url: Uri = text.parse().map_err(|_| bad("the webhook is not a URL".to_owned()))?;
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
    if slack {
        of_slack(&url).map_err(|problem| bad(format!("the Slack webhook {problem}")))?;
    }
    let discord = DISCORD.contains(&host);
    if discord {
        of_discord(&url).map_err(|problem| bad(format!("Discord's webhook {problem}")))?;
    }
    if host == "webhook.office.com" || host.ends_with(".webhook.office.com") {
        return Err(Error::usage("Microsoft has retired the webhooks at webhook.office.com")
            .hint("create a workflow in Teams (Workflows, \"Send webhook alerts to a channel\"), and give its URL"));
    }
    let teams = TEAMS.iter().any(|end| host.ends_with(end));
    if teams {
        of_teams(&url).map_err(|problem| bad(format!("the webhook of Teams {problem}")))?;
    }
    if !(slack || discord || teams) && hosts == WebhookHosts::Known {
        return Err(bad("the webhook's host does not belong to Slack, Teams or Discord".to_owned())
            .hint("setup --allow-any-webhook-host allows other hosts that accept Slack's format"));
    }
    Ok(Sealed::new(text.to_owned()))
}

/// Returns the service to which a checked webhook belongs, in words, without any part of the webhook.
#[must_use]
pub fn service(webhook: &Sealed<String>) -> &'static str {
    let url: Option<Uri> = webhook.reveal().trim().parse().ok();
    let (host, path) = url.as_ref().map_or(("", ""), |url| (url.host().unwrap_or_default(), url.path()));
    match host {
        "hooks.slack.com" => "an incoming webhook of Slack",
        "hooks.slack-gov.com" => "an incoming webhook of GovSlack",
        _ if DISCORD.contains(&host) && path.ends_with("/slack") => "a webhook of Discord, in Slack's format",
        _ if DISCORD.contains(&host) => "a webhook of Discord",
        _ if TEAMS.iter().any(|end| host.ends_with(end)) => "a workflow of Microsoft Teams",
        _ => "a webhook of another service, which has to accept Slack's format",
    }
}

/// Checks the path of Slack's webhook: `/services/` and three parts. Slack promises no length for them.
fn of_slack(url: &Uri) -> Result<(), &'static str> {
    let path = url.path().strip_prefix("/services/").ok_or("has a path that does not begin with /services/")?;
    let parts: Vec<&str> = path.split('/').collect();
    let is_part = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric());
    let example =
        || path.eq_ignore_ascii_case("your/webhook/url") || parts.last().is_some_and(|secret| is_blank(secret));
    match parts[..] {
        _ if example() => Err("is an example: copy the one of your channel from Slack"),
        [team, channel, secret] if [team, channel, secret].iter().all(is_part) && url.query().is_none() => Ok(()),
        [_, _] | [_] | [_, _, ""] => Err("is cut short: three parts follow /services/, as in T…/B…/…"),
        _ => Err("does not consist of three parts of letters and digits after /services/, as in T…/B…/…"),
    }
}

/// Returns whether the text stands for a secret in an example, as in `XXXXXXXX`.
fn is_blank(secret: &str) -> bool {
    secret.len() >= 4 && secret.chars().all(|c| c.eq_ignore_ascii_case(&'x'))
}

/// Checks the path of Discord's webhook: `/api/webhooks/`, the webhook's ID, its token, and perhaps `/slack`, for Slack's format.
fn of_discord(url: &Uri) -> Result<(), &'static str> {
    let path = url.path().strip_prefix("/api/webhooks/").ok_or("has a path that does not begin with /api/webhooks/")?;
    let is_id = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let is_token = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let parts: Vec<&str> = path.split('/').collect();
    match parts.strip_suffix(&["slack"]).filter(|parts| parts.len() == 2).unwrap_or(&parts) {
        [_, token] if is_blank(token) => Err("is an example: copy the one of your channel from Discord"),
        [id, token] if is_id(id) && is_token(token) => Ok(()),
        [_] | [_, ""] => Err("is cut short: an ID and a token follow /api/webhooks/"),
        _ => Err("does not consist of an ID and a token after /api/webhooks/"),
    }
}

/// Checks that the URL of a Teams workflow has its signature: without it, the workflow refuses every message.
fn of_teams(url: &Uri) -> Result<(), &'static str> {
    let mut parameters = url.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    match parameters.find(|(key, _)| *key == "sig") {
        Some((_, signature)) if is_blank(signature) => Err("is an example: copy the URL of your workflow"),
        Some((_, signature)) if !signature.is_empty() => Ok(()),
        _ => Err("is cut short: it has no parameter sig, which is its signature"),
    }
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
            "https://default1.2.environment.api.powerplatform.com:443/powerautomate/x?api-version=1&sig=y",
            "https://eu-1.api.powerautomate.com/workflows/x/triggers/manual/paths/invoke?sig=y",
            "https://eu-1.flow.microsoft.com/workflows/x/triggers/manual/paths/invoke?sig=y",
            "https://hooks.slack.com/services/T00000000/B00000000/a1b2c3d4e5f6a1b2c3d4e5f6",
            "https://discord.com/api/webhooks/123456789012345678/aB-_9",
            "https://discord.com/api/webhooks/1/x?thread_id=2",
            "https://discord.com/api/webhooks/1/x/slack",
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
    fn service_is_named_without_the_webhook() {
        for (text, told) in [
            ("https://hooks.slack.com/services/T0/B0/hunter2", "an incoming webhook of Slack"),
            ("https://hooks.slack-gov.com/services/T0/B0/hunter2", "an incoming webhook of GovSlack"),
            ("https://discord.com/api/webhooks/1/hunter2", "a webhook of Discord"),
            ("https://discord.com/api/webhooks/1/hunter2/slack", "a webhook of Discord, in Slack's format"),
            ("https://a.logic.azure.com/workflows/x?sig=hunter2", "a workflow of Microsoft Teams"),
            ("https://chat.example/hunter2", "a webhook of another service, which has to accept Slack's format"),
        ] {
            assert_eq!(service(&webhook(text, WebhookHosts::Any).unwrap()), told);
        }
    }

    #[test]
    fn webhook_that_is_cut_short_or_an_example_is_refused_with_the_reason() {
        let (slack, discord) = ("https://hooks.slack.com/services", "https://discord.com/api/webhooks");
        let teams = "https://prod-1.westeurope.logic.azure.com:443/workflows/hunter2/triggers/manual/paths/invoke";
        for (bad, told) in [
            (format!("{slack}/T0"), "is cut short"),
            (format!("{slack}/T0/B0"), "is cut short"),
            (format!("{slack}/T0/B0/"), "is cut short"),
            (format!("{slack}/T0/B0/hunter2/more"), "three parts"),
            (format!("{slack}/T0/B0/hunter2/"), "three parts"),
            (format!("{slack}/T0/B0/hunter2?a=b"), "three parts"),
            (format!("{slack}/T0//hunter2"), "three parts"),
            (format!("{slack}/T0/B0/hunter2%20"), "three parts"),
            (format!("{slack}/T0/B0/hunter2,kind=x"), "three parts"),
            (format!("{slack}/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"), "is an example"),
            (format!("{slack}/T0/B0/xxxx"), "is an example"),
            (format!("{slack}/YOUR/WEBHOOK/URL"), "is an example"),
            (format!("{slack}/T…/B…/…"), "not whole"),
            (format!("{slack}/T0/B0/hunter2..."), "not whole"),
            (format!("{discord}/1"), "is cut short"),
            (format!("{discord}/1/"), "is cut short"),
            (format!("{discord}/x/hunter2"), "an ID and a token"),
            (format!("{discord}/1/hunter2/github"), "an ID and a token"),
            (format!("{discord}/1/hunter2/slack/slack"), "an ID and a token"),
            (format!("{discord}/1/XXXXXXXX"), "is an example"),
            (teams.to_owned(), "no parameter sig"),
            (format!("{teams}?api-version=1&sig="), "no parameter sig"),
            (format!("{teams}?signature=hunter2"), "no parameter sig"),
            ("https://contoso.webhook.office.com/webhookb2/hunter2".to_owned(), "Microsoft has retired"),
        ] {
            for hosts in [WebhookHosts::Known, WebhookHosts::Any] {
                let error = webhook(&bad, hosts).unwrap_err();
                assert!(error.to_string().contains(told), "{bad}: {error}");
                assert_eq!(error.kind(), crate::error::Category::Usage);
                assert!(error.nearest_hint().is_some() && !format!("{error:?}").contains("hunter2"), "{error:?}");
            }
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
