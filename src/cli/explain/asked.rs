//! The events that are asked about: those of a file, or one made from options as `weir publish` makes it.

use std::path::Path;

use bytes::Bytes;
use clap::Args;

use crate::cli::exit::Failed;
use crate::cli::input;
use crate::cli::outbox::{Outbox, Template};
use crate::event::{Event, structured};

#[derive(Debug, Args)]
pub(super) struct Asked {
    /// The event's type
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    ty: Option<String>,
    /// The event's source
    #[arg(long, default_value = "/weir/publish", requires = "ty")]
    source: String,
    /// The event's subject
    #[arg(long, requires = "ty")]
    subject: Option<String>,
    /// The event's id
    #[arg(long, default_value = "explained", requires = "ty")]
    id: String,
    /// The partitionkey
    #[arg(long, requires = "ty")]
    key: Option<String>,
    /// The data: JSON, else text; @FILE is what a file holds, @- standard input
    #[arg(short, long, requires = "ty")]
    data: Option<String>,
}

impl Asked {
    /// From options, and not from a file.
    pub(super) fn is_made(&self) -> bool {
        self.ty.is_some()
    }

    pub(super) fn bodies(&self, file: Option<&Path>) -> Result<Vec<Bytes>, Failed> {
        let outbox = match (&self.ty, file) {
            (Some(ty), _) => Outbox::Made(Box::new(Template {
                ty: ty.clone(),
                source: self.source.clone(),
                subject: self.subject.clone(),
                id: self.id.clone(),
                many: false,
                key: self.key.clone(),
                data: self.data.as_deref().map(input::data).transpose()?,
            })),
            (None, Some(file)) => Outbox::read(&input::read(file)?)
                .map_err(|e| Failed::error(format!("{}{e}", file.display())))?,
            (None, None) => return Err(Failed::usage("no event: name a file, or say --type")),
        };
        Ok((0..outbox.per_round()).map(|number| outbox.event(number)).collect())
    }
}

pub(super) fn decoded(body: &[u8]) -> Result<Event<'_>, Failed> {
    structured::decode(body).map_err(|e| Failed::usage(format!("the event: {e}")))
}
