//! `weir cost`.

use std::io::IsTerminal;

use clap::Args;

use super::dlq::filters;
use super::exit::{Failed, Outcome};
use super::options::Options;
use super::out::{print, say};
use super::stored;
use super::table::{Align, Table, bytes, duration};
use super::usage_tally::Tally;
use super::{produce, produce_nats};
use super::{usage_stream, usage_topic};
use crate::config::Settings;
use crate::journal::Cost;
use crate::journal::cost::By;
use crate::money::Money;
use crate::worker::query::{CostAnswer, EntryLine, Query, Step};

#[derive(Debug, Args)]
#[command(after_help = "\
Asks the running worker of the data directory, or reads the journal there if none runs.

TIME is what the functions took, COLD TIME what it took to make their instances.
IN and OUT are the events and the answers. RETRIES are the attempts after a delivery's first.
PRICE is there where a function has one (spec.price); each attempt keeps the price of its day.
What a kill made run again has no price: billing counts the first. A line below says what
retries, dead letters and cold starts took of it; CSV and JSON have that for each row.
The journal has what was not dropped yet: see the settings journal.keep and journal.max-bytes.

Examples:
  weir cost
  weir cost --by tenant --since 24h --top 10
  weir cost --by hour --format csv > hours.csv
  weir cost --event order-1                          what one event cost, with its replies
  weir cost --from kafka://127.0.0.1:9092/usage      of all workers; nats://127.0.0.1:4222/usage, too
  weir cost --by trigger,function --format json | jq .table.total.wall_ns")]
pub struct CostOf {
    /// What a row is; several, separated by commas, are several tables
    #[arg(long, value_enum, value_delimiter = ',', default_value = "trigger")]
    by: Vec<By>,
    /// Only attempts that ended at this time or later: 2026-03-01T09:00:00Z, or how long ago (2h)
    #[arg(long, value_name = "TIME", value_parser = filters::time)]
    since: Option<u64>,
    /// Only the N rows that cost most, the dearest first: by price where there is one, else by time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    top: Option<u32>,
    /// What the event with this id cost, attempt by attempt, and the replies that came of it, and theirs
    #[arg(long, value_name = "ID", conflicts_with_all = ["by", "since", "top"])]
    event: Option<String>,
    /// What all workers have shipped to this topic of Kafka (kafka://host:port/topic) or subject of NATS
    /// (nats://host:port/subject), each charge once, rather than this worker's journal
    #[arg(long, value_name = "URL", conflicts_with = "event", value_parser = shipped)]
    from: Option<Shipped>,
    /// A table for people, JSON for programs: an object a line, nanoseconds and bytes as integers; CSV for sheets
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
    Csv,
}

/// Where all workers have shipped to.
#[derive(Clone, Debug)]
enum Shipped {
    Topic(produce::Target),
    Subject(produce_nats::Target),
}

/// Of a bar, in characters.
const BAR: u128 = 24;

impl CostOf {
    pub fn main(&self) -> Outcome {
        let settings = self.options.settings()?;
        if let Some(event) = &self.event {
            let text = stored::ask(&settings.data_dir, Query::Trail { event: event.clone() })?;
            return self.trail(event, &text);
        }
        for (number, mut answer) in self.answers(&settings)?.into_iter().enumerate() {
            let rows = self.rows(&mut answer);
            if self.format == Format::Json {
                let text = serde_json::to_string(&answer).map_err(Failed::error)?;
                print(format_args!("{text}\n"))?;
                continue;
            }
            if answer.entries == 0 {
                say("nothing has been attempted yet\n");
                return Ok(());
            }
            match self.format {
                Format::Csv => print(csv(&answer, &rows))?,
                _ => {
                    let apart = if number > 0 { "\n" } else { "" };
                    print(format_args!("{apart}{}{}", table(&answer, &rows), of_this(&answer.table.total)))?;
                }
            }
        }
        Ok(())
    }

    fn answers(&self, settings: &Settings) -> Result<Vec<CostAnswer>, Failed> {
        if let Some(shipped) = &self.from {
            let mut tally = Tally::new(&self.by, self.since);
            match shipped {
                Shipped::Topic(target) => usage_topic::count(target, &mut tally)?,
                Shipped::Subject(target) => usage_stream::count(target, &mut tally)?,
            }
            return Ok(tally.answers());
        }
        let mut answers = Vec::new();
        for by in &self.by {
            let text = stored::ask(&settings.data_dir, Query::Cost { by: *by, since: self.since })?;
            answers.extend(stored::lines::<CostAnswer>(&text)?);
        }
        Ok(answers)
    }

    /// In the order in which they are shown. What is left out is left out of the answer, too.
    fn rows(&self, answer: &mut CostAnswer) -> Vec<String> {
        let mut names: Vec<String> = answer.table.rows.keys().cloned().collect();
        if let Some(top) = self.top {
            let cost = |name: &String| (answer.table.rows[name].price, answer.table.rows[name].wall_ns);
            names.sort_by_key(|name| std::cmp::Reverse(cost(name)));
            names.truncate(top as usize);
            answer.table.rows.retain(|name, _| names.contains(name));
        }
        names
    }

    fn trail(&self, event: &str, text: &str) -> Outcome {
        let steps: Vec<Step> = stored::lines(text)?;
        if steps.is_empty() && self.format != Format::Json {
            say(format!("nothing has been attempted about an event with the id '{event}'\n"));
            return Ok(());
        }
        match self.format {
            Format::Json => print(text),
            Format::Table => print(trail_table(&steps)),
            Format::Csv => {
                let mut out =
                    "depth,event,type,trigger,function,attempt,outcome,reason,wall_ns,init_ns,price\n"
                        .to_owned();
                for Step { depth, entry } in &steps {
                    let EntryLine {
                        event_id, event_type, trigger, function, attempt, outcome, reason, ..
                    } = entry;
                    let texts = [event_id, event_type, trigger, function].map(|text| quoted(text)).join(",");
                    let init = entry.init_ns.unwrap_or(0);
                    out += &format!(
                        "{depth},{texts},{attempt},{outcome},{reason},{},{init},{}\n",
                        entry.wall_ns, entry.price
                    );
                }
                print(out)
            }
        }
    }
}

fn shipped(text: &str) -> Result<Shipped, String> {
    if let Some(rest) = text.strip_prefix(produce::SCHEME) {
        return produce::Target::parse(rest).map(Shipped::Topic);
    }
    let rest = text.strip_prefix(produce_nats::SCHEME);
    let rest = rest.ok_or("write it as kafka://127.0.0.1:9092/usage or nats://127.0.0.1:4222/usage")?;
    produce_nats::Target::parse(rest).map(Shipped::Subject)
}

fn head(by: By) -> &'static str {
    match by {
        By::Trigger => "TRIGGER",
        By::Function => "FUNCTION",
        By::Tenant => "TENANT",
        By::Outcome => "OUTCOME",
        By::Cause => "CAUSE",
        By::Hour => "HOUR",
    }
}

fn table(answer: &CostAnswer, rows: &[String]) -> Table {
    let mut columns =
        vec!["ATTEMPTS", "FAILED", "RETRIES", "TIME", "PER CALL", "COLD STARTS", "COLD TIME", "IN", "OUT"];
    let total = &answer.table.total;
    let priced = !total.price.is_nothing();
    if priced {
        columns.push("PRICE");
    }
    let mut head = vec![(self::head(answer.table.by), Align::Left)];
    head.extend(columns.iter().map(|column| (*column, Align::Right)));
    // On a terminal alone: programs and files have no use for it.
    let has_bars = std::io::stdout().is_terminal() && rows.len() > 1;
    if has_bars {
        head.push(("SHARE", Align::Left));
    }
    let mut table = Table::new(&head);
    let bar = |cost: &Cost| has_bars.then(|| bar(weight(cost, priced), weight(total, priced)));
    for name in rows {
        let cost = &answer.table.rows[name];
        table.row(row(name, cost, priced).into_iter().chain(bar(cost)).collect());
    }
    if rows.len() != 1 {
        table.row(row("total", total, priced).into_iter().chain(has_bars.then(String::new)).collect());
    }
    table
}

/// What might have been spared, in a line; nothing where there is nothing.
fn of_this(total: &Cost) -> String {
    let amount = |[one, several]: [&str; 2], count: u64, nanos: u64, price: Money| {
        let price = if price.is_nothing() { String::new() } else { format!(", price {price}") };
        let what = if count == 1 { one } else { several };
        (count > 0).then(|| format!("{count} {what} {}{price}", duration(nanos)))
    };
    let Cost { retries, retry_ns, retry_price, dead_letters, dead_letter_ns, dead_letter_price, .. } = *total;
    let letters = ["dead letter with all its attempts", "dead letters with all their attempts"];
    let parts = [
        amount(["retry", "retries"], retries, retry_ns, retry_price),
        amount(letters, dead_letters, dead_letter_ns, dead_letter_price),
        amount(["cold start", "cold starts"], total.cold_starts, total.init_ns, Money::default()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!("of this: {}\n", parts.join("; ")) }
}

fn weight(cost: &Cost, priced: bool) -> u128 {
    if priced { cost.price.0 } else { cost.wall_ns.into() }
}

/// A part of the whole.
fn bar(part: u128, whole: u128) -> String {
    let whole = whole.max(part);
    let eighths = part.checked_mul(BAR * 8).map_or(0, |parts| parts.checked_div(whole).unwrap_or(0)) as usize;
    let last = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    "█".repeat(eighths / 8) + last
}

fn row(name: &str, cost: &Cost, priced: bool) -> Vec<String> {
    let mut row = vec![
        name.to_owned(),
        cost.attempts.to_string(),
        cost.failed.to_string(),
        cost.retries.to_string(),
        duration(cost.wall_ns),
        duration(cost.wall_ns.checked_div(cost.attempts).unwrap_or(0)),
        cost.cold_starts.to_string(),
        duration(cost.init_ns),
        bytes(cost.bytes_in),
        bytes(cost.bytes_out),
    ];
    row.extend(priced.then(|| cost.price.to_string()));
    row
}

fn csv(answer: &CostAnswer, rows: &[String]) -> String {
    let mut out = format!(
        "{},attempts,succeeded,failed,retries,repeats,fenced,cold_starts,wall_ns,init_ns,retry_ns,failed_ns,fuel,bytes_in,bytes_out,\
         price,retry_price,failed_price,dead_letters,dead_letter_ns,dead_letter_price\n",
        head(answer.table.by).to_lowercase()
    );
    for name in rows {
        let c = &answer.table.rows[name];
        let counts = [c.attempts, c.succeeded, c.failed, c.retries, c.repeats, c.fenced, c.cold_starts];
        let sums = [c.wall_ns, c.init_ns, c.retry_ns, c.failed_ns, c.fuel, c.bytes_in, c.bytes_out];
        let numbers: Vec<String> = counts.iter().chain(&sums).map(u64::to_string).collect();
        let Cost { price, retry_price, failed_price, .. } = c;
        let dead = format!("{},{},{}", c.dead_letters, c.dead_letter_ns, c.dead_letter_price);
        out +=
            &format!("{},{},{price},{retry_price},{failed_price},{dead}\n", quoted(name), numbers.join(","));
    }
    out
}

/// As RFC 4180 has it; and no program that calculates takes it for a formula.
fn quoted(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !is_formula && !text.contains([',', '"', '\n', '\r']) {
        return text.to_owned();
    }
    format!("\"{}{}\"", if is_formula { "'" } else { "" }, text.replace('"', "\"\""))
}

fn trail_table(steps: &[Step]) -> Table {
    let priced = steps.iter().any(|step| !step.entry.price.is_nothing());
    let mut head = vec![
        ("EVENT", Align::Left),
        ("TYPE", Align::Left),
        ("TRIGGER", Align::Left),
        ("FUNCTION", Align::Left),
        ("ATTEMPT", Align::Right),
        ("OUTCOME", Align::Left),
        ("TIME", Align::Right),
        ("COLD START", Align::Right),
    ];
    if priced {
        head.push(("PRICE", Align::Right));
    }
    let mut table = Table::new(&head);
    let (mut wall_ns, mut init_ns, mut price) = (0, 0, Money::default());
    for Step { depth, entry } in steps {
        let outcome = match entry.reason.as_str() {
            "none" => entry.outcome.clone(),
            reason => format!("{} ({reason})", entry.outcome),
        };
        let mut row = vec![
            format!("{}{}", "  ".repeat((*depth).min(20) as usize), entry.event_id),
            entry.event_type.clone(),
            entry.trigger.clone(),
            entry.function.clone(),
            entry.attempt.to_string(),
            outcome,
            duration(entry.wall_ns),
            entry.init_ns.map_or_else(|| "-".to_owned(), duration),
        ];
        row.extend(priced.then(|| entry.price.to_string()));
        table.row(row);
        wall_ns += entry.wall_ns;
        init_ns += entry.init_ns.unwrap_or(0);
        price += entry.price;
    }
    if steps.len() > 1 {
        let blank = String::new;
        let attempts = steps.len().to_string();
        let mut row = vec!["total".to_owned(), blank(), blank(), blank(), attempts, blank()];
        row.extend([duration(wall_ns), duration(init_ns)]);
        row.extend(priced.then(|| price.to_string()));
        table.row(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_part() {
        assert_eq!(bar(0, 0), "");
        assert_eq!(bar(1, 1), "█".repeat(24));
        assert_eq!(bar(1, 48), "▌");
    }

    #[test]
    fn a_name_is_one_field_and_no_formula() {
        assert_eq!(["a", "a,b", "=1", "\""].map(quoted), ["a", "\"a,b\"", "\"'=1\"", "\"\"\"\""]);
    }
}
