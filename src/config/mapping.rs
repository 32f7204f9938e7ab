//! The annotation `weir.dev/map`: where a record has what an event's attributes say, `type=header:kind, id=/order/id`.

use super::diagnostic::Report;
use super::metadata::Metadata;
use super::spelling::did_you_mean;

const MAP: &str = "weir.dev/map";
const LIKE: &str = "write it as type=header:kind, id=/order/id, source=\"/shop\"";

/// Each attribute once; what is not mapped stays as a KafkaSource makes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    pub ty: Option<Whence>,
    pub source: Option<Whence>,
    pub subject: Option<Whence>,
    pub id: Option<Whence>,
}

/// Where it is in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whence {
    Header(Box<str>),
    /// In the value: the names on the way, each that of a member or the index of an element.
    Pointer(Box<[Box<str>]>),
    /// The same for all of them.
    Text(Box<str>),
}

/// As it is written.
impl std::fmt::Display for Whence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Whence::Header(name) => write!(f, "header:{name}"),
            Whence::Pointer(names) => {
                names.iter().try_for_each(|name| write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")))
            }
            Whence::Text(text) => write!(f, "\"{text}\""),
        }
    }
}

impl Mapping {
    /// Something of the value is looked at, which must be JSON then.
    pub fn reads_the_value(&self) -> bool {
        let all = [&self.ty, &self.source, &self.subject, &self.id];
        all.into_iter().flatten().any(|place| matches!(place, Whence::Pointer(_)))
    }

    fn parse(text: &str) -> Result<Mapping, (String, String)> {
        let mut mapping = Mapping::default();
        let mut rest = text;
        loop {
            let (name, place) = rest
                .split_once('=')
                .ok_or_else(|| (format!("'{}' maps nothing", rest.trim()), LIKE.into()))?;
            let (name, (place, left)) = (name.trim(), place_of(place.trim_start())?);
            let slot = match name {
                "type" => &mut mapping.ty,
                "source" => &mut mapping.source,
                "subject" => &mut mapping.subject,
                "id" => &mut mapping.id,
                _ => {
                    let near = did_you_mean(name, ["type", "source", "subject", "id"]);
                    let help = near.unwrap_or_else(|| "there are type, source, subject and id".into());
                    return Err((format!("'{name}' can't be mapped"), help));
                }
            };
            if slot.replace(place).is_some() {
                return Err((format!("'{name}' is mapped twice"), "leave one of them".into()));
            }
            match left.trim_start().split_once(',') {
                None if left.trim().is_empty() => return Ok(mapping),
                Some(("", more)) => rest = more,
                _ => return Err((format!("'{}' is too much", left.trim()), LIKE.into())),
            }
        }
    }
}

/// The place that begins here, and what follows it.
fn place_of(text: &str) -> Result<(Whence, &str), (String, String)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (text, rest) =
            quoted.split_once('"').ok_or_else(|| ("a '\"' is missing".to_owned(), LIKE.to_owned()))?;
        return match text {
            "" => Err(("an empty text".to_owned(), "write what it is to be, or leave it out".to_owned())),
            _ => Ok((Whence::Text(text.into()), rest)),
        };
    }
    let (place, rest) = text.split_at(text.find(',').unwrap_or(text.len()));
    let place = place.trim_end();
    if let Some(name) = place.strip_prefix("header:").map(str::trim) {
        return match name {
            "" => Err(("a header without a name".to_owned(), LIKE.to_owned())),
            _ => Ok((Whence::Header(name.into()), rest)),
        };
    }
    match place.strip_prefix('/') {
        Some(pointer) => {
            let names = pointer.split('/').map(name).collect::<Option<Vec<_>>>();
            let wrong = || {
                (
                    format!("'{place}': '~' stands before 0 or 1 alone in a pointer"),
                    "write ~0 for a tilde".into(),
                )
            };
            Ok((Whence::Pointer(names.ok_or_else(wrong)?.into()), rest))
        }
        None => Err((
            format!("'{place}' is no place"),
            "write header:NAME, a JSON pointer into the value (/order/id), or a text in quotes".into(),
        )),
    }
}

/// As RFC 6901 writes it.
fn name(written: &str) -> Option<Box<str>> {
    let mut parts = written.split('~');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (sign, rest) = part.split_at_checked(1)?;
        name.push(if sign == "0" {
            '~'
        } else if sign == "1" {
            '/'
        } else {
            return None;
        });
        name.push_str(rest);
    }
    Some(name.into())
}

pub(super) fn read(metadata: &Metadata<'_>, report: &mut Report<'_>) -> Option<Mapping> {
    let node = metadata.annotation(MAP)?;
    // One that is no string has been reported.
    match Mapping::parse(node.text()?) {
        Ok(mapping) => Some(mapping),
        Err((message, help)) => {
            report.error(node.span, format!("{MAP}: {message}")).help(help);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attribute_has_its_place() {
        let mapping =
            Mapping::parse("type = header:kind ,id=/order/a~1b~0c/0, source=\"/shop, north\"").unwrap();
        assert_eq!(mapping.ty, Some(Whence::Header("kind".into())));
        assert_eq!(mapping.id, Some(Whence::Pointer(["order", "a/b~c", "0"].map(Box::from).to_vec().into())));
        assert_eq!(mapping.id.as_ref().unwrap().to_string(), "/order/a~1b~0c/0");
        assert_eq!((mapping.source, mapping.subject), (Some(Whence::Text("/shop, north".into())), None));
    }

    #[test]
    fn what_is_none_is_told_why() {
        for (wrong, said) in [
            ("", "'' maps nothing"),
            ("type", "'type' maps nothing"),
            ("type=/a,", "'' maps nothing"),
            ("typ=/a", "'typ' can't be mapped"),
            ("time=/a", "'time' can't be mapped"),
            ("id=/a,id=/b", "'id' is mapped twice"),
            ("id=order", "'order' is no place"),
            ("id=", "'' is no place"),
            ("id=header:", "a header without a name"),
            ("id=/a~2", "'/a~2': '~' stands before 0 or 1"),
            ("id=\"a", "a '\"' is missing"),
            ("id=\"\"", "an empty text"),
            ("id=\"a\" b", "'b' is too much"),
        ] {
            let (message, _) = Mapping::parse(wrong).unwrap_err();
            assert!(message.starts_with(said), "{wrong}: {message}");
        }
    }
}
