//! Shows a long text page by page.

use super::World;

/// Shows the text in the user's pager: `MANPAGER`, or else `PAGER`, or else `less`. Prints the text if there is no pager, or if stdout
/// is no terminal.
pub fn show(text: &str, world: &World) {
    let set = ["MANPAGER", "PAGER"].into_iter().filter_map(world.variable).find(|pager| !pager.trim().is_empty());
    let pager = set.unwrap_or_else(|| "less".to_owned());
    if !(world.out_is_terminal && has_shown(text, &pager, (world.variable)("LESS").is_none())) {
        world.out.print(text);
    }
}

/// Passes the text to the pager, as a shell starts it, and waits until the user leaves the pager. Returns whether the pager exists.
#[cfg(unix)]
fn has_shown(text: &str, pager: &str, lets_less_choose: bool) -> bool {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let mut command = Command::new("sh");
    command.args(["-c", pager]).stdin(Stdio::piped());
    if lets_less_choose {
        // As git does: a text that fits on the screen needs no pager, and stays there.
        command.env("LESS", "FRX");
    }
    let Ok(mut child) = command.spawn() else { return false };
    if let Some(mut pipe) = child.stdin.take() {
        // A user who leaves the pager early has seen enough.
        let _ = pipe.write_all(text.as_bytes());
    }
    // A shell ends with 126 or 127 if it cannot run the command.
    child.wait().is_ok_and(|status| !matches!(status.code(), Some(126 | 127)))
}

#[cfg(not(unix))]
fn has_shown(_: &str, _: &str, _: bool) -> bool {
    false
}
