//! A file as chunks of whole lines, numbered, of bounded size.
//!
//! A chunk ends at a line end, so chunks can be parsed by any thread in any order. A line longer than [`LINE_LIMIT`] is
//! skipped without being held in memory and reported as bad.

use memchr::{memchr, memchr_iter, memrchr};
use std::io::{self, Read};

/// The longest line, in bytes.
pub const LINE_LIMIT: usize = 1 << 20;
/// How much text a chunk holds, but for a last long line.
pub const CHUNK_SIZE: usize = 1 << 20;

/// Some lines of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The number of its first line, from 1.
    pub first_line: u64,
    /// Whole lines; the file's last may lack its line end.
    pub text: Vec<u8>,
    /// The line, before this chunk's text, that was too long to keep.
    pub too_long: Option<u64>,
    /// The numbers of the lines, where they do not follow each other.
    pub numbers: Vec<u64>,
}

/// Reads a stream as chunks.
pub struct Chunks<R> {
    reader: R,
    /// What was read and not yet taken, and after it bytes that mean nothing: room to read into, which would have to be
    /// cleared if it were asked for each time.
    buffer: Vec<u8>,
    /// How many bytes were read and not yet taken.
    filled: usize,
    next_line: u64,
    ended: bool,
    /// The room of chunks that were parsed.
    spare: Vec<Vec<u8>>,
}

impl<R: Read> Chunks<R> {
    /// The chunks of a stream; a byte-order mark at its start is taken off.
    pub fn new(mut reader: R) -> io::Result<Self> {
        let mut buffer = Vec::with_capacity(CHUNK_SIZE);
        reader.by_ref().take(3).read_to_end(&mut buffer)?;
        if buffer == b"\xef\xbb\xbf" {
            buffer.clear();
        }
        let filled = buffer.len();
        Ok(Self { reader, buffer, filled, next_line: 1, ended: false, spare: Vec::new() })
    }

    /// The stream, for what it knows of itself.
    pub fn into_inner(self) -> R {
        self.reader
    }

    /// The stream, to ask how far it has been read.
    pub fn inner(&self) -> &R {
        &self.reader
    }

    /// The beginning of the stream: a chunk's worth, read and not yet taken.
    pub fn head(&mut self) -> io::Result<&[u8]> {
        self.fill()?;
        Ok(self.rest())
    }

    /// The stream, and what was read of it and not yet taken.
    pub fn into_parts(mut self) -> (R, Vec<u8>) {
        self.buffer.truncate(self.filled);
        (self.reader, self.buffer)
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or(&[])
    }

    /// The next chunk; `None` at the end.
    pub fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        self.fill()?;
        let rest = self.rest();
        if rest.is_empty() {
            return Ok(None);
        }
        if !self.ended && memchr(b'\n', rest).is_none() {
            return self.skip_line().map(Some);
        }
        let end = if self.ended { rest.len() } else { memrchr(b'\n', rest).map_or(0, |at| at + 1) };
        let mut next = self.spare.pop().unwrap_or_default();
        let after = &self.buffer[end..self.filled];
        if next.len() < after.len() {
            next.resize(after.len(), 0);
        }
        next[..after.len()].copy_from_slice(after);
        self.filled = after.len();
        let mut text = std::mem::replace(&mut self.buffer, next);
        text.truncate(end);
        let first_line = self.next_line;
        self.next_line += count_lines(&text);
        Ok(Some(Chunk { first_line, text, too_long: None, numbers: Vec::new() }))
    }

    /// Takes the room of a chunk that was parsed, for one to come: fresh memory costs more than reading into it.
    pub fn give_back(&mut self, chunk: Chunk) {
        self.spare.push(chunk.text);
    }

    /// Reads until the rest is a chunk's worth, or the stream ends.
    fn fill(&mut self) -> io::Result<()> {
        if self.buffer.len() < CHUNK_SIZE && !self.ended {
            self.buffer.resize(CHUNK_SIZE, 0);
        }
        while self.filled < CHUNK_SIZE && !self.ended {
            match self.reader.read(&mut self.buffer[self.filled..CHUNK_SIZE]) {
                Ok(0) => self.ended = true,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Drops the rest and all up to the next line end.
    fn skip_line(&mut self) -> io::Result<Chunk> {
        let line = self.next_line;
        self.next_line += 1;
        loop {
            self.filled = 0;
            self.fill()?;
            if let Some(end) = memchr(b'\n', self.rest()) {
                self.buffer.copy_within(end + 1..self.filled, 0);
                self.filled -= end + 1;
                break;
            }
            if self.ended {
                self.filled = 0;
                break;
            }
        }
        Ok(Chunk { first_line: self.next_line, text: Vec::new(), too_long: Some(line), numbers: Vec::new() })
    }
}

fn count_lines(text: &[u8]) -> u64 {
    let ends = memchr_iter(b'\n', text).count();
    let unended = usize::from(!text.is_empty() && !text.ends_with(b"\n"));
    // Chunks are far below 2^64 lines.
    u64::try_from(ends + unended).unwrap_or(u64::MAX)
}

/// The lines of a chunk with their numbers, without line ends.
pub fn lines(chunk: &Chunk) -> impl Iterator<Item = (u64, &[u8])> {
    let mut rest = chunk.text.as_slice();
    let (mut place, mut number) = (0, chunk.first_line);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, after) = match memchr(b'\n', rest) {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &[] as &[u8]),
        };
        rest = after;
        let own = chunk.numbers.get(place).copied().unwrap_or(number);
        (place, number) = (place + 1, number + 1);
        Some((own, line.strip_suffix(b"\r").unwrap_or(line)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<(u64, usize)> {
        let mut found = Vec::new();
        let Ok(mut chunks) = Chunks::new(text) else { return found };
        while let Ok(Some(chunk)) = chunks.next_chunk() {
            found.extend(chunk.too_long.map(|line| (line, usize::MAX)));
            found.extend(lines(&chunk).map(|(number, line)| (number, line.len())));
        }
        found
    }

    #[test]
    fn lines_are_numbered_across_chunks() {
        let mut text = b"\xef\xbb\xbfa\r\n\nbcd\n".to_vec();
        assert_eq!(read(&text), [(1, 1), (2, 0), (3, 3)]);
        text.extend(vec![b'x'; CHUNK_SIZE - 20]);
        text.extend(b"\nlast");
        assert_eq!(read(&text), [(1, 1), (2, 0), (3, 3), (4, CHUNK_SIZE - 20), (5, 4)]);
        assert_eq!(read(b""), []);
    }

    #[test]
    fn an_endless_line_is_skipped_and_counted() {
        let mut text = b"a\n".to_vec();
        text.extend(vec![b'x'; 5 * CHUNK_SIZE]);
        text.extend(b"\nb\n");
        assert_eq!(read(&text), [(1, 1), (2, usize::MAX), (3, 1)]);
    }
}
