//! Reads a JSON pack (RFC 8259) as labels and items. Nothing is copied: text stays where it lies, escapes and all.

use super::decode::{Item, Key, PackFault, Reader};
use super::text::Text;

/// Containers deeper than this in a field that nobody understands are no pack.
const DEPTH_MAX: usize = 16;

#[derive(Clone, Debug)]
pub(super) struct JsonReader<'b> {
    bytes: &'b [u8],
    at: usize,
    /// True until the first entry of the innermost container was read.
    first: bool,
}

impl<'b> JsonReader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            first: true,
        }
    }

    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
    }

    /// The byte after the space that may come before it.
    fn peek(&mut self) -> Result<u8, PackFault> {
        self.space();
        self.byte().ok_or(PackFault::Malformed)
    }

    fn expect(&mut self, wanted: u8) -> Result<(), PackFault> {
        if self.peek()? != wanted {
            return Err(PackFault::Malformed);
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), PackFault> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) != Some(word) {
            return Err(PackFault::Malformed);
        }
        self.at = end;
        Ok(())
    }

    /// True when another entry comes in the container that `close` ends; past the comma, or past the end.
    fn another(&mut self, close: u8) -> Result<bool, PackFault> {
        let byte = self.peek()?;
        let first = core::mem::replace(&mut self.first, false);
        if byte == close {
            self.at += 1;
            return Ok(false);
        }
        if !first {
            self.expect(b',')?;
        }
        Ok(true)
    }

    fn text(&mut self) -> Result<Text<'b>, PackFault> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.byte().ok_or(PackFault::Malformed)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += 1;
                    self.escape()?;
                }
                0..=0x1F => return Err(PackFault::Malformed),
                _ => self.at += 1,
            }
        }
        let text = str::from_utf8(&self.bytes[start..self.at]).map_err(|_| PackFault::Malformed)?;
        self.at += 1;
        Ok(if escaped {
            Text::Escaped(text)
        } else {
            Text::Plain(text)
        })
    }

    /// Checks one escape after its backslash.
    fn escape(&mut self) -> Result<(), PackFault> {
        let byte = self.byte().ok_or(PackFault::Malformed)?;
        self.at += 1;
        match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.hex4()? {
                0xD800..0xDC00 => {
                    self.word(b"\\u")?;
                    match self.hex4()? {
                        0xDC00..0xE000 => Ok(()),
                        _ => Err(PackFault::Malformed),
                    }
                }
                0xDC00..0xE000 => Err(PackFault::Malformed),
                _ => Ok(()),
            },
            _ => Err(PackFault::Malformed),
        }
    }

    fn hex4(&mut self) -> Result<u32, PackFault> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.byte().and_then(|digit| char::from(digit).to_digit(16));
            code = code * 16 + digit.ok_or(PackFault::Malformed)?;
            self.at += 1;
        }
        Ok(code)
    }

    fn digits(&mut self) -> Result<(), PackFault> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
        if self.at == start {
            return Err(PackFault::Malformed);
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Item<'b>, PackFault> {
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = str::from_utf8(&self.bytes[start..self.at]).map_err(|_| PackFault::Malformed)?;
        if let Ok(number) = text.parse() {
            return Ok(Item::Unsigned(number));
        }
        text.parse()
            .map(Item::Number)
            .map_err(|_| PackFault::Malformed)
    }

    /// Reads over a container of anything.
    fn skip(&mut self) -> Result<(), PackFault> {
        let mut closes = [0; DEPTH_MAX];
        let mut depth = 0;
        loop {
            match self.peek()? {
                open @ (b'[' | b'{') => {
                    *closes.get_mut(depth).ok_or(PackFault::TooDeep)? =
                        if open == b'[' { b']' } else { b'}' };
                    depth += 1;
                    self.at += 1;
                    self.first = true;
                }
                _ => {
                    self.scalar()?;
                    self.first = false;
                }
            }
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let close = closes[depth - 1];
                if self.another(close)? {
                    if close == b'}' {
                        self.text()?;
                        self.expect(b':')?;
                    }
                    break;
                }
                depth -= 1;
            }
        }
    }

    fn scalar(&mut self) -> Result<Item<'b>, PackFault> {
        match self.peek()? {
            b'"' => self.text().map(Item::Text),
            b't' => self.word(b"true").map(|()| Item::Bool(true)),
            b'f' => self.word(b"false").map(|()| Item::Bool(false)),
            b'n' => self.word(b"null").map(|()| Item::Other),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(PackFault::Malformed),
        }
    }
}

impl<'b> Reader<'b> for JsonReader<'b> {
    fn open(&mut self) -> Result<(), PackFault> {
        self.expect(b'[')?;
        self.first = true;
        Ok(())
    }

    fn next_record(&mut self) -> Result<bool, PackFault> {
        let another = self.another(b']')?;
        if another {
            self.space();
        }
        Ok(another)
    }

    fn enter_record(&mut self) -> Result<(), PackFault> {
        self.expect(b'{')?;
        self.first = true;
        Ok(())
    }

    fn next_key(&mut self) -> Result<Option<Key>, PackFault> {
        if !self.another(b'}')? {
            return Ok(None);
        }
        let key = match self.text()? {
            Text::Plain(text) => Key::from_text(text),
            text @ Text::Escaped(_) => {
                let last = text.chars().last();
                let mut buf = [0; 8];
                match text.resolve(&mut buf) {
                    Some(short) => Key::from_text(short),
                    None if last == Some('_') => Key::MustUnderstand,
                    None => Key::Unknown,
                }
            }
        };
        self.expect(b':')?;
        Ok(Some(key))
    }

    fn item(&mut self) -> Result<Item<'b>, PackFault> {
        match self.peek()? {
            b'[' | b'{' => {
                self.skip()?;
                self.first = false;
                Ok(Item::Other)
            }
            _ => self.scalar(),
        }
    }

    fn at_end(&mut self) -> bool {
        self.space();
        self.at == self.bytes.len()
    }

    fn position(&self) -> usize {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn reads(text: &[u8]) -> bool {
        let mut reader = JsonReader::new(text);
        reader.item().is_ok() && reader.at_end()
    }

    #[test]
    fn json_is_what_rfc_8259_says() {
        for text in [
            "0",
            "-0",
            "10.5e-3",
            "1E+2",
            "\"\"",
            "\"\\u00b0C \\ud83d\\ude00 \\/\"",
            "[]",
            "{}",
            "[[],{}]",
            " { \"a\" : [ 1 , null , true ] , \"b\" : { } } ",
            "\"°C\"",
        ] {
            assert!(reads(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "01",
            "+1",
            ".5",
            "5.",
            "1e",
            "-",
            "NaN",
            "Infinity",
            "nul",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\t\"",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":1,}",
            "[}",
            "1 1",
        ] {
            assert!(!reads(text.as_bytes()), "{text}");
        }
        assert!(!reads(b"\"\xFF\""));
        assert!(reads("[".repeat(16).as_bytes()) == reads(b"["), "unclosed");
        assert!(!reads("[".repeat(100_000).as_bytes()));
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            ".{0,12}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::vec((".{0,5}", inner), 0..5).prop_map(|entries| {
                    serde_json::Value::Object(entries.into_iter().collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_another_writer_writes_is_read(value in json(), pretty: bool) {
            let text = if pretty {
                serde_json::to_string_pretty(&value).unwrap()
            } else {
                value.to_string()
            };
            prop_assert!(reads(text.as_bytes()), "{}", text);
        }

        #[test]
        fn another_reader_agrees_on_what_is_json(text in r#"[\[\]{}",:0-9.eE+\-a\\tru nl/d]{0,12}"#) {
            // serde_json refuses numbers beyond a double, which are JSON all the same.
            prop_assume!(!text.contains(['e', 'E']));
            let agreed = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(reads(text.as_bytes()), agreed, "{}", text);
        }

        #[test]
        fn escapes_mean_what_another_reader_says(text in any::<String>()) {
            let ascii: String = text
                .encode_utf16()
                .flat_map(|unit| alloc::format!("\\u{unit:04X}").chars().collect::<Vec<_>>())
                .collect();
            for json in [serde_json::to_string(&text).unwrap(), alloc::format!("\"{ascii}\"")] {
                let mut reader = JsonReader::new(json.as_bytes());
                let read: String = reader.text().unwrap().chars().collect();
                prop_assert_eq!(&read, &text);
            }
        }
    }
}
