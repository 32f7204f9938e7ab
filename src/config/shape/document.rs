//! What every document has, and the list that holds several.

use super::{Field, Map, Shape, form, metadata};

const API_VERSION: Field =
    Field::new("apiVersion", Shape::Text(&form::ANY), "Whose kind it is, and of which version.").required();
const KIND: Field = Field::new("kind", Shape::Text(&form::ANY), "What the document is.").required();

/// Whatever it is.
pub(crate) static DOCUMENT: Map = Map::of(&[API_VERSION, KIND]);

/// Documents in one, as `kubectl get -o yaml` prints them.
pub(crate) static LIST: Map = Map::of(&[
    API_VERSION,
    KIND,
    Field::of_the_cluster("metadata"),
    Field::new("items", Shape::List { item: &Shape::Any, least: 0 }, "The documents.").required(),
]);

/// The fields of a kind whose `spec` is this.
pub(super) const fn with(spec: Field) -> [Field; 5] {
    let metadata = Field::new(
        "metadata",
        Shape::Map(&metadata::METADATA),
        "What it is called, and what is noted of it.",
    );
    [
        API_VERSION,
        KIND,
        metadata.required(),
        spec,
        Field { shape: Shape::AnyMap, ..Field::of_the_cluster("status") },
    ]
}
