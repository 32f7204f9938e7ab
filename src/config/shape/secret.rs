//! `secretKeyRef`: how documents name secrets.

use super::{Field, Map, Shape, form};

/// What stands in the place of a secret.
pub(crate) static SECRET: Map = Map::of(&[Field::new(
    "secretKeyRef",
    Shape::Map(&SECRET_KEY),
    "A key of a Secret: the value is in `<secrets.dir>/<name>/<key>`, a Secret mounted as a directory, else in \
     `WEIR_SECRET_NAME_KEY`. Whatever stands in place of the reference is never shown.",
)
.required()])
.named("secret");

pub(crate) static SECRET_KEY: Map = Map::of(&[
    Field::new("name", Shape::Text(&form::SECRET_PART), "The Secret.").required(),
    Field::new("key", Shape::Text(&form::SECRET_PART), "Which of its keys.").required(),
    Field::new("optional", Shape::Boolean, "Whether it may be absent.")
        .idle("a secret that is named must be there"),
]);

pub(super) const fn field(name: &'static str, doc: &'static str) -> Field {
    Field::new(name, Shape::Map(&SECRET), doc)
}
