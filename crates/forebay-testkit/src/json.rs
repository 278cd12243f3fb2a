//! The little JSON that the control protocol needs: a value, a parser, a writer.
//!
//! Promise: what `to_string` writes is one line, ASCII only, and `parse` reads it back. Numbers are `f64`, object keys keep their order.
//! Used by `control`, `script::parse` and the `/inspect` answer. Not here: speed, streaming, numbers past 2^53.

use std::fmt::{self, Write as _};

/// Nesting that `parse` accepts. A guess: scripts nest `repeat` a few times.
const MAX_DEPTH: u32 = 64;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any number.
    Number(f64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object, in the order written.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Parses one whole value.
    ///
    /// # Errors
    /// What is wrong and at which byte.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { bytes: text.as_bytes(), text, at: 0 };
        let value = parser.value(0)?;
        parser.space();
        if parser.at == text.len() { Ok(value) } else { Err(parser.error("end of input")) }
    }

    /// An object from pairs.
    #[must_use]
    pub fn object<const N: usize>(pairs: [(&str, Json); N]) -> Self {
        Self::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// A field of an object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Object(pairs) = self else { return None };
        pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The text of a string.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The value of a whole number from 0 to 2^53.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked in the guard
    pub fn as_whole(&self) -> Option<u64> {
        const MAX: f64 = 9_007_199_254_740_992.0;
        match *self {
            Self::Number(number) if (0.0..=MAX).contains(&number) && number.fract() == 0.0 => Some(number as u64),
            _ => None,
        }
    }
}

impl From<u64> for Json {
    #[allow(clippy::cast_precision_loss)] // counters of tests stay below 2^53
    fn from(number: u64) -> Self {
        Self::Number(number as f64)
    }
}

impl From<usize> for Json {
    fn from(number: usize) -> Self {
        Self::from(number as u64)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<Json>> for Json {
    fn from(list: Vec<Json>) -> Self {
        Self::List(list)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => quote(f, text),
            Self::List(list) => {
                f.write_char('[')?;
                for (i, value) in list.iter().enumerate() {
                    if i > 0 {
                        f.write_char(',')?;
                    }
                    value.fmt(f)?;
                }
                f.write_char(']')
            }
            Self::Object(pairs) => {
                f.write_char('{')?;
                for (i, (key, value)) in pairs.iter().enumerate() {
                    if i > 0 {
                        f.write_char(',')?;
                    }
                    quote(f, key)?;
                    f.write_char(':')?;
                    value.fmt(f)?;
                }
                f.write_char('}')
            }
        }
    }
}

fn quote(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b'"') => f.write_str("\\\"")?,
            Ok(b'\\') => f.write_str("\\\\")?,
            Ok(byte @ 0x20..=0x7e) => f.write_char(char::from(byte))?,
            _ => write!(f, "\\u{unit:04x}")?,
        }
    }
    f.write_char('"')
}

struct Parser<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn value(&mut self, depth: u32) -> Result<Json, String> {
        if depth > MAX_DEPTH {
            return Err(self.error("less nesting"));
        }
        self.space();
        match self.bytes.get(self.at) {
            Some(b'{') => {
                self.at += 1;
                let mut pairs = Vec::new();
                while self.more(b'}', pairs.is_empty())? {
                    self.space();
                    let key = self.string()?;
                    self.expect(b':')?;
                    pairs.push((key, self.value(depth + 1)?));
                }
                Ok(Json::Object(pairs))
            }
            Some(b'[') => {
                self.at += 1;
                let mut list = Vec::new();
                while self.more(b']', list.is_empty())? {
                    list.push(self.value(depth + 1)?);
                }
                Ok(Json::List(list))
            }
            Some(b'"') => self.string().map(Json::Text),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.error("a value")),
        }
    }

    /// Whether another member follows in a list or an object.
    fn more(&mut self, close: u8, first: bool) -> Result<bool, String> {
        self.space();
        if self.bytes.get(self.at) == Some(&close) {
            self.at += 1;
            return Ok(false);
        }
        if !first {
            self.expect(b',')?;
        }
        Ok(true)
    }

    fn number(&mut self) -> Result<Json, String> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().take_while(|b| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')).count();
        let number = self.text[self.at..self.at + len].parse().map_err(|_| self.error("a number"))?;
        self.at += len;
        Ok(Json::Number(number))
    }

    fn string(&mut self) -> Result<String, String> {
        self.expect(b'"')?;
        let mut units: Vec<u16> = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            let c = rest.chars().next().ok_or_else(|| self.error("the end of the string"))?;
            self.at += c.len_utf8();
            match c {
                '"' => return String::from_utf16(&units).map_err(|_| self.error("paired surrogates")),
                '\\' => units.push(self.escape()?),
                c if c < ' ' => return Err(self.error("an escaped control character")),
                c => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
            }
        }
    }

    fn escape(&mut self) -> Result<u16, String> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.error("an escape"))?;
        self.at += 1;
        Ok(match byte {
            b'n' => 0x0a,
            b'r' => 0x0d,
            b't' => 0x09,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'"' | b'\\' | b'/' => u16::from(byte),
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4).ok_or_else(|| self.error("four hex digits"))?;
                let unit = u16::from_str_radix(digits, 16).map_err(|_| self.error("four hex digits"))?;
                self.at += 4;
                unit
            }
            _ => return Err(self.error("a known escape")),
        })
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, String> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.error(word))
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        self.space();
        if self.bytes.get(self.at) == Some(&byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.error(&format!("`{}`", char::from(byte))))
        }
    }

    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn error(&self, wanted: &str) -> String {
        format!("JSON: expected {wanted} at byte {}", self.at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let value = Json::object([
            ("a", Json::from(vec![Json::Null, Json::Bool(true), Json::Number(-1.5), Json::from(7_u64)])),
            ("text", Json::from("\r\n\0\"\\ \u{e9} \u{1f600}")),
            ("empty", Json::Object(Vec::new())),
        ]);
        let line = value.to_string();
        assert!(line.is_ascii() && !line.contains('\n'));
        assert_eq!(Json::parse(&line).unwrap(), value);
        assert_eq!(value.get("text").and_then(Json::as_text), Some("\r\n\0\"\\ \u{e9} \u{1f600}"));
    }

    #[test]
    fn broken_input_is_refused_with_its_place() {
        for text in ["", "{", "[1,]", "{\"a\" 1}", "\"x", "tru", "1 2", "\"\\q\"", "\"\\u00g0\"", "[1 2]"] {
            assert!(Json::parse(text).unwrap_err().contains("at byte"), "{text}");
        }
        assert!(Json::parse(&"[".repeat(1_000)).is_err());
    }

    #[test]
    fn whole_numbers_only_are_counts() {
        assert_eq!(Json::Number(3.0).as_whole(), Some(3));
        assert_eq!(Json::Number(3.5).as_whole(), None);
        assert_eq!(Json::Number(-1.0).as_whole(), None);
    }
}
