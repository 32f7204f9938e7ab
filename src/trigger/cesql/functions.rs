//! The functions that every implementation has: section 3.5 of the specification.

use std::borrow::Cow;

use super::error::Kind;
use super::{Type, Value, cast};

/// In bytes, of a text that an expression makes: joining texts must not use up memory.
pub(super) const MAX_TEXT: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Length,
    Concat,
    ConcatWs,
    Lower,
    Upper,
    Trim,
    Left,
    Right,
    Substring,
    Abs,
    Int,
    Bool,
    String,
}

/// A function with what it takes: the types of its first arguments, and how many there may be.
struct Signature {
    name: &'static str,
    function: Function,
    least: usize,
    most: usize,
    gives: Type,
}

const fn signature(
    name: &'static str,
    function: Function,
    least: usize,
    most: usize,
    gives: Type,
) -> Signature {
    Signature { name, function, least, most, gives }
}

const ANY: usize = usize::MAX;

const ALL: [Signature; 13] = [
    signature("LENGTH", Function::Length, 1, 1, Type::Integer),
    signature("CONCAT", Function::Concat, 0, ANY, Type::String),
    signature("CONCAT_WS", Function::ConcatWs, 1, ANY, Type::String),
    signature("LOWER", Function::Lower, 1, 1, Type::String),
    signature("UPPER", Function::Upper, 1, 1, Type::String),
    signature("TRIM", Function::Trim, 1, 1, Type::String),
    signature("LEFT", Function::Left, 2, 2, Type::String),
    signature("RIGHT", Function::Right, 2, 2, Type::String),
    signature("SUBSTRING", Function::Substring, 2, 3, Type::String),
    signature("ABS", Function::Abs, 1, 1, Type::Integer),
    signature("INT", Function::Int, 1, 1, Type::Integer),
    signature("BOOL", Function::Bool, 1, 1, Type::Boolean),
    signature("STRING", Function::String, 1, 1, Type::String),
];

/// What a call gives: a value in any case, and what went wrong beside it.
pub(super) type Given<'a> = (Value<'a>, Option<(Kind, Cow<'static, str>)>);

impl Function {
    /// By its name in capitals and the number of arguments.
    pub(super) fn of(name: &str, arguments: usize) -> Option<Function> {
        let known = ALL.iter().find(|known| known.name == name)?;
        (known.least..=known.most).contains(&arguments).then_some(known.function)
    }

    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|known| known.name)
    }

    /// How many arguments the function of that name takes, in words.
    pub(super) fn arity(name: &str) -> Option<String> {
        let known = ALL.iter().find(|known| known.name == name)?;
        let many = |n: usize| if n == 1 { "1 argument".to_owned() } else { format!("{n} arguments") };
        Some(match (known.least, known.most) {
            (least, ANY) => format!("{} or more", many(least)),
            (least, most) if least == most => many(least),
            (least, most) => format!("{least} or {}", many(most)),
        })
    }

    pub(super) fn gives(self) -> Type {
        ALL.iter().find(|known| known.function == self).map_or(Type::Boolean, |known| known.gives)
    }

    /// The type of the argument at `place`, counted from 0; `None`: any.
    pub(super) fn takes(self, place: usize) -> Option<Type> {
        match (self, place) {
            (Function::Int | Function::Bool | Function::String, _) => None,
            (Function::Abs, _) | (Function::Left | Function::Right | Function::Substring, 1..) => {
                Some(Type::Integer)
            }
            _ => Some(Type::String),
        }
    }

    /// Of arguments that are of the types it takes, and as many as it takes.
    pub(super) fn call(self, mut arguments: Vec<Value<'_>>) -> Given<'_> {
        match self {
            Function::Concat => joined("", arguments),
            Function::ConcatWs => {
                let rest = arguments.split_off(1);
                joined(&text(arguments.pop()), rest)
            }
            Function::Substring => {
                let length = (arguments.len() == 3).then(|| number(arguments.pop()));
                let at = number(arguments.pop());
                substring(text(arguments.pop()), at, length)
            }
            Function::Left | Function::Right => {
                let length = number(arguments.pop());
                side(text(arguments.pop()), length, self == Function::Left)
            }
            _ => self.of_one(arguments.pop().unwrap_or(Value::Boolean(false))),
        }
    }

    fn of_one(self, argument: Value<'_>) -> Given<'_> {
        match self {
            Function::Int => converted(argument, Type::Integer),
            Function::Bool => converted(argument, Type::Boolean),
            Function::String => converted(argument, Type::String),
            Function::Abs => match cast::integer(&argument).unwrap_or_default() {
                i32::MIN => (Value::Integer(i32::MAX), Some((Kind::Math, "ABS of it has no 32 bits".into()))),
                number => (Value::Integer(number.abs()), None),
            },
            Function::Length => {
                let length = text(Some(argument)).chars().count();
                (Value::Integer(i32::try_from(length).unwrap_or(i32::MAX)), None)
            }
            Function::Lower => good(text(Some(argument)).to_lowercase()),
            Function::Upper => good(text(Some(argument)).to_uppercase()),
            _ => match text(Some(argument)) {
                Cow::Borrowed(text) => (Value::String(Cow::Borrowed(text.trim())), None),
                Cow::Owned(text) => good(text.trim().to_owned()),
            },
        }
    }
}

fn good<'a>(text: String) -> Given<'a> {
    (Value::String(Cow::Owned(text)), None)
}

fn text(argument: Option<Value<'_>>) -> Cow<'_, str> {
    argument.map(cast::string).unwrap_or_default()
}

fn number(argument: Option<Value<'_>>) -> i64 {
    argument.and_then(|argument| cast::integer(&argument)).unwrap_or_default().into()
}

fn converted(value: Value<'_>, to: Type) -> Given<'_> {
    let said = matches!(value, Value::String(_)).then(|| value.to_string());
    match cast::cast(value, to) {
        Some(value) => (value, None),
        None => (to.zero(), Some((Kind::Cast, no_cast(&said.unwrap_or_default(), to)))),
    }
}

/// The message about a value, as it is written, that can't become what it should.
pub(super) fn no_cast(value: &str, to: Type) -> Cow<'static, str> {
    let cut: String = value.chars().take(60).collect();
    let dots = if cut.len() < value.len() { "…" } else { "" };
    let article = if to == Type::Integer { "an" } else { "a" };
    format!("{cut}{dots} is not {article} {to}").into()
}

fn joined<'a>(delimiter: &str, texts: Vec<Value<'a>>) -> Given<'a> {
    let mut whole = String::new();
    for (n, next) in texts.into_iter().enumerate() {
        let next = cast::string(next);
        if whole.len() + delimiter.len() + next.len() > MAX_TEXT {
            let message = format!("the text would be longer than {MAX_TEXT} bytes");
            return (Type::String.zero(), Some((Kind::FunctionEvaluation, message.into())));
        }
        if n > 0 {
            whole.push_str(delimiter);
        }
        whole.push_str(&next);
    }
    good(whole)
}

fn side(text: Cow<'_, str>, length: i64, left: bool) -> Given<'_> {
    let Ok(wanted) = usize::try_from(length) else {
        let error = (Kind::FunctionEvaluation, format!("the length {length} is negative").into());
        return (Value::String(text), Some(error));
    };
    if left {
        return (Value::String(part(text, 0, wanted)), None);
    }
    let skipped = text.chars().count().saturating_sub(wanted);
    (Value::String(part(text, skipped, usize::MAX)), None)
}

fn substring(text: Cow<'_, str>, at: i64, length: Option<i64>) -> Given<'_> {
    let failed =
        |message: String| (Type::String.zero(), Some((Kind::FunctionEvaluation, Cow::from(message))));
    let all = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    if at > all || at < -all {
        return failed(format!("{at} lies outside of a text of {all} characters"));
    }
    let Ok(length) = usize::try_from(length.unwrap_or(i64::MAX)) else {
        return failed(format!("the length {} is negative", length.unwrap_or_default()));
    };
    let skipped = match at {
        0 => return (Type::String.zero(), None),
        1.. => at - 1,
        _ => all + at,
    };
    (Value::String(part(text, usize::try_from(skipped).unwrap_or_default(), length)), None)
}

/// By characters.
fn part(text: Cow<'_, str>, skipped: usize, length: usize) -> Cow<'_, str> {
    let byte = |text: &str, n: usize| text.char_indices().nth(n).map_or(text.len(), |(at, _)| at);
    let start = byte(&text, skipped);
    let end = start + byte(&text[start..], length);
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[start..end]),
        Cow::Owned(text) => Cow::Owned(text[start..end].to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_and_not_bytes() {
        let text = || Value::String("żółw🐢".into());
        let call = |function: Function, rest: &[i32]| {
            let rest = rest.iter().map(|n| Value::Integer(*n));
            function.call(std::iter::once(text()).chain(rest).collect())
        };
        let given = |text: &'static str| (Value::String(text.into()), None);
        assert_eq!(call(Function::Length, &[]), (Value::Integer(5), None));
        assert_eq!(call(Function::Left, &[2]), given("żó"));
        assert_eq!(call(Function::Right, &[2]), given("w🐢"));
        assert_eq!(call(Function::Right, &[0]), given(""));
        assert_eq!(call(Function::Substring, &[2, 2]), given("ół"));
        assert_eq!(call(Function::Substring, &[-1]), given("🐢"));
        assert_eq!(call(Function::Substring, &[5, i32::MAX]), given("🐢"));
        assert_eq!(call(Function::Substring, &[1, 0]), given(""));
        for wrong in [&[6][..], &[-6], &[1, -1], &[0, -1], &[i32::MIN], &[i32::MAX, i32::MIN]] {
            let (value, error) = call(Function::Substring, wrong);
            assert_eq!(
                (value, error.unwrap().0),
                (Type::String.zero(), Kind::FunctionEvaluation),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn unicode_whitespace_is_trimmed_and_control_characters_are_not() {
        let trimmed = |text: &'static str| Function::Trim.call(vec![Value::String(text.into())]).0;
        assert_eq!(trimmed("\u{2003}\u{a0}\t a b \u{3000}\n"), Value::String("a b".into()));
        assert_eq!(trimmed("\u{7}a\u{1}"), Value::String("\u{7}a\u{1}".into()));
    }

    #[test]
    fn joined_texts_are_bounded() {
        let long = Value::String("x".repeat(MAX_TEXT / 2).into());
        assert!(Function::Concat.call(vec![long.clone(), long.clone()]).1.is_none());
        let (value, error) = Function::ConcatWs.call(vec![Value::String("-".into()), long.clone(), long]);
        assert_eq!((value, error.unwrap().0), (Type::String.zero(), Kind::FunctionEvaluation));
    }
}
