//! What may be written and is probably not meant, and what should be otherwise in production. One lint a file; each can be
//! silenced where it stands, by the annotation [`ALLOW`]. None is more than a warning: what can't be right is an error, and
//! said elsewhere.

mod allow;
mod backing;
mod dead_letter;
mod duplicate;
mod function;
mod missing;
mod retries;
mod scaling;
mod site;
#[cfg(test)]
mod tests;
mod timeout;
mod unreachable;
mod workers;

pub(super) use allow::ALLOW;
pub(super) use site::Trees;

use super::Config;
use super::diagnostic::{Code, Diagnostics, Severity};
use super::text::Span;
use site::{Site, Sites};

/// A lint as it is known outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lint {
    pub code: Code,
    /// Whether it is of the production checklist: said only to those who ask.
    pub production: bool,
    /// What it tells of.
    pub tells: &'static str,
}

/// What may be silenced. A name that was published stays.
pub const ALL: [Lint; 12] = [
    unreachable::LINT,
    duplicate::LINT,
    missing::LINT,
    backing::LINT,
    dead_letter::LINT,
    timeout::LINT,
    retries::UNCAPPED,
    retries::ORDERED,
    scaling::LINT,
    workers::LINT,
    function::NO_LIMITS,
    function::NO_PRICE,
];

impl Lint {
    const fn always(code: &'static str, tells: &'static str) -> Lint {
        Lint { code: Code::of_lint(code), production: false, tells }
    }

    const fn production(code: &'static str, tells: &'static str) -> Lint {
        Lint { code: Code::of_lint(code), production: true, tells }
    }

    /// As the annotation has it.
    pub fn name(&self) -> &'static str {
        self.code.text().trim_start_matches("lint/")
    }
}

/// What is said, but for what is allowed where it stands.
struct Findings<'d> {
    diagnostics: &'d mut Diagnostics,
}

impl Findings<'_> {
    fn add(&mut self, lint: Lint, site: &Site<'_>, at: Span, message: String, help: &str) {
        if !site.allows(lint.name()) {
            let place = site.place(at);
            self.diagnostics.at(Severity::Warning, &place, message).code(lint.code).help(help);
        }
    }
}

/// What is probably not meant, also in documents of which others have mistakes.
pub(super) fn warn(trees: &Trees, config: &Config, diagnostics: &mut Diagnostics) {
    let sites = Sites::of(trees);
    allow::check(&sites, diagnostics);
    // What a trigger with a mistake asks for is not known.
    let mistakes = diagnostics.has_errors();
    let findings = &mut Findings { diagnostics };
    for site in sites.of_kind("Trigger") {
        unreachable::check(site, findings);
        missing::check(site, findings);
    }
    if !mistakes {
        duplicate::check(&sites, config, findings);
        backing::check(&sites, config, findings);
    }
}

/// The production checklist.
pub(super) fn checklist(trees: &Trees, config: &Config) -> Diagnostics {
    let (sites, mut diagnostics) = (Sites::of(trees), Diagnostics::default());
    let findings = &mut Findings { diagnostics: &mut diagnostics };
    for trigger in &config.triggers {
        let Some(site) = sites.find("Trigger", &trigger.namespace, &trigger.name) else { continue };
        let broker = config.brokers.iter().find(|broker| broker.uid == trigger.broker);
        let broker = broker.and_then(|broker| sites.find("Broker", &broker.namespace, &broker.name));
        dead_letter::check(trigger, site, findings);
        timeout::check(trigger, site, broker, findings);
        retries::check(trigger, site, broker, findings);
    }
    for site in sites.of_kind("Function") {
        function::check(site, findings);
    }
    scaling::check(&sites, config, findings);
    workers::check(&sites, config, findings);
    diagnostics
}
