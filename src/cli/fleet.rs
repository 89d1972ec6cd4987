//! Which stacks a command is about, and carrying it out for many: some at a time, each with its own outcome, none stopped by another.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::options::{ClusterArgs, Common, Format, StackArgs};
use super::seats::Seats;
use super::world::{Output, World};
use super::{DIFFERENCES, UNREADABLE, WRONG_USAGE, render};
use crate::aws::tagged;
use crate::error::{Error, Result, nearest};
use crate::file::{self, File, Member, Site};
use crate::resource::{Event, Listener};
use crate::secret::Sealed;
use crate::settings::Settings;

/// Flags of commands that take many stacks.
#[derive(Debug, Clone, Default, Args)]
pub struct FleetArgs {
    /// All stacks of the file
    #[arg(long, conflicts_with = "clusters")]
    all: bool,
    /// How many stacks at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

/// A command about one stack, that can be told about it by the file.
pub trait OfStack: Clone + 'static {
    /// What `--cluster` names.
    fn clusters(&self) -> &[String];

    /// Completes what no flag said.
    fn complete(&mut self, settings: &Settings);

    /// Its flags for many stacks, if it takes many.
    fn fleet(&self) -> Option<&FleetArgs> {
        None
    }

    /// Whether it is about a stack at all, or only about the place that the file's defaults name.
    fn needs_stack(&self) -> bool {
        true
    }

    /// Whether it asks before it writes.
    fn asks(&self) -> bool {
        true
    }

    /// Whether it is about the stacks that are no longer in the file.
    fn orphans(&self) -> bool {
        false
    }

    /// Whether stacks that are no longer in the file are looked for besides.
    fn looks_for_orphans(&self) -> bool {
        false
    }

    /// The webhook for all, where it is read from standard input.
    ///
    /// # Errors
    /// If there is none.
    fn take_webhook(&mut self, _world: &World) -> Result<Option<Sealed<String>>> {
        Ok(None)
    }
}

impl ClusterArgs {
    /// Completes what no flag said.
    pub fn complete(&mut self, settings: &Settings) {
        if self.clusters.is_empty() {
            self.clusters.clone_from(&settings.clusters);
        }
    }
}

impl StackArgs {
    /// Completes what no flag said.
    pub fn complete(&mut self, settings: &Settings) {
        self.settings = std::mem::take(&mut self.settings).or(settings.clone());
    }
}

impl Common {
    /// The same for one stack of the file. Flags come first.
    fn at(&self, member: &Member) -> Self {
        let Site { region, profile, .. } = member.site.clone();
        let named = member.name.iter().map(ToString::to_string).collect();
        Self {
            stacks: if member.name.is_some() { named } else { self.stacks.clone() },
            region: self.region.clone().or(region),
            profile: self.profile.clone().or(profile),
            assumed: member.site.assumed(),
            ..self.clone()
        }
    }
}

/// A command as it is carried out for one stack.
pub type Run<A> = for<'a> fn(A, &'a Common, &'a World) -> LocalBoxFuture<'a, Result<u8>>;

/// Carries out a command for the stack, or the stacks, that are meant; the exit code, the gravest of all.
///
/// # Errors
/// If it is not clear which are meant; with one stack, whatever it fails with.
pub async fn run<A: OfStack>(
    mut args: A,
    common: Common,
    world: &World,
    command: Run<A>,
    removal: Option<Run<A>>,
) -> Result<u8> {
    let file = File::find(common.config.as_deref())?;
    let many = args.fleet().is_some_and(|fleet| fleet.all) || common.stacks.len() > 1 || args.orphans();
    if !many {
        let member = one(&args, &common, file.as_ref())?;
        args.complete(&member.settings);
        return command(args, &common.at(&member), world).await;
    }
    let Some(fleet) = args.fleet().cloned() else {
        return Err(Error::usage("this command takes one stack at a time"));
    };
    let webhook = args.take_webhook(world)?;
    let file = file.as_ref();
    let members = several(&args, &common, file, &fleet)?;
    world.connections.pace();
    let mut jobs: Vec<Job<A>> = Vec::new();
    if !args.orphans() {
        for member in &members {
            let mut args = args.clone();
            args.complete(&member.settings);
            jobs.push(Job { name: told_name(member, &members), common: common.at(member), args, run: command });
        }
    }
    let looks = args.orphans() || (fleet.all && args.looks_for_orphans());
    let mut unread = Vec::new();
    if let (true, Some(file), Some(run)) = (looks, file, removal) {
        let (orphans, not_read) = orphans(file, &common, world).await;
        unread = not_read;
        let job = |member: Member| {
            let name = format!("{}, no longer in {}", told_name(&member, &members), file.path.display());
            Job { name, common: common.at(&member), args: args.clone(), run }
        };
        jobs.extend(orphans.into_iter().map(job));
    }
    let outcomes = together(jobs, usize::from(fleet.jobs), &common, world, webhook).await;
    Ok(conclude(outcomes.into_iter().chain(unread).collect(), &common, world))
}

/// The one stack that is meant.
fn one<A: OfStack>(args: &A, common: &Common, file: Option<&File>) -> Result<Member> {
    let Some(file) = file else { return Ok(Member::default()) };
    if !args.needs_stack() && common.stacks.is_empty() {
        return Ok(file.defaults.clone());
    }
    let cluster = args.clusters().first().and_then(|text| text.parse::<crate::config::Cluster>().ok());
    let named = common.stacks.first().map(String::as_str).or(cluster.as_ref().map(|cluster| cluster.name()));
    match (named, file.stacks.as_slice()) {
        (Some(name), _) => {
            let mut found = file.stacks.iter().filter(|member| is_called(member, name)).cloned();
            match (found.next(), found.next()) {
                (Some(member), None) => Ok(member),
                (Some(_), Some(_)) => {
                    Err(Error::usage(format!("{} has several stacks called {name}", file.path.display()))
                        .hint("give --all, or --config with a file that has one"))
                }
                // A stack by its flags alone, where the file's defaults say where.
                (None, _) => Ok(file.defaults.clone()),
            }
        }
        (None, [member]) => Ok(member.clone()),
        (None, []) => Ok(file.defaults.clone()),
        (None, members) => {
            let names = members.iter().filter_map(|member| member.name.as_ref()).map(ToString::to_string);
            Err(Error::usage(format!("{} has {} stacks", file.path.display(), members.len()))
                .hint(format!("give --stack NAME or --all: {}", names.collect::<Vec<_>>().join(", "))))
        }
    }
}

/// The stacks that are meant, all of them in the file.
fn several<A: OfStack>(args: &A, common: &Common, file: Option<&File>, fleet: &FleetArgs) -> Result<Vec<Member>> {
    let Some(file) = file else {
        return Err(Error::usage(format!("there is no {} in this folder", file::NAME))
            .hint("`taskbell init` writes one; --config FILE names another"));
    };
    if args.orphans() && !args.asks() && file.fleet.is_none() {
        return Err(Error::usage("without a fleet, every stack that is not in the file is taken for one that was: nobody may remove them unasked")
            .hint("write `fleet = \"NAME\"` into the file and run `setup --all`, or run without --yes, or name them: `taskbell teardown --stack NAME`"));
    }
    if fleet.all && !common.stacks.is_empty() {
        return Err(Error::usage("--all and --stack cannot stand together"));
    }
    if !args.clusters().is_empty() {
        return Err(Error::usage("--cluster is about one stack; the file has the clusters of each"));
    }
    if file.stacks.is_empty() {
        return Err(Error::usage(format!("{} has no [[stack]]", file.path.display())));
    }
    let mut members = Vec::new();
    for name in &common.stacks {
        let found: Vec<Member> = file.stacks.iter().filter(|member| is_called(member, name)).cloned().collect();
        if found.is_empty() {
            let error = Error::usage(format!("{} has no stack {name}", file.path.display()));
            let known = file.stacks.iter().filter_map(|member| member.name.as_ref()).map(|name| name.as_str());
            return Err(match nearest(known, name) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error,
            });
        }
        members.extend(found);
    }
    Ok(if common.stacks.is_empty() { file.stacks.clone() } else { members })
}

fn is_called(member: &Member, name: &str) -> bool {
    member.name.as_ref().is_some_and(|known| known.as_str() == name)
}

/// The name, and the place where the same name stands in several.
fn told_name(member: &Member, members: &[Member]) -> String {
    let name = member.name.as_ref().map(ToString::to_string).unwrap_or_default();
    let again = members.iter().filter(|other| other.name == member.name).count() > 1;
    let Site { region, profile, role_arn, .. } = &member.site;
    let place = [region, profile, role_arn].into_iter().flatten().cloned().collect::<Vec<_>>();
    if again { format!("{name} ({})", place.join(", ")) } else { name }
}

/// The stacks in AWS that are no longer in the file, and where that could not be seen.
async fn orphans(file: &File, common: &Common, world: &World) -> (Vec<Member>, Vec<Outcome>) {
    let mut sites: Vec<&Site> = Vec::new();
    for member in &file.stacks {
        if !sites.contains(&&member.site) {
            sites.push(&member.site);
        }
    }
    let (mut orphans, mut unread) = (Vec::new(), Vec::new());
    for site in sites {
        let here = Member { site: site.clone(), ..Member::default() };
        let look = async {
            let connection = match &world.aws {
                Some(sdk) => super::connections::Connection::new(sdk.clone())?,
                None => world.connections.to(&common.at(&here)).await?,
            };
            Ok::<_, Error>(tagged::stacks(&connection.sdk, file.fleet.as_deref()).await?)
        };
        match look.await {
            Ok(names) => {
                let known =
                    |name: &str| file.stacks.iter().any(|member| is_called(member, name) && member.site == *site);
                let gone = names.into_iter().filter(|name| !known(name));
                orphans.extend(gone.filter_map(|name| Some(Member { name: Some(name.parse().ok()?), ..here.clone() })));
            }
            Err(error) => {
                let place = site.region.clone().map(|region| format!(" in {region}")).unwrap_or_default();
                let name = format!("stacks that are no longer in {}{place}", file.path.display());
                unread.push(Outcome {
                    name,
                    ended: Err(error.category(crate::error::Category::Unreadable)),
                    out: String::new(),
                });
            }
        }
    }
    (orphans, unread)
}

/// One stack's part.
struct Job<A> {
    name: String,
    common: Common,
    args: A,
    run: Run<A>,
}

/// How it went.
struct Outcome {
    name: String,
    ended: Result<u8>,
    out: String,
}

/// What a stack prints, until it is its turn to be shown.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Carries out all jobs, some at a time. What has to be asked is asked once, when all have shown what they would do.
async fn together<A: OfStack>(
    jobs: Vec<Job<A>>,
    at_once: usize,
    common: &Common,
    world: &World,
    webhook: Option<Sealed<String>>,
) -> Vec<Outcome> {
    let seats = Seats::new(jobs.len(), at_once);
    let total = jobs.len();
    let lines = Lines::new(common, world, total);
    let pages: Vec<[Page; 2]> = jobs.iter().map(|_| Default::default()).collect();
    let names: Vec<String> = jobs.iter().map(|job| job.name.clone()).collect();
    let webhook = webhook.or_else(|| world.webhook.clone());
    let mut running: FuturesUnordered<_> = jobs
        .into_iter()
        .enumerate()
        .map(|(at, Job { name, common, args, run })| {
            let (seats, lines, [out, err], webhook) = (&seats, &lines, pages[at].clone(), webhook.clone());
            async move {
                let seat = seats.take(lines.of(&name)).await;
                let world = World {
                    out: Output::new(out),
                    err: Output::new(err),
                    interactive: false,
                    live: false,
                    webhook,
                    aws: world.aws.clone(),
                    cancel: world.cancel.clone(),
                    connections: Arc::clone(&world.connections),
                    seat: Some(seat),
                    typed: None,
                    signals: false,
                    clock: world.clock,
                    columns: world.columns,
                };
                // What is the same for all is told once.
                let common = Common { quiet: !common.verbose, ..common };
                let ended = match world.cancel.is_cancelled() {
                    true => Err(Error::interrupted("not started")),
                    false => run(args, &common, &world).await,
                };
                seats.ended();
                (at, ended)
            }
        })
        .collect();
    let mut outcomes: Vec<Option<Outcome>> = names.iter().map(|_| None).collect();
    loop {
        tokio::select! {
            next = running.next() => {
                let Some((at, ended)) = next else { break };
                let [out, err] = &pages[at];
                let outcome = Outcome { name: names[at].clone(), ended, out: out.take() };
                lines.done(&outcome);
                lines.aside(|| show(&outcome, &err.take(), common, world));
                outcomes[at] = Some(outcome);
            }
            () = seats.all_wait() => {
                lines.pause();
                let mut waiting = 0;
                for (at, [out, err]) in pages.iter().enumerate().filter(|(at, _)| outcomes[*at].is_none()) {
                    world.err.print(&err.take());
                    let plan = out.take();
                    if common.output == Format::Text {
                        world.out.print(&headed(&names[at], &plan));
                    }
                    waiting += 1;
                }
                let question = format!("Do this to {}?", render::count(waiting, "stack"));
                seats.answer(&world.confirm(false, &question).await);
            }
        }
    }
    lines.finish();
    outcomes.into_iter().flatten().collect()
}

fn headed(name: &str, text: &str) -> String {
    format!("stack {name}:\n{}", indented(text))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// What one stack had to say. A single line stands in the summary.
fn show(outcome: &Outcome, err: &str, common: &Common, world: &World) {
    let Outcome { name, ended, out } = outcome;
    let told = match ended {
        Err(error) => format!("{err}{}", render::error(error)),
        Ok(_) => err.to_owned(),
    };
    let has_more = out.lines().nth(1).is_some();
    match common.output {
        Format::Text if has_more || (common.verbose && !out.is_empty()) => world.out.print(&headed(name, out)),
        Format::Github => world.out.print(out),
        Format::Text | Format::Json => {}
    }
    if !told.trim().is_empty() {
        world.err.print(&headed(name, &told));
    }
}

/// The gravest first.
const GRAVITY: [u8; 6] = [130, WRONG_USAGE, 1, UNREADABLE, DIFFERENCES, 0];

impl Outcome {
    fn code(&self) -> u8 {
        self.ended.as_ref().map_or_else(Error::exit_code, |code| *code)
    }

    fn told(&self) -> String {
        let last = self.out.lines().last().filter(|line| line.ends_with("as asked for") || line.contains(" to "));
        match &self.ended {
            Err(error) => format!("error: {}", error.in_one_line()),
            Ok(0) => last.unwrap_or("done").to_owned(),
            Ok(DIFFERENCES) => last.unwrap_or("differs").to_owned(),
            Ok(UNREADABLE) => "something could not be read".to_owned(),
            Ok(_) => "failed".to_owned(),
        }
    }

    fn object(&self) -> Value {
        let mut object = serde_json::from_str(&self.out).ok().filter(Value::is_object).unwrap_or_else(|| json!({}));
        if object["stack"].is_null() {
            object["stack"] = json!(self.name);
        }
        object["exit_code"] = json!(self.code());
        if let Err(error) = &self.ended {
            object["error"] = json!(error.in_one_line());
        }
        object
    }
}

/// The summary, and the gravest exit code.
fn conclude(outcomes: Vec<Outcome>, common: &Common, world: &World) -> u8 {
    let code = GRAVITY.into_iter().find(|code| outcomes.iter().any(|outcome| outcome.code() == *code)).unwrap_or(0);
    if common.output == Format::Json {
        let stacks: Vec<Value> = outcomes.iter().map(Outcome::object).collect();
        world.out.print(&render::json(&json!({ "stacks": stacks, "exit_code": code })));
        return code;
    }
    let width = outcomes.iter().map(|outcome| outcome.name.chars().count()).max().unwrap_or_default();
    let line = |outcome: &Outcome| format!("{:width$}  {}\n", outcome.name, outcome.told());
    let good = outcomes.iter().filter(|outcome| outcome.code() == 0).count();
    let mut text: String = match common.quiet {
        true => outcomes.iter().filter(|outcome| outcome.code() != 0).map(line).collect(),
        false => outcomes.iter().map(line).collect(),
    };
    let bad = outcomes.len() - good;
    text += &match bad {
        0 => format!("{}: all good\n", render::count(good, "stack")),
        bad => format!("{}: {good} good, {bad} not\n", render::count(outcomes.len(), "stack")),
    };
    match common.output {
        Format::Github => world.err.print(&text),
        _ => world.out.print(&text),
    }
    code
}

/// One line of progress a stack.
struct Lines {
    total: usize,
    done: Mutex<usize>,
    live: Option<MultiProgress>,
    bars: Mutex<Vec<(String, ProgressBar)>>,
    plain: Option<Output>,
}

impl Lines {
    fn new(common: &Common, world: &World, total: usize) -> Self {
        let live = (!common.quiet && world.live).then(MultiProgress::new);
        let plain = (!common.quiet && !world.live).then(|| world.err.clone());
        Self { total, done: Mutex::new(0), live, bars: Mutex::default(), plain }
    }

    /// The listener of a stack that begins.
    fn of(&self, name: &str) -> Listener {
        let Some(bars) = &self.live else { return Arc::new(|_| {}) };
        let bar = bars.add(ProgressBar::new_spinner());
        let style = ProgressStyle::with_template("{spinner} {prefix:<24} {msg}  {elapsed:.dim}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(std::time::Duration::from_millis(100));
        self.bars.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), bar.clone()));
        Arc::new(move |event| {
            bar.set_message(match event {
                Event::Started { id, doing } => format!("{doing} {id}"),
                Event::Waiting { id, what } => format!("{id}: waiting for {what}"),
                Event::Done { id } => format!("{id}: done"),
                Event::Failed { id } => format!("{id}: failed"),
            });
        })
    }

    fn done(&self, outcome: &Outcome) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done += 1;
        if let Some(err) = &self.plain {
            err.print(&format!("[{done}/{}] {}: {}\n", self.total, outcome.name, outcome.told()));
        }
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, bar) in bars.extract_if(.., |(name, _)| *name == outcome.name) {
            bar.finish_and_clear();
        }
    }

    /// Nothing is drawn while a question stands there.
    fn pause(&self) {
        for (_, bar) in self.bars.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            bar.disable_steady_tick();
            bar.reset();
        }
        if let Some(bars) = &self.live {
            let _ = bars.clear();
        }
    }

    /// Prints without what is drawn being in the way.
    fn aside(&self, print: impl FnOnce()) {
        match &self.live {
            Some(bars) => bars.suspend(print),
            None => print(),
        }
    }

    fn finish(&self) {
        if let Some(bars) = &self.live {
            let _ = bars.clear();
        }
    }
}
