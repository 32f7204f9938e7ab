//! What can be said of a clause: that it holds, that it does not, or nothing.

/// What can't be decided stays so under `not`, and a filter that is not `True` as a whole matches nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    True,
    False,
    Undecided,
}

impl Verdict {
    /// True if one is; false only where all are.
    pub(super) fn any(all: impl IntoIterator<Item = Verdict>) -> Verdict {
        let mut whole = Verdict::False;
        for one in all {
            match one {
                Verdict::True => return Verdict::True,
                Verdict::Undecided => whole = Verdict::Undecided,
                Verdict::False => {}
            }
        }
        whole
    }

    /// False if one is; true only where all are.
    pub(super) fn all(all: impl IntoIterator<Item = Verdict>) -> Verdict {
        !Verdict::any(all.into_iter().map(std::ops::Not::not))
    }
}

impl std::ops::Not for Verdict {
    type Output = Verdict;

    fn not(self) -> Verdict {
        match self {
            Verdict::True => Verdict::False,
            Verdict::False => Verdict::True,
            Verdict::Undecided => Verdict::Undecided,
        }
    }
}

impl From<bool> for Verdict {
    fn from(holds: bool) -> Verdict {
        if holds { Verdict::True } else { Verdict::False }
    }
}

/// What could not be compared is undecided.
impl From<Option<bool>> for Verdict {
    fn from(holds: Option<bool>) -> Verdict {
        holds.map_or(Verdict::Undecided, Verdict::from)
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{self, *};

    #[test]
    fn one_can_decide_for_all() {
        for (of, any, all) in [
            (vec![], False, True),
            (vec![True, Undecided], True, Undecided),
            (vec![Undecided, False], Undecided, False),
            (vec![False, True], True, False),
            (vec![Undecided], Undecided, Undecided),
        ] {
            assert_eq!((Verdict::any(of.clone()), Verdict::all(of.clone())), (any, all), "{of:?}");
        }
        assert_eq!(!Undecided, Undecided);
    }
}
