//! Checks SIGKILL at any moment of setup, update and teardown: the next run completes the command, and no resource is left behind.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support;
use crate::support::emulator::Emulator;
use crate::support::proxy::{Mishap, Proxy};

const WORKERS: usize = 4;
/// The least number of commands that are killed.
const KILLS: usize = 200;
/// The limit that ends a test in which too few commands are killed.
const MOST_LAPS: usize = 10;
/// The commands of a stack's life, in order.
const COMMANDS: [&str; 3] = ["setup", "update", "teardown"];

struct Worker {
    proxy: Proxy,
    stack: String,
}

impl Worker {
    fn start(&self, command: &str) -> Child {
        let least = "--cluster batch --pattern task-failed --no-dedupe";
        let line = match command {
            "setup" => format!("setup {least} --yes --no-pattern-check"),
            "update" => {
                format!("setup {least} --yes --no-pattern-check --language ja --tag team=data --log-retention 30")
            }
            "drift" => format!("drift {least}"),
            "drift of the update" => format!("drift {least} --language ja --tag team=data --log-retention 30"),
            _ => "teardown --cluster batch --yes".to_owned(),
        };
        Command::new(env!("CARGO_BIN_EXE_taskbell"))
            .args(line.split_whitespace().chain(["--stack", &self.stack]))
            .env_clear()
            .env("AWS_ENDPOINT_URL", &self.proxy.endpoint)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("TASKBELL_SLACK_WEBHOOK_URL", support::WEBHOOK)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs the command undisturbed, checks that it succeeds, and returns its duration.
    fn whole(&self, command: &str) -> Duration {
        self.proxy.wait_for_callers();
        let start = Instant::now();
        self.proxy.set(None);
        let output = self.start(command).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command} of {}: {output:?}", self.stack);
        start.elapsed()
    }

    /// Kills the command at its `nth` call, before or after AWS carries it out, and returns whether the command was killed.
    fn killed_at_call(&self, command: &str, nth: usize, happens: bool) -> bool {
        let child: Arc<Mutex<Option<Child>>> = Arc::default();
        let victim = Arc::clone(&child);
        // Hold the lock until the child is known: the call may come earlier.
        let mut known = child.lock().unwrap();
        let end = Arc::new(move || victim.lock().unwrap().as_mut().unwrap().kill().unwrap());
        self.proxy.set(Some(Mishap::Ends { nth, happens, end }));
        *known = Some(self.start(command));
        drop(known);
        loop {
            if let Some(status) = child.lock().unwrap().as_mut().unwrap().try_wait().unwrap() {
                return status.code().is_none();
            }
            support::emulator::pause();
        }
    }

    /// Kills the command after this time, and returns whether it still ran.
    fn killed_after(&self, command: &str, time: Duration) -> bool {
        self.proxy.set(None);
        let mut child = self.start(command);
        std::thread::sleep(time);
        child.kill().unwrap();
        child.wait().unwrap().code().is_none()
    }
}

#[tokio::test]
async fn next_run_completes_a_killed_command_and_nothing_is_left() {
    let began = Instant::now();
    let emulator = Emulator::start("ministack");
    let ecs = aws_sdk_ecs::Client::new(&emulator.sdk().await);
    ecs.create_cluster().cluster_name("batch").send().await.unwrap();
    let before = emulator.listing().await;
    let first = Worker { proxy: Proxy::start(&emulator.endpoint), stack: "first".to_owned() };
    let (mut calls, mut times) = ([0; 3], [Duration::ZERO; 3]);
    for (at, command) in COMMANDS.iter().enumerate() {
        times[at] = first.whole(command);
        calls[at] = first.proxy.calls();
    }
    let (next, at_calls, at_times) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for number in 0..WORKERS {
            let worker = Worker { proxy: Proxy::start(&emulator.endpoint), stack: format!("stack-{number}") };
            let (next, at_calls, at_times) = (&next, &at_calls, &at_times);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(number as u64);
                loop {
                    // Kill at each call once, before and after it by turns; in every third round, kill at a random time.
                    let round = next.fetch_add(1, Ordering::Relaxed);
                    let number = round / 3 * 2 + round % 3;
                    let killed = at_calls.load(Ordering::Relaxed) + at_times.load(Ordering::Relaxed);
                    let laps = number / calls.into_iter().max().unwrap();
                    if (laps > 0 && killed >= KILLS) || laps > MOST_LAPS {
                        break;
                    }
                    for (at, command) in COMMANDS.iter().enumerate() {
                        let (count, killed) = if round % 3 == 2 {
                            (at_times, worker.killed_after(command, times[at].mul_f64(random.f64())))
                        } else {
                            let happens = (number % calls[at] + number / calls[at]).is_multiple_of(2);
                            (at_calls, worker.killed_at_call(command, number % calls[at], happens))
                        };
                        count.fetch_add(usize::from(killed), Ordering::Relaxed);
                        worker.whole(command);
                        match *command {
                            "setup" if killed => drop(worker.whole("drift")),
                            "update" if killed => drop(worker.whole("drift of the update")),
                            _ => {}
                        }
                    }
                }
            });
        }
    });
    emulator.is_again(&before).await;
    let (at_calls, at_times) = (at_calls.into_inner(), at_times.into_inner());
    println!(
        "{at_calls} killed at a call, {at_times} at any time; {calls:?} calls of setup, update and teardown, {times:?}; {:?}",
        began.elapsed()
    );
    assert!(at_calls + at_times >= KILLS);
    // In two of three rounds the command is killed at a call, and only the last calls of a run may not be made.
    assert!(at_calls >= KILLS / 2 && at_times > 0);
}
