//! Text of a pack where it lies: as it is, or with the escapes of JSON.

use core::iter::Peekable;
use core::str::Chars;

/// Text that is borrowed from the pack.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text<'b> {
    /// As it is.
    Plain(&'b str),
    /// What stands between the quotes of a JSON string; its escapes were checked when it was read.
    Escaped(&'b str),
}

impl<'b> Text<'b> {
    /// The characters that it means.
    pub(super) fn chars(self) -> Unescape<'b> {
        let (text, escaped) = match self {
            Self::Plain(text) => (text, false),
            Self::Escaped(text) => (text, true),
        };
        Unescape {
            chars: text.chars().peekable(),
            escaped,
        }
    }

    /// Writes it into `buf` and gives what was written; none when it doesn't fit.
    pub(super) fn write(self, buf: &mut [u8]) -> Option<usize> {
        match self {
            Self::Plain(text) => {
                buf.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
                Some(text.len())
            }
            Self::Escaped(_) => {
                let mut len = 0;
                for character in self.chars() {
                    let room = buf.get_mut(len..len + character.len_utf8())?;
                    len += character.encode_utf8(room).len();
                }
                Some(len)
            }
        }
    }

    /// The text, through `buf` where it has escapes; none when it is longer than `buf`.
    pub(super) fn resolve<'t>(self, buf: &'t mut [u8]) -> Option<&'t str>
    where
        'b: 't,
    {
        match self {
            Self::Plain(text) if text.len() > buf.len() => None,
            Self::Plain(text) => Some(text),
            Self::Escaped(_) => {
                let len = self.write(buf)?;
                str::from_utf8(&buf[..len]).ok()
            }
        }
    }
}

/// The characters of a [`Text`].
#[derive(Clone, Debug)]
pub(super) struct Unescape<'b> {
    chars: Peekable<Chars<'b>>,
    escaped: bool,
}

impl Unescape<'_> {
    fn hex4(&mut self) -> u32 {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.chars.next().and_then(|digit| digit.to_digit(16));
            code = code * 16 + digit.unwrap_or(0);
        }
        code
    }
}

impl Iterator for Unescape<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let character = self.chars.next()?;
        if character != '\\' || !self.escaped {
            return Some(character);
        }
        Some(match self.chars.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let mut code = self.hex4();
                if (0xD800..0xDC00).contains(&code) {
                    self.chars.next();
                    self.chars.next();
                    let low = self.hex4();
                    code = 0x1_0000 + ((code & 0x3FF) << 10) + (low & 0x3FF);
                }
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            other => other,
        })
    }
}
