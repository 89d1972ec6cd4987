//! Runs `init`: asks a few questions, and writes `taskbell.toml`.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::json;

use crate::aws::calls::cluster;
use crate::aws::kinds::Given;
use crate::cli::args::common::{ClusterArgs, Common, Format};
use crate::cli::render;
use crate::cli::run::progress::Progress;
use crate::cli::terminal::{World, whole_file};
use crate::config::file::{self, File, schema};
use crate::config::{self, Cluster};
use crate::error::{Error, Result};
use crate::operations::session::Session;

/// Write taskbell.toml: asks which clusters, in which language, and whom to mention.
///
/// Offers the clusters it finds. Without a terminal, name them: nothing is asked then.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  taskbell init
  taskbell init --cluster batch --cluster reports --region eu-west-1
  taskbell init --schema >taskbell.schema.json")]
pub struct Args {
    #[command(flatten)]
    clusters: ClusterArgs,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
    /// Print the JSON Schema of the file, for editors, and write nothing
    #[arg(long)]
    schema: bool,
}

/// The answers to write into the file.
struct Answers {
    region: Option<String>,
    clusters: Vec<Cluster>,
    language: String,
    mention: Vec<String>,
    alarm_topic: Option<String>,
}

pub async fn run(args: Args, common: &Common, world: &World) -> Result<u8> {
    if args.schema {
        world.out.print(&render::json(&schema()));
        return Ok(0);
    }
    let path = common.config.clone().unwrap_or_else(|| PathBuf::from(file::NAME));
    if path.exists() && !args.force {
        return Err(Error::usage(format!("{} is there already", path.display()))
            .hint("--force writes over it; --config FILE names another"));
    }
    let clusters = args.clusters.parse()?;
    let answers = match (clusters.is_empty(), world.interactive) {
        (true, false) => {
            return Err(Error::usage("nobody is there to be asked which clusters").hint("give --cluster NAME"));
        }
        (_, true) => ask(clusters, common, world).await?,
        (false, false) => Answers {
            region: common.region.clone(),
            clusters,
            language: "en".to_owned(),
            mention: Vec::new(),
            alarm_topic: None,
        },
    };
    let text = text(&answers, common.profile.as_deref());
    // Parse the text before it is written.
    let file = File::parse(&path, &text)?;
    whole_file::write(&path, &text)?;
    if common.output == Format::Json {
        let stacks: Vec<_> = file.stacks.iter().filter_map(|member| member.name.as_ref()).collect();
        world.out.print(&render::json(&json!({ "file": path, "stacks": stacks })));
    }
    if !common.quiet {
        world.err.print(&format!(
            "Wrote {}. Next: {}.\n",
            path.display(),
            match file.stacks.len() {
                1 => "`taskbell setup` asks for the webhook, shows the plan, and asks again",
                _ =>
                    "put the webhook into TASKBELL_SLACK_WEBHOOK_URL; `taskbell setup --all` shows the plans, and asks",
            }
        ));
    }
    Ok(0)
}

async fn ask(named: Vec<Cluster>, common: &Common, world: &World) -> Result<Answers> {
    let nobody = "init".parse()?;
    let given = Given::default();
    let (target, progress) = (common.target_called(nobody), Progress::new(common, world));
    let (region, found) = match progress.over(Session::open(&target, given, progress.context())).await {
        Ok(session) => {
            let found = progress.over(session.unless_interrupted(cluster::names(&session.sdk))).await?;
            (Some(session.stack.region), found.map_err(|fault| fault.to_string()))
        }
        Err(error) => (common.region.clone(), Err(error.in_one_line())),
    };
    let clusters = if named.is_empty() { which(found, region.as_deref(), world).await? } else { named };
    let language = until(world, "Language of the messages, en or ja [en]: ", |answer| match answer {
        "" | "en" => Ok("en".to_owned()),
        "ja" => Ok("ja".to_owned()),
        other => Err(Error::usage(format!("there are en and ja, not {other}"))),
    });
    let language = language.await?;
    let mention = until(world, "Whom to mention: here, channel, U…, S…, or nobody [nobody]: ", |answer| {
        let words = answer.split([' ', ',']).filter(|word| !word.is_empty() && *word != "nobody");
        words.map(config::mention).collect::<Result<Vec<_>>>()
    });
    let mention = mention.await?;
    let alarm_topic =
        until(world, "ARN of an SNS topic to tell when Slack itself fails [none]: ", |answer| match answer {
            "" | "none" => Ok(None),
            arn => config::topic(arn).map(Some),
        });
    Ok(Answers { region, clusters, language, mention, alarm_topic: alarm_topic.await? })
}

/// Asks for clusters, by name or by the number in the list of the clusters that were found.
async fn which(found: Result<Vec<String>, String>, region: Option<&str>, world: &World) -> Result<Vec<Cluster>> {
    let place = region.map(|region| format!(" in {region}")).unwrap_or_default();
    let found = found.unwrap_or_else(|why| {
        world.err.print(&format!("note: which clusters there are{place} is not known: {why}\n"));
        Vec::new()
    });
    for (at, name) in found.iter().enumerate() {
        world.err.print(&format!("{:>4}  {name}\n", at + 1));
    }
    let question = match found.is_empty() {
        true => format!("Which clusters{place}, by name? "),
        false => format!("Which clusters{place}, by number or name? [all] "),
    };
    let parse = |answer: &str| {
        let words: Vec<&str> = answer.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let named = |word: &str| match word.parse::<usize>() {
            Ok(number) if !found.contains(&word.to_owned()) => found
                .get(number.wrapping_sub(1))
                .cloned()
                .ok_or_else(|| Error::usage(format!("there is no cluster number {number}"))),
            _ => Ok(word.to_owned()),
        };
        let chosen = match words.as_slice() {
            [] | ["all"] => found.clone(),
            words => words.iter().map(|word| named(word)).collect::<Result<_>>()?,
        };
        match config::clusters(&chosen)? {
            none if none.is_empty() => Err(Error::usage("at least one cluster is needed")),
            some => Ok(some),
        }
    };
    until(world, &question, parse).await
}

/// Asks until the answer is valid.
async fn until<T>(world: &World, question: &str, parse: impl Fn(&str) -> Result<T>) -> Result<T> {
    loop {
        match parse(&world.ask_line(question).await?) {
            Ok(answer) => return Ok(answer),
            Err(error) => world.err.print(&render::error(&error, world.command())),
        }
    }
}

/// Returns the text of the file, with further settings as comments.
fn text(answers: &Answers, profile: Option<&str>) -> String {
    let Answers { region, clusters, language, mention, alarm_topic } = answers;
    let quoted = |text: &str| format!("{text:?}");
    let list = |items: &[String]| items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", ");
    let or_comment = |key: &str, value: Option<String>, example: &str| match value {
        Some(value) => format!("{key} = {value}\n"),
        None => format!("# {key} = {example}\n"),
    };
    let mut text = "\
# What taskbell sets up. `taskbell setup --all` makes AWS so, `taskbell drift --all` tells whether it still is.
# Every flag of setup is a key here. Editors: `taskbell init --schema >taskbell.schema.json`, then, as the first line,
#:schema taskbell.schema.json

# Every stack carries this name as a tag; stacks with it that are no longer here are shown by `drift --all` and removed
# by `teardown --orphans`.
"
    .to_owned();
    let fleet = clusters.first().map(|cluster| cluster.name().to_owned()).unwrap_or_default();
    let _ = write!(text, "fleet = {}\n\n# What holds where a stack says nothing.\n[defaults]\n", quoted(&fleet));
    text += &or_comment("region", region.as_deref().map(quoted), "\"eu-west-1\"");
    text += &or_comment("profile", profile.map(quoted), "\"prod\"");
    text += &or_comment("language", Some(quoted(language)), "");
    text += &or_comment("mention", (!mention.is_empty()).then(|| format!("[{}]", list(mention))), "[\"here\"]");
    text += &or_comment(
        "alarm_topic",
        alarm_topic.as_deref().map(quoted),
        "\"arn:aws:sns:eu-west-1:123456789012:on-call\"",
    );
    text += "\
# log_groups = [\"/ecs/*\"]                      # the application logs the notifier may read
# tags = { team = \"data\" }
# webhook_parameter = \"/team/slack-webhook\"    # an SSM parameter of yours, instead of one of the stack's own
";
    for cluster in clusters {
        let _ = write!(
            text,
            "\n[[stack]]\nname = {}\nclusters = [{}]\n",
            quoted(cluster.name()),
            quoted(&cluster.to_string())
        );
    }
    text + "\
# patterns = [\"task-failed\"]                    # instead of the default ones: `taskbell pattern list`
# filters = { exclude_families = [\"dev-*\"] }    # of patterns about tasks
# role_arn = \"arn:aws:iam::210987654321:role/taskbell\"   # assumed first, as in another account
"
}
