//! What a handler answers with. The host fills in what a reply leaves out: `id` and `source`.

use serde::Serialize;

use crate::Error;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    ty: String,
    id: Option<String>,
    source: Option<String>,
    subject: Option<String>,
    extensions: Vec<(String, String)>,
    /// JSON text.
    data: Option<String>,
}

impl Reply {
    pub fn new(ty: impl Into<String>) -> Reply {
        Reply { ty: ty.into(), id: None, source: None, subject: None, extensions: Vec::new(), data: None }
    }

    /// Derive it from the event's, so that the reply to a repeated event can be recognized.
    pub fn id(mut self, id: impl Into<String>) -> Reply {
        self.id = Some(id.into());
        self
    }

    pub fn source(mut self, source: impl Into<String>) -> Reply {
        self.source = Some(source.into());
        self
    }

    pub fn subject(mut self, subject: impl Into<String>) -> Reply {
        self.subject = Some(subject.into());
        self
    }

    /// An extension attribute. Names are lower-case letters and digits; the host checks that.
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Reply {
        self.extensions.push((name.into(), value.into()));
        self
    }

    /// The payload, as JSON.
    pub fn data(mut self, data: &impl Serialize) -> Result<Reply, Error> {
        let text =
            serde_json::to_string(data).map_err(|e| Error::permanent("invalid-reply", e.to_string()))?;
        self.data = Some(text);
        Ok(self)
    }

    fn write(&self, output: &mut Vec<u8>) {
        output.extend_from_slice(br#"{"specversion":"1.0""#);
        write_member("type", &self.ty, output);
        for (name, value) in [("id", &self.id), ("source", &self.source), ("subject", &self.subject)] {
            if let Some(value) = value {
                write_member(name, value, output);
            }
        }
        for (name, value) in &self.extensions {
            write_member(name, value, output);
        }
        if let Some(data) = &self.data {
            write_member("datacontenttype", "application/json", output);
            output.extend_from_slice(br#","data":"#);
            output.extend_from_slice(data.as_bytes());
        }
        output.push(b'}');
    }
}

fn write_member(name: &str, value: &str, output: &mut Vec<u8>) {
    output.push(b',');
    write_string(name, output);
    output.push(b':');
    write_string(value, output);
}

fn write_string(text: &str, output: &mut Vec<u8>) {
    serde_json::to_writer(output, text).expect("a string is JSON");
}

pub(crate) fn write_all(replies: &[Reply], output: &mut Vec<u8>) {
    match replies {
        [] => {}
        [reply] => reply.write(output),
        several => {
            for (index, reply) in several.iter().enumerate() {
                output.push(if index == 0 { b'[' } else { b',' });
                reply.write(output);
            }
            output.push(b']');
        }
    }
}

/// What a handler may return when all went well.
pub trait Replies {
    fn into_vec(self) -> Vec<Reply>;
}

impl Replies for () {
    fn into_vec(self) -> Vec<Reply> {
        Vec::new()
    }
}

impl Replies for Reply {
    fn into_vec(self) -> Vec<Reply> {
        vec![self]
    }
}

impl Replies for Option<Reply> {
    fn into_vec(self) -> Vec<Reply> {
        self.into_iter().collect()
    }
}

impl Replies for Vec<Reply> {
    fn into_vec(self) -> Vec<Reply> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_written_and_escaped() {
        let reply = Reply::new("t").id("a\"b").source("/s").subject("x").extension("region", "eu");
        let mut output = Vec::new();
        reply.data(&[1, 2]).unwrap().write(&mut output);
        assert_eq!(
            String::from_utf8(output).unwrap(),
            concat!(
                r#"{"specversion":"1.0","type":"t","id":"a\"b","source":"/s","subject":"x","region":"eu","#,
                r#""datacontenttype":"application/json","data":[1,2]}"#
            )
        );
    }
}
