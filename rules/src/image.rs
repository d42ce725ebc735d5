//! A program for a node as bytes: the flat tables of the alarms that need nothing but its own points, and their names.
//!
//! Tables and names stay where the bytes are, which may be flash; what evaluation needs of them is read each time.
//! Any bytes give a program or an error: a program that was read can't make the engine panic.

mod check;
mod record;
mod table;
mod tables;
mod word;

use alloc::vec::Vec;

use sha2::{Digest, Sha256};
use tables::ImageTables;
use thiserror::Error;

use crate::bytes::{Broken, Head, Read, Reader, Writer};
use crate::effect::AlarmIdx;
use crate::point::PointIdx;
use crate::program::{AlarmId, Program, at, u32_of};

const MAGIC: &[u8; 4] = b"FSRI";
/// Version 1 knew nothing of the limits of `since`. An image is made anew by who has the rules: only the newest is read.
const VERSION: u8 = 3;
/// Where the length is told, of all of it in bytes.
const LEN_AT: usize = MAGIC.len() + 1;
/// SHA-256, at the end.
const HASH_LEN: usize = 32;

/// Why bytes are no image.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum ImageError {
    /// They do not begin as an image does.
    #[error("not an image of rules")]
    NotAnImage,
    /// A version that this program does not read.
    #[error("image version {0}, expected {VERSION}")]
    Version(u8),
    /// They are not the bytes that were written.
    #[error("the image is damaged: its hash is not that of its bytes")]
    Damaged,
    /// They end too early, or say what can't be.
    #[error("a broken image at byte {at}")]
    Broken {
        /// Where.
        at: usize,
    },
    /// The tables do not fit together.
    #[error("a broken image: {0} is out of place")]
    Inconsistent(&'static str),
}

impl From<Head> for ImageError {
    fn from(head: Head) -> Self {
        match head {
            Head::Strange => Self::NotAnImage,
            Head::Version(version) => Self::Version(version),
        }
    }
}

impl From<Broken> for ImageError {
    fn from(Broken { at }: Broken) -> Self {
        Self::Broken { at }
    }
}

/// A program for a node, read from bytes.
#[derive(Debug)]
pub struct Image<'a> {
    pub(crate) tables: ImageTables<'a>,
    names: Names<'a>,
    hash: [u8; HASH_LEN],
}

/// The names, as they were written.
#[derive(Debug)]
struct Names<'a> {
    points: Reader<'a>,
    n_points: u32,
    alarms: Reader<'a>,
    n_alarms: u32,
}

impl<'a> Image<'a> {
    /// Reads an image. What is behind it is of no meaning: flash is larger.
    ///
    /// # Errors
    /// Bytes that are none.
    pub fn read(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let mut reader = Reader::new(bytes, MAGIC, VERSION)?;
        if reader.version < VERSION {
            return Err(ImageError::Version(reader.version));
        }
        let len = at(reader.count()?);
        let image = bytes.get(..len).ok_or_else(|| reader.broken())?;
        let (body, hash) = image
            .split_last_chunk::<HASH_LEN>()
            .ok_or_else(|| reader.broken())?;
        if hash_of(body) != *hash {
            return Err(ImageError::Damaged);
        }
        let mut reader = Reader::new(body, MAGIC, VERSION)?;
        reader.count()?;
        let names = Names::read(&mut reader)?;
        let tables = ImageTables::read(&mut reader)?;
        reader.end()?;
        check::check(&tables, names.n_points, names.n_alarms).map_err(ImageError::Inconsistent)?;
        Ok(Self {
            tables,
            names,
            hash: *hash,
        })
    }

    /// SHA-256 of what it says: two images of the same hash are the same program.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// How many points it reads.
    pub fn n_points(&self) -> u32 {
        self.names.n_points
    }

    /// How many alarms it has.
    pub fn n_alarms(&self) -> u32 {
        self.names.n_alarms
    }

    /// The point with this name; looks through all names.
    pub fn find_point(&self, unit: &str, point: &str) -> Option<PointIdx> {
        let mut names = self.names.points.clone();
        (0..self.names.n_points)
            .find(|_| point_name(&mut names).is_ok_and(|name| name == (unit, point)))
            .map(PointIdx)
    }

    /// An alarm's id; looks through the names before it. None when there are not so many.
    pub fn id_of(&self, alarm: AlarmIdx) -> Option<AlarmId<'a>> {
        let mut names = self.names.alarms.clone();
        for _ in 0..alarm.0.min(self.names.n_alarms) {
            alarm_name(&mut names).ok()?;
        }
        (alarm.0 < self.names.n_alarms).then_some(())?;
        alarm_name(&mut names).ok()
    }
}

impl<'a> Names<'a> {
    fn read(reader: &mut Reader<'a>) -> Read<Self> {
        let n_points = reader.count()?;
        let points = reader.clone();
        for _ in 0..n_points {
            point_name(reader)?;
        }
        let n_alarms = reader.count()?;
        let alarms = reader.clone();
        for _ in 0..n_alarms {
            alarm_name(reader)?;
        }
        Ok(Self {
            points,
            n_points,
            alarms,
            n_alarms,
        })
    }
}

fn point_name<'a>(names: &mut Reader<'a>) -> Read<(&'a str, &'a str)> {
    Ok((names.text()?, names.text()?))
}

fn alarm_name<'a>(names: &mut Reader<'a>) -> Read<AlarmId<'a>> {
    Ok(AlarmId {
        unit: names.text()?,
        point: names.text()?,
        rule: names.text()?,
    })
}

fn hash_of(body: &[u8]) -> [u8; HASH_LEN] {
    Sha256::digest(body).into()
}

impl Program {
    /// The rules of a node, for [`Image::read`]: of all alarms those that need nothing but its points and no word of the system, whole or not at all. Their points and alarms are numbered anew.
    ///
    /// ```
    /// # use rules::image::Image;
    /// # let program = rules::program::ProgramBuilder::new().build();
    /// let bytes = program.image(|point| program.point(point).node.as_deref() == Some("node-1"));
    /// let image = Image::read(&bytes)?;
    /// # Ok::<(), rules::image::ImageError>(())
    /// ```
    pub fn image(&self, has: impl Fn(PointIdx) -> bool) -> Vec<u8> {
        let part = self.part(has);
        let mut out = Writer::new(MAGIC, VERSION);
        out.u32(0);
        out.u32(u32_of(part.points.len()));
        for point in &part.points {
            let info = self.point(*point);
            out.text(&info.unit);
            out.text(&info.point);
        }
        out.u32(u32_of(part.alarms.len()));
        for alarm in &part.alarms {
            let id = self.id_of(*alarm);
            out.text(id.unit);
            out.text(id.point);
            out.text(id.rule);
        }
        part.tables.write(&mut out);
        let len = u32_of(out.0.len() + HASH_LEN);
        out.0[LEN_AT..LEN_AT + size_of::<u32>()].copy_from_slice(&len.to_le_bytes());
        let hash = hash_of(&out.0);
        out.0.extend_from_slice(&hash);
        out.0
    }
}
