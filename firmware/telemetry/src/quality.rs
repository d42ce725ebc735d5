//! How far a value can be trusted: the upper 16 bits of an OPC UA status code.

/// The upper 16 bits of an OPC UA status code (OPC 10000-4 §7.39, OPC 10000-8 §7).
///
/// A sentinel or over-range code of a device becomes a quality, never a value.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Quality(pub u16);

/// The top two bits of a quality.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Severity {
    /// 00: use it.
    Good,
    /// 01: it can raise an alarm and cannot clear one.
    Uncertain,
    /// 10 and 11: "Bad values shall never be used".
    Bad,
}

/// The named qualities with the word that a reading without a value carries.
const WORDS: [(Quality, &str); 18] = [
    (Quality::GOOD, "good"),
    (Quality::GOOD_LOCAL_OVERRIDE, "local-override"),
    (Quality::UNCERTAIN, "uncertain"),
    (Quality::LAST_USABLE, "last-usable"),
    (Quality::SUBSTITUTED, "substituted"),
    (Quality::NOT_ACCURATE, "not-accurate"),
    (Quality::OVER_RANGE, "over-range"),
    (Quality::CALIBRATION, "calibration"),
    (Quality::BAD, "bad"),
    (Quality::COMM_ERROR, "comm-error"),
    (Quality::NO_DATA, "no-data"),
    (Quality::CONFIGURATION, "configuration"),
    (Quality::NOT_CONNECTED, "not-connected"),
    (Quality::DEVICE_FAILURE, "device-failure"),
    (Quality::SENSOR_FAILURE, "sensor-failure"),
    (Quality::OUT_OF_SERVICE, "out-of-service"),
    (Quality::OUT_OF_RANGE, "out-of-range"),
    (Quality::WARMING_UP, "warming-up"),
];

impl Quality {
    /// Good.
    pub const GOOD: Self = Self(0x0000);
    /// Good, set by hand at the device.
    pub const GOOD_LOCAL_OVERRIDE: Self = Self(0x0096);
    /// Uncertain, no reason given.
    pub const UNCERTAIN: Self = Self(0x4000);
    /// Uncertain: the last value that could be used.
    pub const LAST_USABLE: Self = Self(0x4090);
    /// Uncertain: a substitute value.
    pub const SUBSTITUTED: Self = Self(0x4091);
    /// Uncertain: the sensor is being calibrated or tested (OPC UA Part 8, `UncertainSensorCalibration`).
    pub const CALIBRATION: Self = Self(0x420A);
    /// Uncertain: the sensor is not accurate.
    pub const NOT_ACCURATE: Self = Self(0x4093);
    /// Uncertain: beyond the range of engineering units, and a real high value all the same.
    pub const OVER_RANGE: Self = Self(0x4094);
    /// Bad, no reason given.
    pub const BAD: Self = Self(0x8000);
    /// Bad: no answer, or a broken one.
    pub const COMM_ERROR: Self = Self(0x8005);
    /// Bad: nothing was ever read.
    pub const NO_DATA: Self = Self(0x8031);
    /// Bad: the device or the file says that it is set up wrongly.
    pub const CONFIGURATION: Self = Self(0x8089);
    /// Bad: the wire to the sensor is open.
    pub const NOT_CONNECTED: Self = Self(0x808A);
    /// Bad: the device has failed.
    pub const DEVICE_FAILURE: Self = Self(0x808B);
    /// Bad: the sensor has failed.
    pub const SENSOR_FAILURE: Self = Self(0x808C);
    /// Bad: taken out of service.
    pub const OUT_OF_SERVICE: Self = Self(0x808D);
    /// Bad: outside what the instrument or physics can give.
    pub const OUT_OF_RANGE: Self = Self(0x803C);
    /// Bad: waiting for the device's first values, as while it warms up.
    pub const WARMING_UP: Self = Self(0x8032);

    /// The top two bits.
    pub fn severity(self) -> Severity {
        match self.0 >> 14 {
            0 => Severity::Good,
            1 => Severity::Uncertain,
            _ => Severity::Bad,
        }
    }

    /// True when the value can be used without reserve.
    pub fn is_good(self) -> bool {
        self.severity() == Severity::Good
    }

    /// True when the value must not be used.
    pub fn is_bad(self) -> bool {
        self.severity() == Severity::Bad
    }

    /// The reason word; a code without a word of its own has its severity's.
    pub fn word(self) -> &'static str {
        let named = WORDS.iter().find(|(quality, _)| *quality == self);
        match (named, self.severity()) {
            (Some((_, word)), _) => word,
            (None, Severity::Good) => "good",
            (None, Severity::Uncertain) => "uncertain",
            (None, Severity::Bad) => "bad",
        }
    }

    /// The quality that a reason word names.
    pub fn from_word(word: &str) -> Option<Self> {
        WORDS
            .iter()
            .find(|(_, named)| *named == word)
            .map(|(quality, _)| *quality)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_quality_is_found_by_its_word() {
        for (quality, word) in WORDS {
            assert_eq!(Quality::from_word(word), Some(quality));
            assert_eq!(quality.word(), word);
        }
    }

    #[test]
    fn the_top_two_bits_decide_and_unknown_codes_are_never_good() {
        assert_eq!(Quality(0x00FF).severity(), Severity::Good);
        assert_eq!(Quality(0x4FFF).severity(), Severity::Uncertain);
        assert_eq!(Quality(0x8FFF).severity(), Severity::Bad);
        assert_eq!(Quality(0xC000).severity(), Severity::Bad);
        assert_eq!(Quality(0x8FFF).word(), "bad");
    }
}
