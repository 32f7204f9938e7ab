//! "Did you mean": the known word nearest to one that is not known.

/// The nearest of `known`, if it is near enough to be what was meant.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // A word of that length is no misspelling, and distance is quadratic.
    if word.len() > 100 {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', '.', ' '], "");
    let wanted = plain(word);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

pub(super) fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    nearest(word, known).map(|candidate| format!("did you mean '{candidate}'?"))
}

/// `a, b and c`, in order, cut after ten.
pub(super) fn listed<'k>(words: impl IntoIterator<Item = &'k str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("'{word}'")).collect();
    match words.as_slice() {
        [] => "none".into(),
        [one] => one.clone(),
        [all @ .., last] if words.len() <= 10 => format!("{} and {last}", all.join(", ")),
        many => format!("{} and {} more", many[..10].join(", "), many.len() - 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_and_far_ones() {
        let known = ["subscriber", "broker", "filter", "filters", "max-body"];
        assert_eq!(nearest("subscribr", known), Some("subscriber"));
        assert_eq!(nearest("brokr", known), Some("broker"));
        assert_eq!(nearest("fitler", known), Some("filter"));
        assert_eq!(nearest("max_body", known), Some("max-body"));
        assert_eq!(nearest("replicas", known), None);
        assert_eq!(nearest("", known), None);
    }
}
