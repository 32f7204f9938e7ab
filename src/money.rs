//! Amounts of money: decimal and exact, in whole trillionths of whatever unit the prices are in.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Of a unit.
const TRILLION: u128 = 1_000_000_000_000;
const PLACES: usize = 12;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(pub u128);

impl Money {
    /// A price as people write it: at most 6 digits, a point, at most 12 digits.
    pub const PATTERN: &'static str = r"^[0-9]{1,6}(\.[0-9]{1,12})?$";

    /// `None`: it is not written so.
    pub fn price(text: &str) -> Option<Money> {
        let whole = text.split('.').next().unwrap_or_default();
        Money::parse(text).filter(|_| whole.len() <= 6)
    }

    fn parse(text: &str) -> Option<Money> {
        let (whole, part) = text.split_once('.').map_or((text, None), |(whole, part)| (whole, Some(part)));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || part.is_some_and(|part| !digits(part) || part.len() > PLACES) {
            return None;
        }
        let part = format!("{:0<PLACES$}", part.unwrap_or_default());
        let whole = whole.parse::<u128>().ok()?.checked_mul(TRILLION)?;
        whole.checked_add(part.parse().ok()?).map(Money)
    }

    pub fn is_nothing(self) -> bool {
        self.0 == 0
    }
}

impl std::ops::AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        self.0 = self.0.saturating_add(other.0);
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / TRILLION, self.0 % TRILLION);
        if part == 0 {
            return write!(f, "{whole}");
        }
        let part = format!("{part:0PLACES$}");
        write!(f, "{whole}.{}", part.trim_end_matches('0'))
    }
}

/// As a string: a number of JSON may become a binary fraction in whoever reads it.
impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        let text = String::deserialize(deserializer)?;
        Money::parse(&text).ok_or_else(|| de::Error::custom(format!("'{text}' is no amount of money")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_amount_reads_back_as_it_was_written(amount: u64, more: u64) {
            let mut money = Money(u128::from(amount));
            money += Money(u128::from(more) << 20);
            prop_assert_eq!(Money::parse(&money.to_string()), Some(money));
            prop_assert_eq!(serde_json::from_str::<Money>(&serde_json::to_string(&money).unwrap()).unwrap(), money);
        }

        #[test]
        fn the_pattern_says_what_is_read(text in "[0-9.]{0,24}|[0-9]{1,7}\\.[0-9]{1,13}|[ +-]?[0-9]{1,3}e?") {
            let pattern = regex::Regex::new(Money::PATTERN).unwrap();
            prop_assert_eq!(Money::price(&text).is_some(), pattern.is_match(&text), "{}", text);
        }
    }

    #[test]
    fn amounts_are_exact() {
        for (text, trillionths) in [
            ("0", 0),
            ("0.000000000001", 1),
            ("1", 1_000_000_000_000),
            ("0.1", 100_000_000_000),
            ("12.50", 12_500_000_000_000),
        ] {
            assert_eq!(Money::price(text), Some(Money(trillionths)), "{text}");
        }
        assert_eq!(Money(12_500_000_000_000).to_string(), "12.5");
        assert_eq!(Money(2_100).to_string(), "0.0000000021");
        assert!(
            ["", ".5", "1.", "-1", "1e3", "1234567", "0.0000000000001"]
                .iter()
                .all(|t| Money::price(t).is_none())
        );
    }
}
