//! `weir schema`.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::exit::{Failed, Outcome};
use super::out::print;
use crate::config::schema::{self, Schema};

#[derive(Debug, Args)]
#[command(after_help = "\
With one, an editor completes fields, shows what they do, and marks most of what 'weir check'
would: the schemas are made of the list of fields that the worker itself reads by. What stands in
other files, and what an expression means, 'weir check' alone knows.

At the top of a file, for every editor with yaml-language-server (VS Code, Helix, Neovim):
  # yaml-language-server: $schema=../schemas/documents.json

Examples:
  weir schema > documents.json            every kind of document, for all files in triggers/
  weir schema Trigger
  weir schema settings                    weir.yaml
  weir schema --output schemas            all of them")]
pub struct Print {
    /// Of which: all documents, the settings, or one kind
    #[arg(value_name = "KIND", default_value = "documents", ignore_case = true)]
    #[arg(value_parser = PossibleValuesParser::new(schema::all().map(|schema| schema.name)))]
    name: String,
    /// Write all of them into a directory, as files
    #[arg(short, long, value_name = "DIR", conflicts_with = "name")]
    output: Option<PathBuf>,
}

impl Print {
    pub fn main(&self) -> Outcome {
        if let Some(directory) = &self.output {
            std::fs::create_dir_all(directory).map_err(|error| {
                Failed::error(format!("{} can't be created: {error}", directory.display()))
            })?;
            return schema::all().try_for_each(|schema| write(directory, &schema));
        }
        let named = |schema: &Schema| schema.name.eq_ignore_ascii_case(&self.name);
        schema::all().find(named).map_or(Ok(()), |schema| print(schema.text()))
    }
}

fn write(directory: &Path, schema: &Schema) -> Outcome {
    let path = directory.join(schema.file());
    std::fs::write(&path, schema.text())
        .map_err(|error| Failed::error(format!("{} can't be written: {error}", path.display())))?;
    print(format_args!("{}: {}\n", path.display(), schema.doc))
}
