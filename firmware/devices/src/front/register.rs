//! A register in a profile file: table, address, type, order, bits.

use std::format;
use std::string::String;
use std::vec::Vec;

use ::front::{Item, Table};

use super::word;
use crate::{Bits, DataType, Function, Order, Register};

const TABLES: [Function; 4] = [
    Function::Coils,
    Function::DiscreteInputs,
    Function::HoldingRegisters,
    Function::InputRegisters,
];

const TYPES: [DataType; 11] = [
    DataType::Bit,
    DataType::U16,
    DataType::I16,
    DataType::U32,
    DataType::I32,
    DataType::U64,
    DataType::I64,
    DataType::F32,
    DataType::F64,
    DataType::Bcd16,
    DataType::Bcd32,
];

/// Which copy of a repeated entry is read, and how far its registers lie behind the first one's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copy {
    /// From 1; what `{n}` stands for.
    pub(super) n: u16,
    /// Added to each address.
    pub(super) shift: u32,
}

/// The registers of a profile as far as they could be read.
#[derive(Debug, Default)]
pub(super) struct Registers {
    /// Those that are right.
    pub(super) right: Vec<Register>,
    /// The names of those that are wrong: to refer to one of them is no further problem.
    pub(super) wrong: Vec<String>,
}

impl Registers {
    /// The index of the register that an item names.
    pub(super) fn index_of(&self, item: &Item<'_>, copy: Copy) -> Option<usize> {
        let wanted = with_n(item.str()?, copy);
        if self.wrong.contains(&wanted) {
            return None;
        }
        let known: Vec<&str> = self.right.iter().map(|it| it.name.as_str()).collect();
        word::index_of(item, &wanted, "register", &known)
    }
}

/// A name with its `{n}` filled in.
pub(super) fn with_n(name: &str, copy: Copy) -> String {
    name.replace("{n}", &format!("{}", copy.n))
}

/// The table of a register by its word.
pub(super) fn function(item: &Item<'_>) -> Option<Function> {
    let words = TABLES.map(Function::word);
    let word = item.one_of(&words)?;
    TABLES.into_iter().find(|table| table.word() == word)
}

/// The order of bytes by its letters; `AB` and `BA` are for one register.
pub(super) fn order(item: &Item<'_>) -> Option<Order> {
    let word = item.one_of(&["ABCD", "BADC", "CDAB", "DCBA", "AB", "BA"])?;
    Some(match word {
        "BADC" | "BA" => Order::Badc,
        "CDAB" => Order::Cdab,
        "DCBA" => Order::Dcba,
        _ => Order::Abcd,
    })
}

/// Reads the keys `table`, `address`, `type`, `order`, `bit` and `bits`.
pub(super) fn register(
    entry: &Table<'_>,
    name: String,
    default_order: Order,
    copy: Copy,
) -> Option<Register> {
    let function = entry.req("table").and_then(|item| function(&item));
    let address = entry
        .req("address")
        .and_then(|item| address(&item, function, copy));
    let data_type = data_type(entry, function);
    let order = match entry.opt("order") {
        Some(item) => order(&item),
        None => Some(default_order),
    };
    let bits = bits(entry, data_type);
    let (function, address, data_type) = (function?, address?, data_type?);
    if u32::from(address) + u32::from(data_type.count()) > 65_536 {
        entry.problem(format!(
            "ends beyond address 65535: `{}` takes {} addresses from {address} on",
            data_type.word(),
            data_type.count()
        ));
        return None;
    }
    Some(Register {
        name,
        function,
        address,
        data_type,
        order: order?,
        bits: bits?,
    })
}

/// A protocol address. The numbers of data sheets (40001, 400001) are refused: they begin at 1 and carry the table in front.
fn address(item: &Item<'_>, function: Option<Function>, copy: Copy) -> Option<u16> {
    let written = item.int(0..=499_999)?;
    let first_of = |function| match function {
        Function::Coils => None,
        Function::DiscreteInputs => Some([10_001, 100_001]),
        Function::InputRegisters => Some([30_001, 300_001]),
        Function::HoldingRegisters => Some([40_001, 400_001]),
    };
    let starts = function.and_then(first_of).into_iter().flatten();
    let mut starts = starts.filter(|first| {
        let n_numbers = if *first > 65_536 { 65_536 } else { 9_999 };
        (*first..first + n_numbers).contains(&written)
    });
    if let Some(first) = starts.next().filter(|_| !item.is_hexadecimal()) {
        let hint = if written < 65_536 {
            format!("; if the wire really carries {written}, write it as 0x{written:X}")
        } else {
            String::new()
        };
        item.problem(format!(
            "{written} is a data sheet's register number, expected the address as it goes over the wire, from 0: {}{hint}",
            written - first
        ));
        return None;
    }
    let address = u32::try_from(written).ok()? + copy.shift;
    let address = u16::try_from(address);
    if address.is_err() {
        item.problem(format!(
            "{}, expected a protocol address from 0 to 65535",
            u32::try_from(written)
                .unwrap_or(u32::MAX)
                .saturating_add(copy.shift)
        ));
    }
    address.ok()
}

fn data_type(entry: &Table<'_>, function: Option<Function>) -> Option<DataType> {
    let is_bits = function.is_some_and(Function::is_bits);
    let Some(item) = entry.opt("type") else {
        if function.is_some() && !is_bits {
            entry.req("type");
        }
        return is_bits.then_some(DataType::Bit);
    };
    let words = TYPES.map(DataType::word);
    let word = item.one_of(&words)?;
    let data_type = TYPES.into_iter().find(|known| known.word() == word)?;
    if let Some(function) = function
        && (data_type == DataType::Bit) != function.is_bits()
    {
        item.problem(if function.is_bits() {
            format!("`{word}` in the table `{}`, which has only bits", function.word())
        } else {
            format!(
                "a bit in the table `{}`, which has registers: expected a type as `u16` and the key `bit`",
                function.word()
            )
        });
        return None;
    }
    Some(data_type)
}

/// `bit = 3` or `bits = [4, 7]`; the outer `None` after a problem.
fn bits(entry: &Table<'_>, data_type: Option<DataType>) -> Option<Option<Bits>> {
    let single = entry.opt("bit");
    let several = entry.opt("bits");
    let item = match (&single, &several) {
        (None, None) => return Some(None),
        (Some(_), Some(bits)) => {
            bits.problem("`bit` and `bits` exclude each other");
            return None;
        }
        (Some(item), None) | (None, Some(item)) => item,
    };
    let data_type = data_type?;
    let whole = matches!(
        data_type,
        DataType::U16
            | DataType::I16
            | DataType::U32
            | DataType::I32
            | DataType::U64
            | DataType::I64
    );
    if !whole {
        item.problem(format!(
            "bits of `{}`, expected a whole-number type as `u16`",
            data_type.word()
        ));
        return None;
    }
    let highest = i64::from(data_type.width()) - 1;
    let bit = |item: &Item<'_>| item.int(0..=highest).and_then(|bit| u8::try_from(bit).ok());
    if several.is_none() {
        let bit = bit(item)?;
        return Some(Some(Bits {
            first: bit,
            last: bit,
        }));
    }
    let ends = item.items();
    let [first, last] = ends.as_slice() else {
        if item.is_array() {
            item.problem("expected the lowest and the highest bit, as `[4, 7]`");
        }
        return None;
    };
    let (first, last) = (bit(first), bit(last));
    let (first, last) = (first?, last?);
    if first > last {
        item.problem(format!(
            "from {first} to {last}, expected the lowest bit first"
        ));
        return None;
    }
    Some(Some(Bits { first, last }))
}
