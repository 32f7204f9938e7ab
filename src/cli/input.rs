//! Input that is named on the command line: a file, or - for standard input.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::exit::Failed;

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
