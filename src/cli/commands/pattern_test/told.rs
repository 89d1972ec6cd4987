//! Renders the answers about one event, from each pattern or rule and from the notifier, as text and as JSON.

use serde_json::{Value, json};

use crate::cli::render::mismatch;
use crate::operations::links::Broken;
use crate::pattern::DEFAULT;
use crate::pattern::matcher::{Branch, Mismatch};

/// The answer of one pattern or rule about an event.
pub struct Answer {
    pub from: String,
    /// Whether the pattern is in the catalogue, and `setup` uses it if no pattern is named.
    pub is_default: bool,
    pub said: Said,
}

pub enum Said {
    Takes,
    Broken(Broken),
    /// The pattern's events do not have the fields that the filters need.
    NotNarrowed,
}

/// The notifier's verdict on an event that reaches it.
pub enum Verdict {
    /// The notifier would announce the event. Contains the id of the cause.
    Announces(String),
    Silent(String),
    /// The event was announced already, or is a repetition. Contains the explanation.
    ToldBefore(String),
    Unknown(String),
}

impl Verdict {
    pub fn of(incident: &Value) -> Self {
        match incident["silentBecause"].as_str() {
            Some(why) => Self::Silent(why.to_owned()),
            None => Self::Announces(incident["cause"]["id"].as_str().unwrap_or_default().to_owned()),
        }
    }

    /// Returns the verdict from the table's records, or `None` if the records do not prevent an alert now.
    pub fn told_before(foreseen: &Value) -> Option<Self> {
        let Foreseen { since, count, told, next } = Foreseen::of(foreseen);
        Some(Self::ToldBefore(match (foreseen["verdict"].as_str()?, count) {
            ("duplicate", Some(1)) => format!("was announced already, at {since}"),
            ("duplicate", Some(count)) => format!(
                "was announced or counted as a repetition already: {count} of the same failure since {since}, the last announced was number {told}"
            ),
            ("duplicate", None) => format!("was announced or counted as a repetition already, after {since}"),
            ("counted", count) => format!(
                "counted as a repetition: number {} of the same failure since {since}; number {next} is announced again",
                count.unwrap_or_default()
            ),
            _ => return None,
        }))
    }

    fn rings(&self) -> Option<bool> {
        match self {
            Self::Announces(_) => Some(true),
            Self::Silent(_) | Self::ToldBefore(_) => Some(false),
            Self::Unknown(_) => None,
        }
    }

    fn object(&self) -> Value {
        let (mut cause, mut silent, mut unknown) = (None, None, None);
        match self {
            Self::Announces(id) => cause = Some(id),
            Self::Silent(why) | Self::ToldBefore(why) => silent = Some(why),
            Self::Unknown(why) => unknown = Some(why),
        }
        json!({ "rings": self.rings(), "silent_because": silent, "cause": cause, "unknown": unknown })
    }
}

/// The answer of `foresee` in `lambda/memory/announcements.mjs`.
struct Foreseen<'a> {
    since: &'a str,
    count: Option<u64>,
    told: u64,
    next: u64,
}

impl<'a> Foreseen<'a> {
    fn of(answer: &'a Value) -> Self {
        let number = |name: &str| answer[name].as_u64();
        Self {
            since: answer["since"].as_str().unwrap_or_default(),
            count: number("count"),
            told: number("told").unwrap_or_default(),
            next: number("next").unwrap_or_default(),
        }
    }
}

/// All answers about one event.
pub struct Told {
    pub event: String,
    pub answers: Vec<Answer>,
    pub verdict: Verdict,
    /// Whether the answers are from rules in AWS, and not from patterns.
    pub is_live: bool,
}

impl Told {
    fn matches(&self) -> bool {
        self.answers.iter().any(|answer| matches!(answer.said, Said::Takes))
    }

    /// Checks the condition for exit code 0: of rules in AWS, that the event causes an alert; of patterns, that one matches.
    pub fn holds(&self) -> bool {
        self.matches() && (!self.is_live || self.verdict.rings() == Some(true))
    }

    pub fn is_uncertain(&self) -> bool {
        let unreadable = |answer: &Answer| matches!(answer.said, Said::Broken(Broken::Unreadable { .. }));
        let unknown = self.matches() && self.verdict.rings().is_none();
        self.is_live
            && (unknown || !self.holds() && self.verdict.rings() != Some(false) && self.answers.iter().any(unreadable))
    }

    /// Returns the matching patterns: those that `setup` would use, which are the default ones or the named ones, and the others.
    fn rings_with(&self) -> Sum {
        let takes = |answer: &&Answer| matches!(answer.said, Said::Takes);
        let names = |answers: Vec<&Answer>| answers.into_iter().map(|answer| answer.from.clone()).collect();
        let all_of_catalogue = DEFAULT.iter().all(|name| self.answers.iter().any(|answer| answer.from == *name));
        let (of_setup, others): (Vec<&Answer>, Vec<&Answer>) =
            self.answers.iter().filter(takes).partition(|answer| answer.is_default || !all_of_catalogue);
        Sum {
            which: if all_of_catalogue { "the default patterns" } else { "these patterns" },
            with: names(of_setup),
            others: names(others),
        }
    }

    pub fn text(&self) -> String {
        let rows = self.answers.iter().map(|answer| (answer.name(), answer.sign(), answer.told(self.is_live)));
        let notifier = self.is_live.then(|| {
            let (sign, told) = match &self.verdict {
                Verdict::Announces(cause) if !self.matches() => {
                    ('+', format!("would announce it, if a rule let it in: {cause}"))
                }
                Verdict::Announces(cause) => ('+', format!("announces it: {cause}")),
                Verdict::Silent(why) => ('-', format!("would not announce it: {why}")),
                Verdict::ToldBefore(what) => ('-', what.clone()),
                Verdict::Unknown(why) => ('?', why.clone()),
            };
            ("function/notifier".to_owned(), sign, vec![told])
        });
        let rows: Vec<(String, char, Vec<String>)> = rows.chain(notifier).collect();
        let width = rows.iter().map(|(from, ..)| from.len()).max().unwrap_or_default();
        let line = |(from, sign, told): &(String, char, Vec<String>)| {
            let (first, more) = told.split_first().map_or(("", &told[..]), |(first, more)| (first.as_str(), more));
            let first = format!("{}\n", format!("  {sign} {from:width$}  {first}").trim_end());
            more.iter().fold(first, |text, told| text + &format!("    {:width$}  {told}\n", ""))
        };
        let sum = if self.is_live { String::new() } else { format!("  {}\n", self.rings_with().text(&self.verdict)) };
        std::iter::once(format!("{}\n", self.event)).chain(rows.iter().map(line)).chain([sum]).collect()
    }

    pub fn object(&self) -> Value {
        let answers: Vec<Value> = self.answers.iter().map(Answer::object).collect();
        let mut object = json!({ "event": self.event, "patterns": answers, "notifier": self.verdict.object() });
        if self.is_live {
            object["rings"] = json!(self.holds());
        } else {
            object["matches"] = json!(self.matches());
            object["rings_with"] = self.rings_with().object(&self.verdict);
        }
        object
    }
}

impl Answer {
    fn name(&self) -> String {
        format!("{}{}", self.from, if self.is_default { " (default)" } else { "" })
    }

    fn sign(&self) -> char {
        match self.said {
            Said::Takes => '+',
            Said::Broken(Broken::Unreadable { .. }) => '?',
            Said::Broken(_) | Said::NotNarrowed => '-',
        }
    }

    fn told(&self, is_live: bool) -> Vec<String> {
        match &self.said {
            Said::Takes if is_live => vec!["takes it, is enabled, and reaches the notifier".to_owned()],
            Said::Takes => Vec::new(),
            Said::Broken(broken) => mismatch::of_broken(broken),
            Said::NotNarrowed => vec!["cannot be narrowed by these filters".to_owned()],
        }
    }

    fn object(&self) -> Value {
        let broken = match &self.said {
            Said::Broken(broken) => Some(broken),
            Said::Takes | Said::NotNarrowed => None,
        };
        let mismatch = match broken {
            Some(Broken::Mismatch(mismatch)) => {
                let branch = |Branch { name, against }: &Branch| json!({ "branch": name, "against": against.iter().map(of_field).collect::<Vec<_>>() });
                let mut object = of_field(mismatch);
                object["branches"] = mismatch.branches.iter().map(branch).collect();
                object
            }
            _ => Value::Null,
        };
        let never =
            matches!(self.said, Said::NotNarrowed | Said::Broken(Broken::Unreadable { .. } | Broken::Invalid(_)));
        let told = self.told(false).join("; ");
        json!({
            "pattern": self.from,
            "default": self.is_default,
            "matches": !never && mismatch.is_null(),
            "mismatch": mismatch,
            "enabled": broken != Some(&Broken::Disabled),
            "broken": Some(told).filter(|told| !told.is_empty()),
        })
    }
}

fn of_field(Mismatch { path, have, want, apart, branches: _ }: &Mismatch) -> Value {
    json!({ "path": path, "have": have, "want": want, "apart": apart })
}

/// The patterns that match an event: those that `setup` would use, and the others of the catalogue.
struct Sum {
    which: &'static str,
    with: Vec<String>,
    others: Vec<String>,
}

impl Sum {
    fn text(&self, verdict: &Verdict) -> String {
        let Self { which, with, others } = self;
        match (verdict, with.is_empty(), others.is_empty()) {
            (_, true, true) => format!("rings with {which}: no"),
            (Verdict::Silent(why) | Verdict::ToldBefore(why), ..) => {
                format!("matched, but the notifier leaves it out: {why}")
            }
            (_, true, false) => format!("rings with {which}: no; with {}: yes", others.join(", ")),
            (Verdict::Announces(_), false, _) => format!("rings with {which}: yes ({})", with.join(", ")),
            (Verdict::Unknown(why), false, _) => format!("matched by {}; {why}", with.join(", ")),
        }
    }

    fn object(&self, verdict: &Verdict) -> Value {
        let rings = if self.with.is_empty() { Some(false) } else { verdict.rings() };
        json!({ "patterns": self.which, "rings": rings, "taken_by": self.with })
    }
}
