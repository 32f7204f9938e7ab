//! Documents that name each other become one Config: every name is looked up, none is guessed.

use std::collections::{BTreeMap, HashMap};

use crate::dispatch::{Order, Policy};
use crate::event::Uid;

use super::delivery::{DeadLetters, Delivery};
use super::diagnostic::{Diagnostics, Severity};
use super::document::{Document, Draft};
use super::origins::SaidBy;
use super::reference::Named;
use super::spelling::{listed, nearest};
use super::trigger;
use super::{Broker, Config, DeadLetterTo, Function, Subscriber, Tenant, Trigger};

mod forward;
mod of_source;
mod stream;
mod subscriber;

/// The broker that exists without a document, and its namespace.
const DEFAULT: (&str, &str) = ("default", "default");

/// `whole`: every file was read to its end, so what is not found is not there.
pub(super) fn link(documents: Vec<Document>, whole: bool, diagnostics: &mut Diagnostics) -> Config {
    let documents = unique(documents, diagnostics);
    let mut link = Link::new(&documents, whole, diagnostics);
    let (mut triggers, mut sources, mut billing) = (Vec::new(), Vec::new(), Vec::new());
    for document in &documents {
        match &document.draft {
            Draft::Trigger(Some(draft)) => match link.trigger(document, draft) {
                Some(trigger) => triggers.push(trigger),
                None => link.leave_out(document),
            },
            Draft::Trigger(None) => link.leave_out(document),
            Draft::Broker(draft) => {
                if let Some(sink) = &draft.delivery.dead_letter {
                    link.dead_letters(sink, document);
                }
                link.back(document, draft.backing.as_ref());
            }
            Draft::KafkaSource(Some(draft)) | Draft::NatsSource(Some(draft)) => {
                match link.source(document, draft) {
                    Some(source) => sources.push(source),
                    None => link.leave_out(document),
                }
            }
            Draft::BillingSink(Some(draft)) => match link.billing(document, draft) {
                Some(sink) => billing.push(sink),
                None => link.leave_out(document),
            },
            Draft::KafkaSource(None)
            | Draft::KafkaSink(None)
            | Draft::NatsSource(None)
            | Draft::NatsSink(None)
            | Draft::BillingSink(None) => link.leave_out(document),
            Draft::Function(_) | Draft::KafkaSink(Some(_)) | Draft::NatsSink(Some(_)) | Draft::Test(_) => {}
        }
    }
    link.warn_of_shared(&documents, &sources);
    link.refuse_order(&documents, &sources);
    let forwards = std::mem::take(&mut link.forwards);
    let of_sources = std::mem::take(&mut link.of_sources);
    let sinks = link.sinks.iter().filter_map(|document| stream::sink(document)).collect();
    let brokers = link
        .brokers
        .keys()
        .map(|(namespace, name)| Broker {
            uid: uid_of_broker(namespace, name),
            namespace: (*namespace).into(),
            name: (*name).into(),
            backing: link.backings.get(&uid_of_broker(namespace, name)).copied(),
        })
        .collect::<Vec<_>>();
    let functions = link
        .functions
        .iter()
        .map(|document| {
            let draft = if let Draft::Function(draft) = &document.draft { draft.as_ref() } else { None };
            // Absent only where its absence is an error, and then the config is not handed out.
            let module = draft.and_then(|draft| draft.module.as_ref());
            Function {
                uid: Uid::of_document(&document.namespace, "Function", &document.name),
                namespace: document.namespace.clone(),
                name: document.name.clone(),
                module: module.map(|module| module.path.clone()).unwrap_or_default(),
                module_place: module.map_or(&document.place, |module| &module.place).clone(),
                script: draft.and_then(|draft| draft.script.as_ref()).map(|script| script.path.clone()),
                tenant: draft
                    .and_then(|draft| draft.tenant.clone())
                    .unwrap_or_else(|| Tenant::named(&document.namespace)),
                price: draft.map(|draft| draft.price.clone()).unwrap_or_default(),
                tariffs: draft.map(|draft| draft.tariffs.clone()).unwrap_or_default(),
                limits: draft.map(|draft| draft.limits).unwrap_or_default(),
                config: draft.map(|draft| draft.config.clone()).unwrap_or_default(),
                environment: draft.map(|draft| draft.environment.clone()).unwrap_or_default(),
                upkeep: draft.map(|draft| draft.upkeep).unwrap_or_default(),
            }
        })
        .collect();
    Config {
        brokers,
        triggers,
        forwards,
        of_sources,
        deselected: Vec::new(),
        functions,
        sources,
        sinks,
        billing,
    }
}

fn uid_of_broker(namespace: &str, name: &str) -> Uid {
    Uid::of_document(namespace, "Broker", name)
}

/// Of documents with one kind, namespace and name the first stays.
fn unique(documents: Vec<Document>, diagnostics: &mut Diagnostics) -> Vec<Document> {
    let mut first: HashMap<(&'static str, String, String), super::text::Place> = HashMap::new();
    let mut kept = Vec::new();
    for document in documents {
        let identity = (document.kind(), document.namespace.clone(), document.name.clone());
        match first.get(&identity) {
            Some(place) => {
                let (kind, namespace, name) = identity;
                diagnostics
                    .at(
                        Severity::Error,
                        &document.place,
                        format!("the {kind} '{name}' in namespace '{namespace}' is there twice; the first is at {place}"),
                    )
                    .help("remove or rename one of them");
            }
            None => {
                first.insert(identity, document.place.clone());
                kept.push(document);
            }
        }
    }
    kept
}

/// What a Broker's document says of delivery.
#[derive(Clone, Copy)]
struct OfBroker<'d> {
    delivery: &'d Delivery,
    document: &'d Document,
}

struct Link<'d> {
    brokers: BTreeMap<(&'d str, &'d str), Option<OfBroker<'d>>>,
    forwards: Vec<Trigger>,
    /// The sinks that brokers have their events in.
    backings: BTreeMap<Uid, Uid>,
    of_sources: Vec<Trigger>,
    functions: Vec<&'d Document>,
    by_name: BTreeMap<(&'d str, &'d str), usize>,
    by_service: BTreeMap<(&'d str, &'d str), usize>,
    sinks: Vec<&'d Document>,
    whole: bool,
    diagnostics: &'d mut Diagnostics,
}

impl<'d> Link<'d> {
    fn new(documents: &'d [Document], whole: bool, diagnostics: &'d mut Diagnostics) -> Link<'d> {
        let mut link = Link {
            brokers: BTreeMap::from([(DEFAULT, None)]),
            forwards: Vec::new(),
            backings: BTreeMap::new(),
            of_sources: Vec::new(),
            functions: Vec::new(),
            by_name: BTreeMap::new(),
            by_service: BTreeMap::new(),
            sinks: Vec::new(),
            whole,
            diagnostics,
        };
        for document in documents {
            let identity = (document.namespace.as_str(), document.name.as_str());
            match &document.draft {
                Draft::Broker(draft) => {
                    link.brokers.insert(identity, Some(OfBroker { delivery: &draft.delivery, document }));
                }
                Draft::Function(draft) => {
                    link.by_name.insert(identity, link.functions.len());
                    let serves = draft.as_ref().map_or(&[][..], |draft| &draft.serves);
                    serves.iter().for_each(|service| link.serve(service));
                    link.functions.push(document);
                }
                Draft::KafkaSink(_) | Draft::NatsSink(_) => link.sinks.push(document),
                _ => {}
            }
        }
        link
    }

    /// The function that is about to be added serves this.
    fn serve(&mut self, service: &'d Named) {
        let index = self.functions.len();
        if let Some(other) = self.by_service.insert((&service.namespace, &service.name), index) {
            let by = match self.functions.get(other) {
                Some(other) => format!("by the Function '{}' at {}", other.name, other.place),
                None => "by this Function".into(),
            };
            let message = format!("the Service '{}' is already served {by}", service.name);
            self.diagnostics.at(Severity::Error, &service.place, message).help("let one function serve it");
        }
    }

    fn trigger(&mut self, document: &Document, draft: &trigger::Draft) -> Option<Trigger> {
        let broker = draft.broker.as_ref().and_then(|named| self.broker(named));
        let subscriber = draft.subscriber.as_ref().and_then(|subscriber| self.subscriber(subscriber));
        if let Some(Subscriber::Function(_)) = subscriber {
            self.note_of_http(document, &draft.delivery);
        }
        if let Some(Subscriber::Http(_)) = subscriber {
            self.warn_of_free(document, draft.budget.flatten());
        }
        let nothing = Delivery::default();
        let of_broker = broker.and_then(|(_, of)| of);
        let inherited = of_broker.map_or(&nothing, |of| of.delivery);
        let policy = draft.delivery.policy(inherited, draft.order.unwrap_or(Order::Key));
        let order = if draft.order.is_some() { SaidBy::Trigger } else { SaidBy::Default };
        let dead_letter = match (&draft.delivery.dead_letter, of_broker) {
            (Some(sink), _) => self.dead_letters(sink, document)?,
            (None, Some(OfBroker { delivery: Delivery { dead_letter: Some(sink), .. }, document })) => {
                self.dead_letters(sink, document)?
            }
            (None, _) => DeadLetterTo::Store,
        };
        let sink = draft.delivery.dead_letter.as_ref().or(inherited.dead_letter.as_ref());
        if let (DeadLetterTo::Broker(uid), Some(DeadLetters::Broker(named))) = (dead_letter, sink)
            && broker.is_some_and(|(own, _)| own == uid)
        {
            let message = format!(
                "dead letters of the Trigger '{}' re-enter the broker that they come from",
                document.name
            );
            self.diagnostics
                .at(Severity::Warning, &named.place, message)
                .help("name another broker, or leave deadLetterSink out: the worker's store then keeps them");
        }
        Some(Trigger {
            uid: Uid::of_document(&document.namespace, "Trigger", &document.name),
            namespace: document.namespace.clone(),
            name: document.name.clone(),
            broker: broker?.0,
            filter: draft.filter.clone()?,
            data: draft.data.clone()?,
            policy: subscriber::policy(Policy { flow: draft.flow()?, ..policy }, subscriber.as_ref()?),
            subscriber: subscriber?,
            sending: draft.delivery.sending(inherited),
            dead_letter,
            labels: draft.labels.clone(),
            tenant: draft.tenant.clone()?,
            budget: draft.budget?,
            cost_on_replies: draft.cost_on_replies,
            origins: draft.delivery.origins(inherited, order),
            place: format!("{}:{}", document.place.text.name, document.place.span.line),
        })
    }

    /// A trigger left out has its reason among the errors. Were there none, leaving it out would be silent.
    fn leave_out(&mut self, document: &Document) {
        if !self.diagnostics.has_errors() {
            let message = format!("the {} '{}' could not be understood", document.kind(), document.name);
            self.diagnostics.at(Severity::Error, &document.place, message);
        }
    }

    fn back(&mut self, document: &Document, backing: Option<&(&'static str, Named)>) {
        let sink = backing.and_then(|(kind, named)| self.sink_uid(kind, named));
        let broker = uid_of_broker(&document.namespace, &document.name);
        self.backings.extend(sink.map(|sink| (broker, sink)));
    }

    fn broker(&mut self, named: &Named) -> Option<(Uid, Option<OfBroker<'d>>)> {
        let identity = (named.namespace.as_str(), named.name.as_str());
        if let Some(of) = self.brokers.get(&identity) {
            return Some((uid_of_broker(identity.0, identity.1), *of));
        }
        let names = names_in(&self.brokers, &named.namespace);
        let near = nearest(&named.name, names.iter().copied());
        let otherwise = match names.as_slice() {
            [] => "add a Broker document: only 'default' in 'default' needs none".into(),
            names => format!("add a Broker document; there are {}", listed(names.iter().copied())),
        };
        self.missing(named, "Broker", near.map(|near| format!("did you mean '{near}'?")), otherwise);
        None
    }

    fn missing(&mut self, named: &Named, word: &str, near: Option<String>, otherwise: String) {
        let unread = || "it may stand in what could not be read".into();
        let help = near.unwrap_or_else(|| if self.whole { otherwise } else { unread() });
        let message = format!("no {word} '{}' in namespace '{}'", named.name, named.namespace);
        self.diagnostics.at(Severity::Error, &named.place, message).help(help);
    }
}

fn names_in<'d, V>(known: &BTreeMap<(&'d str, &'d str), V>, namespace: &str) -> Vec<&'d str> {
    known.keys().filter(|(own, _)| *own == namespace).map(|(_, name)| *name).collect()
}
