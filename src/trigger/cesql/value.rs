//! The three types of the language, and their values.

use std::borrow::Cow;
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    String,
    Integer,
    Boolean,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    String(Cow<'a, str>),
    Integer(i32),
    Boolean(bool),
}

impl Type {
    /// What stands for a value that could not be had.
    pub fn zero<'a>(self) -> Value<'a> {
        match self {
            Type::String => Value::String(Cow::Borrowed("")),
            Type::Integer => Value::Integer(0),
            Type::Boolean => Value::Boolean(false),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Type::String => "String",
            Type::Integer => "Integer",
            Type::Boolean => "Boolean",
        }
    }
}

impl Value<'_> {
    pub fn ty(&self) -> Type {
        match self {
            Value::String(_) => Type::String,
            Value::Integer(_) => Type::Integer,
            Value::Boolean(_) => Type::Boolean,
        }
    }

    /// The same value, without a copy of its text.
    pub fn borrowed(&self) -> Value<'_> {
        match self {
            Value::String(text) => Value::String(Cow::Borrowed(text)),
            Value::Integer(number) => Value::Integer(*number),
            Value::Boolean(flag) => Value::Boolean(*flag),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// As a literal of the language.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::String(text) => super::print::text(f, text),
            Value::Integer(number) => write!(f, "{number}"),
            Value::Boolean(true) => f.write_str("TRUE"),
            Value::Boolean(false) => f.write_str("FALSE"),
        }
    }
}
