//! The message of an alert, drawn for a terminal or a browser.

pub mod html;
pub mod mrkdwn;
pub mod terminal;
