//! The Trigger document: which events of a broker go to which function, and how.

use std::collections::BTreeMap;

use crate::dispatch::{Flow, Order};
use crate::trigger::{DataFilter, Filter};

use super::budget::{self, Budget, BudgetPolicy};
use super::data_filter;
use super::delivery::Delivery;
use super::diagnostic::Report;
use super::endpoint::Endpoint;
use super::filters;
use super::flow;
use super::metadata::Metadata;
use super::reader::Fields;
use super::reference::{Below, Destination, Named, Reference};
use super::tenant::{self, Tenant};

const COST_ON_REPLIES: &str = "weir.dev/cost-on-replies";
const TENANT: &str = "weir.dev/tenant";

/// A Trigger as read, before what it names is looked up. `None`: reported.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub broker: Option<Named>,
    pub filter: Option<Filter>,
    /// What it wants of the data; `Some(None)`: nothing.
    pub data: Option<Option<DataFilter>>,
    pub subscriber: Option<Subscriber>,
    pub delivery: Delivery,
    pub order: Option<Order>,
    pub flow: Option<Flow>,
    pub labels: BTreeMap<String, String>,
    /// Who pays; `Some(None)`: whom its function names.
    pub tenant: Option<Option<Tenant>>,
    pub budget: Option<Option<Budget>>,
    pub cost_on_replies: bool,
}

impl Draft {
    /// What is done at once, and how often, and whether a day may be the end of it.
    pub(super) fn flow(&self) -> Option<Flow> {
        let pauses = self.budget?.is_some_and(|budget| budget.policy == BudgetPolicy::Pause);
        Some(Flow { budget: pauses, ..self.flow? })
    }
}

#[derive(Clone, Debug)]
pub(super) enum Subscriber {
    Function(Named),
    /// The Function that serves it, or the Service itself.
    Service(Named, Below),
    Url(Endpoint),
}

pub(super) fn read(
    document: &mut Fields<'_>,
    metadata: &Metadata<'_>,
    report: &mut Report<'_>,
) -> Option<Draft> {
    let order = order(metadata, report);
    let data = data_filter::read(metadata, report);
    let flow = flow::read(metadata, report);
    let tenant = tenant(metadata, report);
    let budget = budget::read(metadata, report);
    let words = [("true", true), ("false", false)];
    let cost_on_replies = metadata.choice(COST_ON_REPLIES, &words, report).unwrap_or(false);
    let namespace = metadata.namespace();
    let mut spec = document.required_map("spec", report)?;
    let broker = broker(&mut spec, namespace, report);
    let filter = filters::read(&mut spec, report);
    let subscriber = spec.required_map("subscriber", report);
    let subscriber = subscriber.and_then(|fields| subscribed(fields, namespace, report));
    let delivery = Delivery::read(&mut spec, namespace, report);
    spec.finish(report);
    let labels = metadata.labels();
    Some(Draft {
        broker,
        filter,
        data,
        subscriber,
        delivery,
        order,
        flow,
        labels,
        tenant,
        budget,
        cost_on_replies,
    })
}

/// `None` where it is in error.
fn tenant(metadata: &Metadata<'_>, report: &mut Report<'_>) -> Option<Option<Tenant>> {
    match metadata.annotation(TENANT) {
        // One that is no string has been reported.
        Some(node) => node.text().and_then(|_| tenant::read(node, TENANT, report)).map(Some),
        None => Some(None),
    }
}

fn order(metadata: &Metadata<'_>, report: &mut Report<'_>) -> Option<Order> {
    let (ordered, unordered) = (("ordered", Order::Ordered), ("unordered", Order::Unordered));
    let knative = metadata.choice("kafka.eventing.knative.dev/delivery.order", &[ordered, unordered], report);
    let own = metadata.choice("weir.dev/delivery.order", &[ordered, ("key", Order::Key), unordered], report);
    own.or(knative)
}

fn broker(spec: &mut Fields<'_>, namespace: &str, report: &mut Report<'_>) -> Option<Named> {
    let (name, reference) = (spec.optional("broker"), spec.entry("brokerRef"));
    match (name, reference) {
        (Some(node), None) => {
            let name = spec.string("broker", report)?;
            Some(Named { namespace: namespace.into(), name: name.into(), place: report.place(node.span) })
        }
        (None, Some(_)) => {
            let to = Reference::read(spec.map("brokerRef", report)?, namespace, report)?;
            if to.kind != "Broker" {
                report
                    .error(to.kind_span, format!("brokerRef names a {}", to.kind))
                    .help("write 'kind: Broker'");
                return None;
            }
            to.is_of_its_version(report).then(|| to.named(report))
        }
        (Some(_), Some(entry)) => {
            report
                .error(entry.key_span, "Trigger.spec: 'broker' and 'brokerRef' both stand here")
                .help("remove one of them");
            None
        }
        (None, None) => {
            spec.required("broker");
            None
        }
    }
}

fn subscribed(fields: Fields<'_>, namespace: &str, report: &mut Report<'_>) -> Option<Subscriber> {
    let path = fields.path.clone();
    subscriber(Destination::read(fields, namespace, report)?, &path, "a subscriber", report)
}

/// What events may be handed to. `role`: what it is to be.
pub(super) fn subscriber(
    to: Destination<'_>,
    path: &str,
    role: &str,
    report: &mut Report<'_>,
) -> Option<Subscriber> {
    let (to, below) = match to {
        Destination::Url(endpoint) => return Some(Subscriber::Url(endpoint)),
        Destination::Reference(to, below) => (to, below),
    };
    match to.kind {
        "Function" => {
            below.without_effect(path, "a function is called here, not over HTTP", report);
            to.is_of_its_version(report).then(|| Subscriber::Function(to.named(report)))
        }
        "Service" => to.is_of_its_version(report).then(|| Subscriber::Service(to.named(report), below)),
        other => {
            let near = super::spelling::did_you_mean(other, ["Function", "Service"]);
            report.error(to.kind_span, format!("{path}.ref: a {other} can't be {role}")).help(
                near.unwrap_or_else(|| "name a weir.dev Function or a Service, or write a 'uri'".into()),
            );
            None
        }
    }
}
