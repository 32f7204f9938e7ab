//! How an attempt ended, and why: two closed lists. Codes stand in the journal and names in bills, metrics and dead
//! letters, so neither is ever changed or used again; new ones are added at the end.

use std::fmt;

use crate::event::wire::{Corrupt, Reader};

macro_rules! closed_list {
    ($(#[$about:meta])* $list:ident { $($(#[$doc:meta])* $variant:ident = $code:literal $name:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $list { $($(#[$doc])* $variant = $code,)+ }

        impl $list {
            pub const ALL: &'static [$list] = &[$($list::$variant,)+];

            pub const fn code(self) -> u8 {
                self as u8
            }

            pub const fn from_u8(code: u8) -> Option<$list> {
                match code {
                    $($code => Some($list::$variant),)+
                    _ => None,
                }
            }

            /// As it stands in our own formats: its code.
            pub fn read(reader: &mut Reader<'_>) -> Result<$list, Corrupt> {
                let code = reader.u8()?;
                $list::from_u8(code).ok_or(Corrupt::Unknown { what: stringify!($list), found: code.into() })
            }

            pub const fn as_str(self) -> &'static str {
                match self {
                    $($list::$variant => $name,)+
                }
            }
        }

        impl fmt::Display for $list {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

closed_list! {
    Outcome {
        Succeeded = 0 "succeeded",
        /// Trying again may help.
        Retryable = 1 "retryable",
        /// Trying again can't help.
        Permanent = 2 "permanent",
        /// Stopped by a limit on time or work. Retried.
        TimedOut = 3 "timed-out",
        /// The guest broke a rule of WebAssembly; its instance is gone. Retried.
        Trapped = 4 "trapped",
    }
}

closed_list! {
    Reason {
        /// There is nothing to explain: it succeeded.
        None = 0 "none",
        /// The function said so itself.
        Guest = 1 "guest",
        Unreachable = 2 "unreachable",
        /// A division by zero, or another calculation without a result.
        Division = 3 "division",
        /// An access outside memory or a table. A guest that overflows its own stack ends here, too.
        Bounds = 4 "bounds",
        IndirectCall = 5 "indirect-call",
        /// Calls nested too deeply.
        Depth = 6 "depth",
        /// A growth of memory was refused.
        Memory = 7 "memory",
        Deadline = 8 "deadline",
        Fuel = 9 "fuel",
        /// The output was over the limit.
        Output = 10 "output",
        /// The output was no answer of Guest ABI 1, or outside memory.
        BadOutput = 11 "bad-output",
        /// The buffer for the input was outside memory.
        BadBuffer = 12 "bad-buffer",
        /// No instance could be made.
        Instantiate = 13 "instantiate",
        /// The engine ended the call in a way that has no name here.
        Engine = 14 "engine",
        /// The delivery ended without an outcome.
        Vanished = 15 "vanished",
        /// An HTTP subscriber answered with a status that is no success.
        Status = 16 "status",
        /// An HTTP subscriber could not be reached, or the connection broke.
        Connection = 17 "connection",
        /// A reply to a reply to a reply …: triggers that feed each other.
        Hops = 18 "hops",
        /// A parked delivery, and its trigger is not configured any more.
        TriggerGone = 19 "trigger-gone",
        /// The settings do not let events be sent there.
        Denied = 20 "denied",
        /// A sink takes no record that is so large.
        Oversized = 21 "oversized",
        /// A sink refuses it for good.
        Refused = 22 "refused",
        /// A record that claims to be an event and is none.
        Undecodable = 23 "undecodable",
        /// It met no trigger, and its source wants to know.
        Unrouted = 24 "unrouted",
        /// What its trigger may take in a day is used up.
        Budget = 25 "budget",
    }
}

impl Outcome {
    /// May the delivery be tried again, if its policy allows another attempt?
    pub const fn retries(self) -> bool {
        matches!(self, Outcome::Retryable | Outcome::TimedOut | Outcome::Trapped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_there_and_back() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_u8(outcome.code()), Some(*outcome));
        }
        for reason in Reason::ALL {
            assert_eq!(Reason::from_u8(reason.code()), Some(*reason));
        }
        assert_eq!(Outcome::from_u8(Outcome::ALL.len() as u8), None);
        assert_eq!(Reason::from_u8(Reason::ALL.len() as u8), None);
    }

    /// These are in journals and bills.
    #[test]
    fn names_are_fixed_for_ever() {
        let outcomes: Vec<_> = Outcome::ALL.iter().map(|o| o.as_str()).collect();
        assert_eq!(outcomes, ["succeeded", "retryable", "permanent", "timed-out", "trapped"]);
        let reasons: Vec<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(
            reasons.join(" "),
            "none guest unreachable division bounds indirect-call depth memory deadline fuel output bad-output \
             bad-buffer instantiate engine vanished status connection hops trigger-gone denied oversized \
             refused undecodable unrouted budget"
        );
    }
}
