//! Renders the message of an alert for a terminal or a browser.

pub mod html;
pub mod mrkdwn;
pub mod terminal;
