//! YAML text to trees, within bounds: depth, number of nodes, and what aliases expand to.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::diagnostic::Report;
use super::node::{Entry, Kind, Node};
use super::scalar::Scalar;
use super::text::Span;

/// A file's size.
pub(super) const MAX_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 64;
/// Of a file, its aliases expanded.
const MAX_NODES: usize = 100_000;
const MAX_EXPANDED_BYTES: usize = 4 << 20;

/// A file's documents.
pub(super) struct Stream {
    /// Those that are not empty.
    pub documents: Vec<Node>,
    /// Nothing was left unread: a syntax error ends a file.
    pub whole: bool,
}

pub(super) fn parse(report: &mut Report<'_>, content: &str) -> Stream {
    if content.len() > MAX_BYTES {
        let message = format!("the file is {} bytes long; a file may have {MAX_BYTES}", content.len());
        report.error(Span::default(), message).help("split it: a directory may hold any number of files");
        return Stream { documents: Vec::new(), whole: false };
    }
    let mut builder =
        Builder { report, done: Vec::new(), stack: Vec::new(), anchors: HashMap::new(), room: Room::new() };
    let mut parser = Parser::new_from_str(content);
    let whole = loop {
        match parser.next_event() {
            None | Some(Ok((Event::StreamEnd, _))) => break true,
            Some(Ok((event, span))) => {
                if builder.take(event, convert(span)).is_err() {
                    break false;
                }
            }
            Some(Err(error)) => {
                let at = convert(saphyr_parser::Span::empty(*error.marker()));
                builder.syntax_error(at, error.info());
                break false;
            }
        }
    };
    Stream { documents: builder.done, whole }
}

fn convert(span: saphyr_parser::Span) -> Span {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let (start, end) = (span.start, span.end);
    let length = if end.line() == start.line() { end.col().saturating_sub(start.col()) } else { 1 };
    // A block that ends where the next line begins ends on the line before.
    let end_line = if end.line() > start.line() && end.col() == 0 { end.line() - 1 } else { end.line() };
    Span {
        line: number(start.line()),
        column: number(start.col() + 1),
        length: number(length).max(1),
        end_line: number(end_line),
    }
}

/// Reading of this file has ended; the reason is reported.
struct Ended;

struct Builder<'r, 'a> {
    report: &'r mut Report<'a>,
    done: Vec<Node>,
    stack: Vec<Frame>,
    /// Finished nodes by their anchor.
    anchors: HashMap<usize, Node>,
    room: Room,
}

/// A list or map whose end has not been seen.
struct Frame {
    span: Span,
    anchor: usize,
    items: Items,
}

enum Items {
    Seq(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<Key>, seen: HashMap<Box<str>, Span> },
}

/// `None`: no key that a value can stand under; reported.
type Key = (Option<Box<str>>, Span);

/// What the file may still use up.
struct Room {
    nodes: usize,
    bytes: usize,
}

impl Room {
    fn new() -> Room {
        Room { nodes: MAX_NODES, bytes: MAX_EXPANDED_BYTES }
    }

    fn take(&mut self, nodes: usize, bytes: usize) -> bool {
        match (self.nodes.checked_sub(nodes), self.bytes.checked_sub(bytes)) {
            (Some(nodes), Some(bytes)) => {
                *self = Room { nodes, bytes };
                true
            }
            _ => false,
        }
    }
}

impl Builder<'_, '_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Ended> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let is = self.resolve(&text, plain, tag.as_deref(), span);
                self.finish(Node { kind: Kind::Scalar { is, text: text.into(), plain }, span }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(Items::Seq(Vec::new()), anchor, tag.as_deref(), span)
            }
            Event::MappingStart(anchor, tag) => {
                let items = Items::Map { entries: Vec::new(), key: None, seen: HashMap::new() };
                self.open(items, anchor, tag.as_deref(), span)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(Frame { span: start, anchor, items }) => {
                    let end_line = span.end_line.max(start.line);
                    let kind = match items {
                        Items::Seq(items) => Kind::Seq(items),
                        Items::Map { entries, .. } => Kind::Map(entries),
                    };
                    self.finish(Node { kind, span: Span { end_line, ..start } }, anchor)
                }
                None => Ok(()),
            },
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn open(&mut self, items: Items, anchor: usize, tag: Option<&Tag>, span: Span) -> Result<(), Ended> {
        if tag.is_some_and(|tag| !core(tag)) {
            self.refuse_tag(span);
        }
        if self.stack.len() >= MAX_DEPTH {
            return self.end(span, format!("nested more than {MAX_DEPTH} levels deep"));
        }
        self.stack.push(Frame { span, anchor, items });
        Ok(())
    }

    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Ended> {
        let bytes = if let Kind::Scalar { text, .. } = &node.kind { text.len() } else { 0 };
        if !self.room.take(1, bytes) {
            return self.end(node.span, format!("more than {MAX_NODES} values in one file"));
        }
        if anchor != 0 {
            let weight = node.weight();
            if !self.room.take(weight.nodes, weight.bytes) {
                return self.too_much(node.span);
            }
            self.anchors.insert(anchor, node.clone());
        }
        self.attach(node);
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Ended> {
        let Some(node) = self.anchors.get(&anchor) else {
            return self.end(span, "this alias stands inside what it refers to".into());
        };
        let weight = node.weight();
        if self.stack.len() + weight.depth > MAX_DEPTH {
            return self.end(span, format!("nested more than {MAX_DEPTH} levels deep by an alias"));
        }
        if !self.room.take(weight.nodes, weight.bytes) {
            return self.too_much(span);
        }
        let node = node.clone();
        self.attach(node);
        Ok(())
    }

    fn attach(&mut self, node: Node) {
        let Some(frame) = self.stack.last_mut() else {
            if !node.is_null() {
                self.done.push(node);
            }
            return;
        };
        match &mut frame.items {
            Items::Seq(items) => items.push(node),
            Items::Map { entries, key, seen } => match key.take() {
                None => *key = Some(key_of(node, self.report)),
                Some((None, _)) => {}
                Some((Some(key), key_span)) => match seen.get(&key) {
                    Some(first) => {
                        let message = format!("this key stands in the map already, on line {}", first.line);
                        self.report.error(key_span, message).help("remove one of them");
                    }
                    None => {
                        seen.insert(key.clone(), key_span);
                        entries.push(Entry { key, key_span, value: node });
                    }
                },
            },
        }
    }

    fn resolve(&mut self, text: &str, plain: bool, tag: Option<&Tag>, span: Span) -> Scalar {
        match tag {
            Some(tag) if !core(tag) => {
                self.refuse_tag(span);
                Scalar::Str
            }
            Some(tag) if tag.suffix == "str" || tag.suffix == "!" => Scalar::Str,
            Some(_) => Scalar::of_plain(text),
            None if plain => Scalar::of_plain(text),
            None => Scalar::Str,
        }
    }

    fn refuse_tag(&mut self, span: Span) {
        self.report.error(span, "a tag that is not known").help("write the value without a tag");
    }

    fn too_much(&mut self, span: Span) -> Result<(), Ended> {
        self.end(
            span,
            format!("aliases expand this file to more than {MAX_NODES} values or {MAX_EXPANDED_BYTES} bytes"),
        )
    }

    fn end(&mut self, span: Span, reason: String) -> Result<(), Ended> {
        self.report.error(span, reason).help("what follows in this file was not read");
        Err(Ended)
    }

    fn syntax_error(&mut self, at: Span, info: &str) {
        let line = self.report.text().line(at.line).unwrap_or_default();
        let tabbed = line.trim_start_matches(' ').starts_with('\t');
        let help = tabbed.then(|| "indent with spaces: YAML takes no tabs there".to_owned());
        self.report.error(at, format!("not YAML: {info}")).maybe_help(help);
    }
}

/// Messages here quote nothing of the file: a secret may stand anywhere. Keys are texts; `<<` would pull fields in from elsewhere.
fn key_of(node: Node, report: &mut Report<'_>) -> Key {
    match node.kind {
        Kind::Scalar { text, plain: true, .. } if *text == *"<<" => {
            let added = report.error(node.span, "merge keys ('<<') are not supported");
            added.help("write the fields out, or use an alias for a whole value");
            (None, node.span)
        }
        Kind::Scalar { text, .. } => (Some(text), node.span),
        Kind::Seq(_) | Kind::Map(_) => {
            report.error(node.span, "a key must be a text, not a list or a map").help("write 'key: value'");
            (None, node.span)
        }
    }
}

/// `!` and the tags of the core schema.
fn core(tag: &Tag) -> bool {
    let known = ["str", "int", "float", "bool", "null", "map", "seq"];
    let bare = tag.handle.is_empty() && tag.suffix == "!";
    bare || tag.is_yaml_core_schema() && known.contains(&tag.suffix.as_str())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::diagnostic::Diagnostics;
    use super::super::text::Text;
    use super::*;

    fn read(content: &str) -> (Stream, String) {
        let (text, mut diagnostics) = (Arc::new(Text::new("f", content)), Diagnostics::default());
        let stream = parse(&mut Report::new(&text, &mut diagnostics), content);
        (stream, diagnostics.to_string())
    }

    #[test]
    fn documents_keep_order_and_places() {
        let (stream, problems) = read("---\n---\nb: [1, 'x']\na:\n  c: true\n...\n---\n# nothing\n");
        assert_eq!((problems.as_str(), stream.whole, stream.documents.len()), ("", true, 1));
        let root = &stream.documents[0];
        let Kind::Map(entries) = &root.kind else { panic!("{root:?}") };
        assert_eq!(entries.iter().map(|e| &*e.key).collect::<Vec<_>>(), ["b", "a"]);
        let inner = &entries[1].value.get("c").unwrap().value;
        assert_eq!((inner.span.line, inner.span.column, inner.span.length), (5, 6, 4));
    }

    #[test]
    fn aliases_are_copies() {
        let (stream, problems) = read("a: &x {k: v}\nb: *x\n");
        assert_eq!(problems, "");
        let root = &stream.documents[0];
        assert_eq!(root.get("a").unwrap().value, root.get("b").unwrap().value);
    }

    #[test]
    fn a_billion_laughs_are_refused() {
        let mut content = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
        for n in 1..20 {
            let each = format!("*a{}, ", n - 1).repeat(10);
            content.push_str(&format!("a{n}: &a{n} [{}]\n", each.trim_end_matches(", ")));
        }
        let (stream, problems) = read(&content);
        assert!(!stream.whole && problems.contains("aliases expand this file to more than"), "{problems}");
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), ["*a"; 100].join(", "));
        let (stream, problems) = read(&long);
        assert!(!stream.whole && problems.contains("aliases expand"), "{problems}");
    }

    #[test]
    fn an_alias_inside_itself_is_refused() {
        let (stream, problems) = read("a: &a [*a]\n");
        assert!(!stream.whole && problems.contains("stands inside what it refers to"), "{problems}");
    }

    #[test]
    fn depth_and_number_are_bounded() {
        for content in ["[".repeat(20_000), "- ".repeat(20_000), "{a: ".repeat(20_000), "? ".repeat(20_000)] {
            let (stream, problems) = read(&content);
            assert!(!stream.whole && stream.documents.is_empty(), "{problems}");
            assert!(problems.contains("nested more than 64") || problems.contains("not YAML"), "{problems}");
        }
        let (stream, problems) = read(&"- a\n".repeat(MAX_NODES + 1));
        assert!(!stream.whole && problems.contains("more than 100000 values"), "{problems}");
        let (stream, problems) = read(&" ".repeat(MAX_BYTES + 1));
        assert!(!stream.whole && problems.contains("1048577 bytes long"), "{problems}");
    }

    #[test]
    fn what_yaml_allows_and_we_do_not() {
        let cases = [
            ("a: 1\na: 2\n", "this key stands in the map already, on line 1"),
            ("<<: {a: 1}\n", "merge keys"),
            ("a: !mine x\n", "a tag that is not known"),
            ("[a]: b\n", "a key must be a text"),
            ("a:\n\tb: 1\n", "indent with spaces"),
            ("a: [1\n", "not YAML"),
            ("a: *b\n", "not YAML"),
        ];
        for (content, expected) in cases {
            let (_, problems) = read(content);
            assert!(problems.contains(expected), "{content}: {problems}");
        }
    }

    #[test]
    fn tags_of_the_core_schema() {
        let (stream, problems) = read("[!!str 1, ! 2, !!int '3']\n");
        assert_eq!(problems, "");
        let Kind::Seq(items) = &stream.documents[0].kind else { panic!() };
        let kinds: Vec<_> = items
            .iter()
            .map(|item| if let Kind::Scalar { is, .. } = &item.kind { *is } else { Scalar::Null })
            .collect();
        assert_eq!(kinds, [Scalar::Str, Scalar::Str, Scalar::Int(3)]);
    }
}
