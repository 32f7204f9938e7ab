//! Input that is named on the command line: a file, or - for standard input.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::exit::Failed;

/// The data of an event, as an option says it: itself, or after an @ the file that holds it.
pub fn data(said: &str) -> Result<String, Failed> {
    let Some(file) = said.strip_prefix('@') else { return Ok(said.to_owned()) };
    String::from_utf8(read(Path::new(file))?).map_err(|_| {
        Failed::error(format!("{file} is not UTF-8 text: a file of events can hold data_base64"))
    })
}

pub fn read(path: &Path) -> Result<Vec<u8>, Failed> {
    let mut text = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().read_to_end(&mut text)
    } else {
        File::open(path).and_then(|mut file| file.read_to_end(&mut text))
    };
    read.map_err(|e| Failed::error(format!("{} can't be read: {e}", path.display())))?;
    Ok(text)
}
