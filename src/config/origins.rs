//! Which document says a field of a trigger's delivery: what people want to know who look at the merged one.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaidBy {
    Trigger,
    Broker,
    /// Neither: it is what holds without a word.
    Default,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins {
    pub retry: SaidBy,
    pub backoff: SaidBy,
    pub delay: SaidBy,
    pub order: SaidBy,
    pub retry_after_max: SaidBy,
    pub timeout: SaidBy,
    pub format: SaidBy,
    pub dead_letter: SaidBy,
}

impl Origins {
    /// Where one says all.
    pub(super) fn all(by: SaidBy) -> Origins {
        Origins {
            retry: by,
            backoff: by,
            delay: by,
            order: by,
            retry_after_max: by,
            timeout: by,
            format: by,
            dead_letter: by,
        }
    }
}

impl std::fmt::Display for SaidBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SaidBy::Trigger => "trigger",
            SaidBy::Broker => "broker",
            SaidBy::Default => "default",
        })
    }
}
