//! The names of SenML's fields: text in JSON, integers in CBOR (RFC 8428 table 4); ours are text in both.

use core::fmt;

/// A field of a record that the decoder understands. `Display` writes its name in JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Label {
    /// Base version.
    Bver,
    /// Base name.
    Bn,
    /// Base time.
    Bt,
    /// Base unit.
    Bu,
    /// Base value.
    Bv,
    /// Base sum.
    Bs,
    /// Name.
    N,
    /// Unit.
    U,
    /// A number.
    V,
    /// Text: the reason for no value.
    Vs,
    /// A boolean.
    Vb,
    /// Sum.
    S,
    /// Time.
    T,
    /// Update time.
    Ut,
    /// Data.
    Vd,
    /// The node's boot.
    Bboot,
    /// The pack's number.
    Bseq,
    /// The node's clock.
    Bclk,
    /// Milliseconds since the boot.
    Bmono,
    /// Quality.
    Q,
}

impl Label {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Bver => "bver",
            Self::Bn => "bn",
            Self::Bt => "bt",
            Self::Bu => "bu",
            Self::Bv => "bv",
            Self::Bs => "bs",
            Self::N => "n",
            Self::U => "u",
            Self::V => "v",
            Self::Vs => "vs",
            Self::Vb => "vb",
            Self::S => "s",
            Self::T => "t",
            Self::Ut => "ut",
            Self::Vd => "vd",
            Self::Bboot => "bboot",
            Self::Bseq => "bseq",
            Self::Bclk => "bclk",
            Self::Bmono => "bmono",
            Self::Q => "q",
        }
    }

    pub(super) fn from_text(text: &str) -> Option<Self> {
        Some(match text {
            "bver" => Self::Bver,
            "bn" => Self::Bn,
            "bt" => Self::Bt,
            "bu" => Self::Bu,
            "bv" => Self::Bv,
            "bs" => Self::Bs,
            "n" => Self::N,
            "u" => Self::U,
            "v" => Self::V,
            "vs" => Self::Vs,
            "vb" => Self::Vb,
            "s" => Self::S,
            "t" => Self::T,
            "ut" => Self::Ut,
            "vd" => Self::Vd,
            "bboot" => Self::Bboot,
            "bseq" => Self::Bseq,
            "bclk" => Self::Bclk,
            "bmono" => Self::Bmono,
            "q" => Self::Q,
            _ => return None,
        })
    }

    /// The CBOR label; none for our own fields.
    pub(super) fn number(self) -> Option<i8> {
        Some(match self {
            Self::Bver => -1,
            Self::Bn => -2,
            Self::Bt => -3,
            Self::Bu => -4,
            Self::Bv => -5,
            Self::Bs => -6,
            Self::N => 0,
            Self::U => 1,
            Self::V => 2,
            Self::Vs => 3,
            Self::Vb => 4,
            Self::S => 5,
            Self::T => 6,
            Self::Ut => 7,
            Self::Vd => 8,
            Self::Bboot | Self::Bseq | Self::Bclk | Self::Bmono | Self::Q => return None,
        })
    }

    pub(super) fn from_number(number: i64) -> Option<Self> {
        Some(match number {
            -1 => Self::Bver,
            -2 => Self::Bn,
            -3 => Self::Bt,
            -4 => Self::Bu,
            -5 => Self::Bv,
            -6 => Self::Bs,
            0 => Self::N,
            1 => Self::U,
            2 => Self::V,
            3 => Self::Vs,
            4 => Self::Vb,
            5 => Self::S,
            6 => Self::T,
            7 => Self::Ut,
            8 => Self::Vd,
            _ => return None,
        })
    }

    /// One bit for each, to see doubles.
    pub(super) fn bit(self) -> u32 {
        1 << (self as u8)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_is_found_by_its_text_and_by_its_number() {
        let mut numbers = 0;
        for number in -20..20_i64 {
            if let Some(label) = Label::from_number(number) {
                assert_eq!(label.number().map(i64::from), Some(number));
                assert_eq!(Label::from_text(label.text()), Some(label));
                numbers += 1;
            }
        }
        assert_eq!(numbers, 15);
        for label in [
            Label::Bboot,
            Label::Bseq,
            Label::Bclk,
            Label::Bmono,
            Label::Q,
        ] {
            assert_eq!(label.number(), None);
            assert_eq!(Label::from_text(label.text()), Some(label));
        }
    }
}
