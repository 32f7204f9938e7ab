//! Whom events are handed to, and where dead letters go.

use std::sync::Arc;

use super::super::budget::{Amount, Budget};
use super::super::delivery::{DeadLetters, Delivery};
use super::super::diagnostic::{Code, Severity};
use super::super::document::Document;
use super::super::endpoint::{Endpoint, Service};
use super::super::reference::Named;
use super::super::spelling::{listed, nearest};
use super::super::trigger::Subscriber as Draft;
use super::super::{DeadLetterTo, Subscriber};
use super::{Link, names_in};
use crate::dispatch::Policy;

/// The policy of deliveries to it.
pub(super) fn policy(policy: Policy, subscriber: &Subscriber) -> Policy {
    Policy { remote: matches!(subscriber, Subscriber::Http(_)), ..policy }
}

impl Link<'_> {
    pub(super) fn subscriber(&mut self, subscriber: &Draft) -> Option<Subscriber> {
        match subscriber {
            Draft::Url(endpoint) => Some(Subscriber::Http(Arc::new(endpoint.clone()))),
            Draft::Function(named) => self.function(named),
            Draft::Service(named, below) => {
                let identity = (named.namespace.as_str(), named.name.as_str());
                if let Some(index) = self.by_service.get(&identity) {
                    for (name, place) in &below.places {
                        let message =
                            format!("'{name}' has no effect: a Function serves the Service '{}'", named.name);
                        self.diagnostics.at(Severity::Note, place, message).code(Code::WITHOUT_EFFECT);
                    }
                    return Some(Subscriber::Function(*index));
                }
                let (namespace, name) = (named.namespace.clone(), named.name.clone());
                let service = Service { namespace, name, path: below.path.clone() };
                let url = service.of_cluster();
                self.say_called(named, &url);
                let (ca_certs, service) = (below.ca_certs.clone(), Some(service));
                Some(Subscriber::Http(Arc::new(Endpoint { url, ca_certs, service })))
            }
        }
    }

    fn function(&mut self, named: &Named) -> Option<Subscriber> {
        if let Some(index) = self.by_name.get(&(named.namespace.as_str(), named.name.as_str())) {
            return Some(Subscriber::Function(*index));
        }
        let near = nearest(&named.name, names_in(&self.by_name, &named.namespace));
        let functions = listed(names_in(&self.by_name, &named.namespace));
        let near = near.map(|near| format!("did you mean '{near}'? Functions here: {functions}"));
        self.missing(named, "Function", near, format!("Functions here: {functions}"));
        None
    }

    /// No Function serves the Service: said, for it may have been meant otherwise.
    fn say_called(&mut self, named: &Named, url: &str) {
        let near = nearest(&named.name, names_in(&self.by_service, &named.namespace)).map(str::to_owned);
        let (severity, help) = match near {
            Some(near) => (Severity::Warning, format!("did you mean '{near}', which a Function serves?")),
            None => {
                let help = "a Function may list it in spec.serves, or the setting 'services' say where it is";
                (Severity::Note, help.to_owned())
            }
        };
        let message = format!("no Function serves the Service '{}': it is called at {url}", named.name);
        self.diagnostics.at(severity, &named.place, message).code(Code::REFERENCE).help(help);
    }

    /// Of a trigger whose subscriber is a function.
    pub(super) fn note_of_http(&mut self, document: &Document, delivery: &Delivery) {
        for (name, place) in &delivery.of_http {
            let kind = document.kind();
            let message = format!(
                "{kind}.spec.delivery.{name} has no effect: its subscriber is a function, called here"
            );
            self.diagnostics.at(Severity::Note, place, message).code(Code::WITHOUT_EFFECT);
        }
    }

    /// Nobody has said what a call over HTTP costs.
    pub(super) fn warn_of_free(&mut self, document: &Document, budget: Option<Budget>) {
        if let Some(Budget { limit: Amount::Money(_), .. }) = budget {
            let message = "its budget is never used up: calls over HTTP have no price";
            let help = "write how long they may take, as weir.dev/budget-per-worker: 600000ms/day";
            self.diagnostics.at(Severity::Warning, &document.place, message).help(help);
        }
    }

    /// `document` says it.
    pub(super) fn dead_letters(&mut self, sink: &DeadLetters, document: &Document) -> Option<DeadLetterTo> {
        match sink {
            DeadLetters::Broker(named) => Some(DeadLetterTo::Broker(self.broker(named)?.0)),
            DeadLetters::Sink(kind, named) => Some(DeadLetterTo::Sink(self.sink_uid(kind, named)?)),
            DeadLetters::Subscriber(draft) => {
                let subscriber = self.subscriber(draft)?;
                Some(DeadLetterTo::Forward(self.forward(subscriber, draft, document)))
            }
        }
    }
}
