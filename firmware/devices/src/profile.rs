//! A device's register map: what each register holds and what makes a reading of it.
//!
//! A profile knows a device type. It does not know where a device stands, how it is wired, or what its points are called: that is the bus.

use alloc::string::String;
use alloc::vec::Vec;

use telemetry::Quality;

/// A table of a Modbus device, with the function that reads it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Function {
    /// Function 1: coils, one bit each.
    Coils,
    /// Function 2: discrete inputs, one bit each.
    DiscreteInputs,
    /// Function 3: holding registers, 16 bits each.
    HoldingRegisters,
    /// Function 4: input registers, 16 bits each.
    InputRegisters,
}

impl Function {
    /// The function code on the wire, 1 to 4.
    pub fn code(self) -> u8 {
        match self {
            Self::Coils => 1,
            Self::DiscreteInputs => 2,
            Self::HoldingRegisters => 3,
            Self::InputRegisters => 4,
        }
    }

    /// True for the two tables of single bits.
    pub fn is_bits(self) -> bool {
        matches!(self, Self::Coils | Self::DiscreteInputs)
    }

    /// The most that one request may ask for: 2,000 bits or 125 registers (Modbus application protocol V1.1b3 §6.1 to §6.4).
    pub fn count_max(self) -> u16 {
        if self.is_bits() { 2_000 } else { 125 }
    }

    /// The word in files: `coil`, `discrete`, `holding`, `input`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Coils => "coil",
            Self::DiscreteInputs => "discrete",
            Self::HoldingRegisters => "holding",
            Self::InputRegisters => "input",
        }
    }
}

/// What the bits of a register are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DataType {
    /// A coil or a discrete input.
    Bit,
    /// Unsigned, one register.
    U16,
    /// Two's complement, one register.
    I16,
    /// Unsigned, two registers.
    U32,
    /// Two's complement, two registers.
    I32,
    /// Unsigned, four registers; beyond 2⁵³ the value is rounded to the nearest number.
    U64,
    /// Two's complement, four registers; beyond ±2⁵³ the value is rounded to the nearest number.
    I64,
    /// IEEE 754 single, two registers.
    F32,
    /// IEEE 754 double, four registers.
    F64,
    /// Four decimal digits, one register.
    Bcd16,
    /// Eight decimal digits, two registers.
    Bcd32,
}

impl DataType {
    /// How many registers (or bits of a bit table) it takes: 1, 2 or 4.
    pub fn count(self) -> u16 {
        match self {
            Self::Bit | Self::U16 | Self::I16 | Self::Bcd16 => 1,
            Self::U32 | Self::I32 | Self::F32 | Self::Bcd32 => 2,
            Self::U64 | Self::I64 | Self::F64 => 4,
        }
    }

    /// How many bits it has: 1, 16, 32 or 64.
    pub fn width(self) -> u8 {
        match self.count() {
            _ if self == Self::Bit => 1,
            1 => 16,
            2 => 32,
            _ => 64,
        }
    }

    /// The word in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bit => "bit",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Bcd16 => "bcd16",
            Self::Bcd32 => "bcd32",
        }
    }
}

/// How the bytes of a value lie in its registers; A is the most significant byte of two words.
///
/// One register knows only its byte order (`AB`, `BA`); four registers follow the same pattern as two (`ABCDEFGH`, `BADCFEHG`, `GHEFCDAB`, `HGFEDCBA`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Order {
    /// Most significant word first, most significant byte first: what the Modbus specification means.
    #[default]
    Abcd,
    /// Most significant word first, bytes swapped.
    Badc,
    /// Least significant word first, most significant byte first.
    Cdab,
    /// Least significant word first, bytes swapped: little-endian throughout.
    Dcba,
}

impl Order {
    /// True when the bytes of each word are swapped.
    pub fn swaps_bytes(self) -> bool {
        matches!(self, Self::Badc | Self::Dcba)
    }

    /// True when the least significant word comes first.
    pub fn swaps_words(self) -> bool {
        matches!(self, Self::Cdab | Self::Dcba)
    }
}

/// Some neighbouring bits of a whole number; bit 0 is the least significant one, after the order was applied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bits {
    /// The lowest bit, 0 to 63.
    pub first: u8,
    /// The highest bit, `first` to 63.
    pub last: u8,
}

/// One register (or several that make one number) to be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Register {
    /// What the profile calls it; unique in the profile.
    pub name: String,
    /// The table.
    pub function: Function,
    /// The protocol address, from 0, as it goes over the wire.
    pub address: u16,
    /// What its bits are.
    pub data_type: DataType,
    /// How its bytes lie.
    pub order: Order,
    /// Only some of its bits, as an unsigned number.
    pub bits: Option<Bits>,
}

impl Register {
    /// How many addresses it takes, from `address` on.
    pub fn count(&self) -> u16 {
        self.data_type.count()
    }

    /// True when it holds a single bit.
    pub fn is_bit(&self) -> bool {
        self.data_type == DataType::Bit || self.bits.is_some_and(|bits| bits.first == bits.last)
    }
}

/// Addresses that a device must not be asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Forbidden {
    /// The table.
    pub function: Function,
    /// The first address.
    pub first: u16,
    /// The last address, at least `first`.
    pub last: u16,
}

/// What an instrument can measure, in the point's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The lowest value; finite.
    pub low: f64,
    /// The highest value; finite, above `low`.
    pub high: f64,
}

/// What raw numbers are multiplied by.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    /// Always the same factor; finite, not 0.
    By(f64),
    /// A factor that the device says in another register.
    From(ScaleFrom),
}

/// A factor that the device says in another register.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaleFrom {
    /// The register with the code: index into the registers.
    pub register: usize,
    /// What each code means; any other code is a `configuration` bad quality.
    pub codes: Vec<(u64, f64)>,
}

/// The unit that the device says in another register.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnitFrom {
    /// The register with the code: index into the registers.
    pub register: usize,
    /// What each code means; any other code is a `configuration` bad quality.
    pub codes: Vec<(u64, String)>,
}

/// Raw contents that are no number but a message of the device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sentinel {
    /// The lowest contents, as an unsigned number of the register's width.
    pub first: u64,
    /// The highest contents.
    pub last: u64,
    /// What it says about the reading; never good.
    pub quality: Quality,
    /// The value in the point's unit that stands for it, as the end of the range for "over-range"; only with an uncertain quality.
    pub reads: Option<f64>,
}

/// What a code in a status register says about the reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CodeQuality {
    /// The code.
    pub code: u64,
    /// The quality of the reading while the register holds it.
    pub quality: Quality,
    /// The value in the point's unit that stands for the reading meanwhile; only with an uncertain quality.
    ///
    /// A catalytic detector above its range folds back to a low number: what it says then is "over-range", and its number must not be believed.
    pub reads: Option<f64>,
}

/// A register that says how far a reading can be trusted.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The register with the status: index into the registers.
    pub register: usize,
    /// What each code means.
    pub codes: Vec<CodeQuality>,
    /// What any other code means; a status that nobody listed is never good by itself.
    pub other: Quality,
}

/// Something a device measures: which register, and how its contents become a value and a quality.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// What the profile calls it; unique in the profile, in the alphabet of names.
    pub name: String,
    /// The register with the value: index into the registers.
    pub register: usize,
    /// The factor from raw to the device's unit.
    pub scale: Scale,
    /// Added after scaling, in the device's unit.
    pub offset: f64,
    /// The unit as the device says it, where it does.
    pub unit_from: Option<UnitFrom>,
    /// Raw contents that are messages.
    pub sentinels: Vec<Sentinel>,
    /// Registers that say how far the value can be trusted; the worst one counts.
    pub status: Vec<Status>,
    /// What the instrument can measure, in `eu`.
    pub range: Option<Range>,
    /// What a value above the range (by more than 1 % of it) is: [`Quality::OUT_OF_RANGE`] without a value, or [`Quality::OVER_RANGE`] with it.
    pub above: Quality,
    /// True when a digital signal's 0 means on.
    pub inverted: bool,
    /// True for an on-off signal: its value is a truth, not a number.
    pub digital: bool,
    /// What it measures, as `combustible-gas`: the word by which rules find it; empty where only the bus file can know.
    pub kind: String,
    /// The unit of its values; none for a digital signal and for a bare number.
    pub eu: Option<String>,
    /// What it is, for people.
    pub description: Option<String>,
    /// True when a slave has this point only if its bus file names it.
    pub optional: bool,
}

/// A device type: its registers, and what it measures.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The profile's name, as a bus file asks for it.
    pub name: String,
    /// What the device is, for people.
    pub title: String,
    /// Where the map is from: data sheet and section, or whose pattern it is.
    pub source: String,
    /// The most registers that one request may ask this device for, 1 to 125.
    pub registers_max: u16,
    /// The most bits that one request may ask this device for, 1 to 2,000.
    pub bits_max: u16,
    /// How many addresses that the profile does not list may be read along between two that are needed; 0 reads only what is listed.
    pub gap_max: u16,
    /// Addresses that must not be asked for.
    pub forbidden: Vec<Forbidden>,
    /// The registers, of values and of what explains them.
    pub registers: Vec<Register>,
    /// What it measures.
    pub signals: Vec<Signal>,
}
