//! `filter` and `filters` of a trigger.

use super::{Field, Map, Pairs, Rule, Shape, form};

/// What the older `filter` is.
pub(super) static FILTER: Map = Map::of(&[Field::new(
    "attributes",
    Shape::Pairs(&ATTRIBUTES),
    "Attributes and the values that they must have, all of them; `\"\"`: there and not empty.",
)]);

static ATTRIBUTES: Pairs = Pairs { keys: &form::ATTRIBUTE, values: &Shape::Text(&form::ANY), least: 0 };
static MATCHES: Pairs = Pairs { keys: &form::ATTRIBUTE, values: &Shape::Text(&form::NOT_EMPTY), least: 1 };

/// One of `filters`: one dialect.
pub(crate) static DIALECT: Map = Map::of(&[
    Field::new("exact", Shape::Pairs(&MATCHES), "Each attribute has the value."),
    Field::new("prefix", Shape::Pairs(&MATCHES), "Each attribute begins with the value."),
    Field::new("suffix", Shape::Pairs(&MATCHES), "Each attribute ends with the value."),
    Field::new("all", Shape::List { item: &ONE, least: 1 }, "All of these filters match."),
    Field::new("any", Shape::List { item: &ONE, least: 1 }, "One of these filters matches."),
    Field::new(
        "not",
        Shape::Map(&DIALECT),
        "This filter does not match; one that asks for a missing attribute doesn't.",
    ),
    Field::new("cesql", Shape::Text(&form::CESQL), "An expression in CloudEvents SQL 1.0 that must be true."),
    Field::new("sql", Shape::Text(&form::CESQL), "The same as `cesql`, as the Subscriptions API calls it."),
])
.with(&[Rule::OneOf(&["exact", "prefix", "suffix", "all", "any", "not", "cesql", "sql"])])
.named("filter");

pub(super) static ONE: Shape = Shape::Map(&DIALECT);
