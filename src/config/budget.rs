//! The annotations that say what a Trigger's attempts may take or cost in a day: `600000ms/day`, `5.00/day`.

use std::fmt;

use super::diagnostic::{Code, Report};
use super::metadata::Metadata;
use crate::money::Money;

const BUDGET: &str = "weir.dev/budget-per-worker";
const POLICY: &str = "weir.dev/budget-policy";

/// So many digits of milliseconds: nanoseconds fit 64 bits.
const DIGITS: usize = 12;
const LIKE: &str = "write the milliseconds of a day, \"600000ms/day\", or what a day may cost, \"5.00/day\"";

/// Of one worker, for a day of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub limit: Amount,
    pub policy: BudgetPolicy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Of wall time, in nanoseconds.
    Time(u64),
    /// By the prices of whom it calls.
    Money(Money),
}

/// What becomes of deliveries when it is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetPolicy {
    /// They wait for the next day.
    Pause,
    DeadLetter,
}

/// As it is written.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Time(nanos) => write!(f, "{}ms", nanos / 1_000_000),
            Amount::Money(money) => money.fmt(f),
        }
    }
}

impl BudgetPolicy {
    pub fn as_str(self) -> &'static str {
        match self {
            BudgetPolicy::Pause => "pause",
            BudgetPolicy::DeadLetter => "dead-letter",
        }
    }
}

/// `None`: reported.
pub(super) fn read(metadata: &Metadata<'_>, report: &mut Report<'_>) -> Option<Option<Budget>> {
    let words = [("pause", BudgetPolicy::Pause), ("dead-letter", BudgetPolicy::DeadLetter)];
    let policy = metadata.choice(POLICY, &words, report);
    let Some(node) = metadata.annotation(BUDGET) else {
        if let Some(policy) = metadata.annotation(POLICY) {
            report
                .warning(policy.span, format!("{POLICY}: there is no {BUDGET} that could be used up"))
                .code(Code::WITHOUT_EFFECT)
                .help(format!("add {BUDGET}, as \"600000ms/day\" or \"5.00/day\", or remove this one"));
        }
        return Some(None);
    };
    // One that is no string has been reported.
    match parse(node.text()?) {
        Ok(limit) => Some(Some(Budget { limit, policy: policy.unwrap_or(BudgetPolicy::Pause) })),
        Err((message, help)) => {
            report.error(node.span, format!("{BUDGET}: {message}")).help(help);
            None
        }
    }
}

/// Else what is wrong, and what to write.
fn parse(text: &str) -> Result<Amount, (String, String)> {
    let unreadable = || {
        let help = meant(text).map_or_else(|| LIKE.to_owned(), |meant| format!("write \"{meant}\""));
        (format!("'{text}' is no budget"), help)
    };
    let (amount, _) = text.split_once('/').filter(|(_, unit)| *unit == "day").ok_or_else(unreadable)?;
    let limit = match amount.strip_suffix("ms") {
        Some(count) => milliseconds(count).map(|count| Amount::Time(count * 1_000_000)),
        None => Money::price(amount).map(Amount::Money),
    };
    match limit.ok_or_else(unreadable)? {
        Amount::Time(0) | Amount::Money(Money(0)) => Err((
            "0 would let nothing run, ever".to_owned(),
            "write more, or remove the annotation; to stop the trigger, remove it or select others"
                .to_owned(),
        )),
        limit => Ok(limit),
    }
}

/// Digits alone.
fn milliseconds(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let count = text.trim_start_matches('0');
    if !digits || count.len() > DIGITS {
        return None;
    }
    if count.is_empty() { Some(0) } else { count.parse().ok() }
}

/// What was probably meant: other units of time, a currency, a comma, other words for a day.
fn meant(text: &str) -> Option<String> {
    let plain = text.trim().to_lowercase().replace(',', ".").replace(" /", "/").replace("/ ", "/");
    let days = ["/day", "/d", "/24h", "/days", "per day", "a day", "daily"];
    let cut = days.iter().find_map(|day| plain.strip_suffix(day)).unwrap_or(&plain);
    let amount = cut.trim_end_matches([' ', '/']).trim_start_matches(['$', '€', '£', ' ']);
    let end = amount.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(amount.len());
    let (number, unit) = (&amount[..end], amount[end..].trim());
    let each = match unit {
        "ms" | "msec" | "milliseconds" => Some(1),
        "s" | "sec" | "secs" | "seconds" => Some(1_000),
        "m" | "min" | "mins" | "minutes" => Some(60_000),
        "h" | "hr" | "hour" | "hours" => Some(3_600_000),
        "" | "eur" | "usd" | "gbp" | "$" | "€" | "£" => None,
        _ => return None,
    };
    let meant = match each {
        Some(each) => format!("{}ms/day", milliseconds(number)?.checked_mul(each)?),
        None => format!("{number}/day"),
    };
    (meant != text && parse(&meant).is_ok()).then_some(meant)
}

#[cfg(test)]
mod tests {
    use super::super::shape;
    use super::*;

    #[test]
    fn budgets_as_they_are_written() {
        let cases = [
            ("600000ms/day", Amount::Time(600_000_000_000)),
            ("1ms/day", Amount::Time(1_000_000)),
            ("007ms/day", Amount::Time(7_000_000)),
            ("999999999999ms/day", Amount::Time(999_999_999_999_000_000)),
            ("5.00/day", Amount::Money(Money(5_000_000_000_000))),
            ("5/day", Amount::Money(Money(5_000_000_000_000))),
            ("0.000000000001/day", Amount::Money(Money(1))),
        ];
        for (text, amount) in cases {
            assert_eq!(parse(text), Ok(amount), "{text}");
            assert_eq!(parse(&format!("{amount}/day")), Ok(amount), "{text}");
        }
    }

    #[test]
    fn what_was_meant_is_said() {
        let cases = [
            ("600000ms", "600000ms/day"),
            ("600s/day", "600000ms/day"),
            ("10 min per day", "600000ms/day"),
            ("1h/day", "3600000ms/day"),
            ("$5/day", "5/day"),
            ("5,00/day", "5.00/day"),
            ("5.00", "5.00/day"),
            ("5 EUR a day", "5/day"),
            ("5.00 / day", "5.00/day"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).unwrap_err().1, format!("write \"{expected}\""), "{text}");
        }
        for text in ["", "/day", "much/day", "5.00/month", "1.5h/day", "-1/day", "1e3/day", "9999999/day"] {
            assert_eq!(parse(text).unwrap_err().1, LIKE, "{text}");
        }
        for text in ["0/day", "0.00/day", "0ms/day", "000ms/day"] {
            assert!(parse(text).unwrap_err().0.starts_with("0 would let nothing run"), "{text}");
        }
    }

    #[test]
    fn the_pattern_says_what_is_read() {
        let (pattern, except) = (shape::BUDGET.pattern, shape::BUDGET.except);
        let (pattern, except) = (regex::Regex::new(pattern).unwrap(), regex::Regex::new(except).unwrap());
        for text in [
            "600000ms/day",
            "0ms/day",
            "00ms/day",
            "01ms/day",
            "1234567890123ms/day",
            "0000000000001ms/day",
            "5/day",
            "5./day",
            ".5/day",
            "5.0/day",
            "0.0/day",
            "0/day",
            "1234567/day",
            "5/d",
            "5 /day",
            "ms/day",
            "5ms",
            "",
        ] {
            let is_one = pattern.is_match(text) && !except.is_match(text);
            assert_eq!(is_one, parse(text).is_ok(), "{text}");
        }
    }
}
