//! Runs the user's command for `notify --run`, and reports its end.

use std::time::SystemTime;

use crate::cli::args::common::Common;
use crate::cli::render;
use crate::cli::run::progress::Progress;
use crate::cli::terminal::World;
use crate::cli::terminal::child::{self, Ended, Stops};
use crate::error::{Error, Result};
use crate::operations::notify::{Alert, Job, LONGEST_DETAIL, check_region_and_credentials, raise, succeed};

/// The command to run, and the parts of the alert that the user chose.
pub(super) struct Wrapped {
    pub command: Vec<String>,
    pub message: Option<String>,
    pub source: Option<String>,
    pub level: &'static str,
    pub job: Option<Job>,
}

/// Runs the command, and raises the alert if the command fails; of a job, also reports a success. Returns the command's exit code,
/// even if nothing can be reported. A command that a signal ended reports nothing.
pub(super) async fn run(wrapped: Wrapped, common: &Common, world: &World) -> Result<u8> {
    let Wrapped { command, message, source, level, job } = wrapped;
    let (site, progress, mut stops) = (common.site(), Progress::new(common, world), Stops::listen());
    match stops.unless_told(progress.over(check_region_and_credentials(&site, progress.context()))).await {
        Ok(Ok(())) => {}
        // Warn even if the command will succeed: after a failure it is too late.
        Ok(Err(error)) => {
            let hint = render::hint_after(&error, world.command());
            let lost = if job.is_some() {
                "the end of the job cannot be reported"
            } else {
                "no alert can be raised on failure"
            };
            world.err.print(&format!("warning: {lost}: {}{hint}\n", error.in_one_line()));
        }
        Err(code) => return Ok(code),
    }
    let began = (world.clock)();
    // At a terminal, Ctrl-C reaches the command without taskbell.
    let ended = child::run(&command, stops, LONGEST_DETAIL, !world.live).await;
    let Ended { code, is_started, is_stopped, tail } = ended;
    if !is_started {
        world.err.print(&render::error(&Error::new(&tail), world.command()));
    }
    let job = job.map(|job| job.lasting(seconds_since(began, (world.clock)())));
    if is_stopped || (code == 0 && job.is_none()) {
        return Ok(code);
    }
    let name = command.first().map(|path| path.rsplit('/').next().unwrap_or(path)).unwrap_or_default();
    let failed = format!("{name} failed with exit code {code}");
    let (reported, lost) = match job {
        Some(job) if code == 0 => {
            let succeeded = succeed(&job, message.as_deref(), &site, progress.context());
            (progress.over(succeeded).await, format!("{name} succeeded, and the success could not be reported"))
        }
        job => {
            let alert = Alert {
                message: message.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| failed.clone()),
                source: source.unwrap_or_else(|| name.to_owned()),
                level,
                detail: tail,
                job,
            };
            let raised = raise(alert, &site, progress.context());
            (progress.over(raised).await, format!("{failed}, and the alert could not be raised"))
        }
    };
    if let Err(error) = reported {
        world.err.print(&render::error(&Error::new(lost).because(error), world.command()));
    }
    Ok(code)
}

/// Returns the whole seconds between two times; 0 if the clock was set back.
fn seconds_since(began: SystemTime, now: SystemTime) -> u64 {
    now.duration_since(began).unwrap_or_default().as_secs()
}
