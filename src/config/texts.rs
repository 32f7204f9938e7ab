//! Documents as text: as their files held them at one moment, or as they were kept of an earlier one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Code, Diagnostics, Report};
use super::document::{Document, Draft};
use super::modules::{self, Modules};
use super::text::Text;
use super::{Loaded, document, files, link, lint, test, yaml};

#[derive(Debug)]
pub struct Texts {
    all: Vec<Arc<Text>>,
    /// Of what could not be read.
    diagnostics: Diagnostics,
}

impl Texts {
    /// Of these paths, each a file or a directory.
    pub fn read(paths: &[PathBuf]) -> Texts {
        let mut diagnostics = Diagnostics::default();
        diagnostics.coded(Code::FILE);
        let all = files::read_all(paths, &mut diagnostics);
        Texts { all, diagnostics }
    }

    /// Under the names of their files.
    pub fn of<'t>(texts: impl IntoIterator<Item = (&'t str, &'t str)>) -> Texts {
        let all = texts.into_iter().map(|(name, content)| Arc::new(Text::new(name, content))).collect();
        Texts { all, diagnostics: Diagnostics::default() }
    }

    /// Each with the name of its file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all.iter().map(|text| (&*text.name, text.content.as_str()))
    }

    /// Could something not be read? It may be there again later, and look the same.
    pub fn is_partial(&self) -> bool {
        self.diagnostics.has_errors()
    }

    /// With the Tests of those files that are `wanted`; the others are passed over, and with them their mistakes.
    pub fn load(&self, modules: &Modules, wanted: &dyn Fn(&Path) -> bool) -> Loaded {
        let mut diagnostics = self.diagnostics.clone();
        let (mut documents, mut trees) = (Vec::new(), lint::Trees::default());
        let mut whole = !diagnostics.has_errors();
        for text in &self.all {
            let report = &mut Report::new(text, &mut diagnostics);
            report.coded(Code::SYNTAX);
            let stream = yaml::parse(report, &text.content);
            whole &= stream.whole;
            report.coded(Code::VALUE);
            for root in &stream.documents {
                document::read(root, &mut documents, report);
            }
            trees.add(text, stream.documents);
        }
        let (mut unread, mut triggers) = (Vec::new(), BTreeSet::new());
        documents.retain(|Document { draft, place, namespace, name }| {
            match draft {
                Draft::Test(root) if wanted(Path::new(&*place.text.name)) => {
                    unread.push(test::Unread { root: root.clone(), place: place.clone() });
                }
                Draft::Trigger(_) => drop(triggers.insert((namespace.clone(), name.clone()))),
                _ => {}
            }
            !matches!(draft, Draft::Test(_))
        });
        diagnostics.coded(Code::REFERENCE);
        let named = modules::find(&mut documents, modules, &mut diagnostics);
        let config = link::link(documents, whole, &mut diagnostics);
        lint::warn(&trees, &config, &mut diagnostics);
        diagnostics.coded(Code::VALUE);
        let triggers = triggers.iter().map(|(namespace, name)| (namespace.as_str(), name.as_str())).collect();
        let brokers = config.brokers.iter().map(|b| (b.namespace.as_str(), b.name.as_str())).collect();
        let names = test::Names { triggers, brokers, whole, namespace: "default" };
        let tests = test::read_all(unread, &names, &mut diagnostics);
        let config = (!diagnostics.has_errors()).then_some(config);
        let checklist = config.as_ref().map(|config| lint::checklist(&trees, config)).unwrap_or_default();
        let files = self.all.iter().map(|text| PathBuf::from(&*text.name)).collect();
        Loaded { config, tests, diagnostics, checklist, files, modules: named }
    }
}
