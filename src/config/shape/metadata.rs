//! `metadata` of every kind.

use super::super::lint;
use super::{Field, Map, Shape, form};

pub(crate) static METADATA: Map = Map::of(&[
    Field::new(
        "name",
        Shape::Text(&form::NAME),
        "Its name. Kind, namespace and name make the identity that positions and costs are kept under.",
    )
    .required(),
    Field::new("namespace", Shape::Text(&form::LABEL), "Where it is, and where what it names is looked for.")
        .default("default"),
    Field::new(
        "labels",
        Shape::Labels,
        "For people and other tools; `weir run --select` goes by those of a Trigger, and the tables below name others that are read.",
    ),
    Field::new(
        "annotations",
        Shape::Annotations,
        "What Knative has no field for. An unknown one under `weir.dev/` is an error; others are read where a table below \
         names them, else passed over without a note.",
    ),
    Field::of_the_cluster("uid"),
    Field::of_the_cluster("resourceVersion"),
    Field::of_the_cluster("generation"),
    Field::of_the_cluster("creationTimestamp"),
    Field::of_the_cluster("managedFields"),
    Field::of_the_cluster("ownerReferences"),
    Field::of_the_cluster("finalizers"),
    Field::of_the_cluster("generateName"),
    Field::of_the_cluster("selfLink"),
    Field::of_the_cluster("deletionTimestamp"),
    Field::of_the_cluster("deletionGracePeriodSeconds"),
]);

/// Every kind knows it.
pub(super) const ALLOW: Field = Field::new(
    lint::ALLOW,
    Shape::Text(&form::ANY),
    "The lints that this document means as it is, and why, as [diagnostics](diagnostics.md#where-it-is-meant) has it.",
);
