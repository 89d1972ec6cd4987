//! Shows a long text page by page.

use super::World;
#[cfg(unix)]
use super::child::Stops;

/// Shows the text in the user's pager: `MANPAGER`, or else `PAGER`, or else `less`. Prints the text if there is no pager, or if stdout
/// is no terminal.
pub async fn show(text: &str, world: &World) {
    let set = ["MANPAGER", "PAGER"].into_iter().filter_map(world.variable).find(|pager| !pager.trim().is_empty());
    let pager = set.unwrap_or_else(|| "less".to_owned());
    if !(world.out_is_terminal && has_shown(text, &pager, (world.variable)("LESS").is_none()).await) {
        world.out.print(text);
    }
}

/// Passes the text to the pager, as a shell starts it, and waits until the user leaves the pager. Returns whether the pager exists.
///
/// Ctrl-C is for the pager, which may go on: taskbell must not end before it and leave it alone on the terminal.
#[cfg(unix)]
async fn has_shown(text: &str, pager: &str, lets_less_choose: bool) -> bool {
    use std::process::Stdio;
    use tokio::io::AsyncWriteExt;

    let stops = Stops::listen();
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", pager]).stdin(Stdio::piped());
    if lets_less_choose {
        // As git does: a text that fits on the screen needs no pager, and stays there.
        command.env("LESS", "FRX");
    }
    let Ok(mut child) = command.spawn() else { return false };
    let pipe = child.stdin.take();
    let passed = async {
        if let Some(mut pipe) = pipe {
            // A user who leaves the pager early has seen enough.
            let _ = pipe.write_all(text.as_bytes()).await;
        }
    };
    let ((), (status, _)) = tokio::join!(passed, stops.until_ended(&mut child, false));
    // A shell ends with 126 or 127 if it cannot run the command.
    status.is_ok_and(|status| !matches!(status.code(), Some(126 | 127)))
}

#[cfg(not(unix))]
async fn has_shown(_: &str, _: &str, _: bool) -> bool {
    false
}
