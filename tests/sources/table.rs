//! The table of docs/sources.md: scripts, and the sources that they are played over.

/// In the order of its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Queue,
    Direct,
    Kafka,
    Nats,
    NatsPartitions,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// It is played, and ends as over the others.
    Same,
    /// Why it can't be.
    Not(String),
}

const PAGE: &str = include_str!("../../docs/sources.md");
const SOURCES: [Source; 5] =
    [Source::Queue, Source::Direct, Source::Kafka, Source::Nats, Source::NatsPartitions];

fn rows() -> impl Iterator<Item = (String, Vec<Cell>)> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let lines = PAGE.lines().filter(|line| line.starts_with('|'));
    lines.skip(2).map(move |line| {
        let all = cells(line);
        let of = |cell: &String| if cell == "same" { Cell::Same } else { Cell::Not(cell.clone()) };
        (all[0].clone(), all[2..].iter().map(of).collect())
    })
}

pub(crate) fn scripts() -> Vec<String> {
    rows().map(|(script, _)| script).collect()
}

pub(crate) fn row(script: &str) -> impl Iterator<Item = (Source, Cell)> {
    let row = rows().find(|(name, _)| name == script);
    let (_, cells) = row.unwrap_or_else(|| panic!("docs/sources.md has no '{script}'"));
    assert_eq!(cells.len(), SOURCES.len(), "{script}: a cell for each source");
    SOURCES.into_iter().zip(cells)
}
