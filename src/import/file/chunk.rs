//! Reads a file as numbered chunks of whole lines, of bounded size.
//!
//! A chunk ends at a line end, so any thread can parse any chunk, in any order. If a line is longer than
//! [`LINE_LIMIT`], the reader skips it without holding it in memory and reports it as bad, wherever in the file it
//! stands. It counts the bytes and lines of the stream. At the end, the code that reads the chunks compares its own
//! count with that [`Tally`].

use memchr::{memchr, memchr_iter, memrchr};
use std::io::{self, Read};

/// The longest line, in bytes without its line end. It is this large because a session's log may contain pasted images.
pub const LINE_LIMIT: usize = 64 << 20;
/// The size of the text in a chunk, unless one line is longer.
pub const CHUNK_SIZE: usize = 1 << 20;
/// The most bytes to read before a line is certainly too long: the limit, `\r`, and one more byte.
const FULL: usize = LINE_LIMIT + 2;

/// How much of a stream was read or counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Lines; for a document, records.
    pub lines: u64,
    /// Bytes, including line ends and a byte-order mark.
    pub bytes: u64,
}

/// Some lines of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The number of its first line, from 1.
    pub first_line: u64,
    /// Whole lines; the file's last may lack its line end.
    pub text: Vec<u8>,
    /// The line that was too long to store. Such a chunk has no text.
    pub too_long: Option<u64>,
    /// The numbers of the lines, if they are not consecutive.
    pub numbers: Vec<u64>,
    /// The number of bytes of the stream that the chunk covers.
    pub bytes: u64,
}

/// Reads a stream as chunks.
pub struct Chunks<R> {
    reader: R,
    /// The bytes that were read and not yet taken, followed by unused memory to read into. New memory would have to be
    /// cleared each time.
    buffer: Vec<u8>,
    /// The number of bytes that were read and not yet taken.
    filled: usize,
    next_line: u64,
    ended: bool,
    /// The number of bytes that the stream returned.
    read: u64,
    /// The bytes of a byte-order mark, which the first chunk counts.
    mark: u64,
    /// The memory of parsed chunks, for reuse.
    spare: Vec<Vec<u8>>,
}

impl<R: Read> Chunks<R> {
    /// The chunks of a stream, without a byte-order mark at its start.
    pub fn new(mut reader: R) -> io::Result<Self> {
        let mut buffer = Vec::with_capacity(CHUNK_SIZE);
        let read = length(reader.by_ref().take(3).read_to_end(&mut buffer)?);
        let mut mark = 0;
        if buffer == b"\xef\xbb\xbf" {
            mark = read;
            buffer.clear();
        }
        let filled = buffer.len();
        Ok(Self { reader, buffer, filled, next_line: 1, ended: false, read, mark, spare: Vec::new() })
    }

    /// The bytes that the stream has returned so far, and the lines made of them.
    pub const fn tally(&self) -> Tally {
        Tally { lines: self.next_line - 1, bytes: self.read }
    }

    /// Returns the stream, so that the caller can finish it.
    pub fn into_inner(self) -> R {
        self.reader
    }

    /// The stream, to ask how far it has been read.
    pub fn inner(&self) -> &R {
        &self.reader
    }

    /// The beginning of the stream, without taking it: at least this many bytes, if there are as many.
    pub fn head(&mut self, at_least: usize) -> io::Result<&[u8]> {
        self.fill(at_least.max(CHUNK_SIZE))?;
        Ok(self.rest())
    }

    /// Whether [`head`](Self::head) shows the whole rest of the stream.
    pub const fn is_read(&self) -> bool {
        self.ended
    }

    /// Returns the stream, and the bytes that were read and not yet taken.
    pub fn into_parts(mut self) -> (R, Vec<u8>) {
        self.buffer.truncate(self.filled);
        (self.reader, self.buffer)
    }

    /// The bytes that were read and not yet taken.
    pub fn rest(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or(&[])
    }

    /// The next chunk; `None` at the end.
    pub fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        self.fill(CHUNK_SIZE)?;
        if self.filled == 0 {
            return Ok(None);
        }
        let Some(end) = self.line_end()? else { return self.skip_line().map(Some) };
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
        let bytes = length(end) + std::mem::take(&mut self.mark);
        Ok(Some(Chunk { first_line, text, too_long: None, numbers: Vec::new(), bytes }))
    }

    /// The end of the last whole line in the rest. It reads until there is one; `None` if the first line is too long.
    fn line_end(&mut self) -> io::Result<Option<usize>> {
        let mut looked = 0;
        loop {
            let new = self.buffer.get(looked..self.filled).unwrap_or(&[]);
            let last = if self.ended { Some(self.filled) } else { memrchr(b'\n', new).map(|at| looked + at + 1) };
            if let Some(end) = last {
                // Only a line that needed reading beyond a chunk can be too long.
                let first = memchr(b'\n', self.rest()).unwrap_or(self.filled);
                let line = self.buffer.get(..first).unwrap_or(&[]);
                let fits = line.strip_suffix(b"\r").unwrap_or(line).len() <= LINE_LIMIT;
                return Ok(fits.then_some(end));
            }
            if self.filled >= FULL {
                return Ok(None);
            }
            looked = self.filled;
            self.fill((self.filled + CHUNK_SIZE).min(FULL))?;
        }
    }

    /// Takes back the memory of a parsed chunk for a later one, because fresh memory costs more than reading into it.
    pub fn give_back(&mut self, chunk: Chunk) {
        // The memory of a long line is freed.
        if chunk.text.capacity() <= 2 * CHUNK_SIZE {
            self.spare.push(chunk.text);
        }
    }

    /// Reads until the rest has this many bytes, or the stream ends.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        if self.buffer.len() < wanted && !self.ended {
            self.buffer.resize(wanted, 0);
        }
        while self.filled < wanted && !self.ended {
            match self.reader.read(&mut self.buffer[self.filled..wanted]) {
                Ok(0) => self.ended = true,
                Ok(read) => {
                    self.filled += read;
                    self.read += length(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Drops the first line of the rest, including its line end.
    fn skip_line(&mut self) -> io::Result<Chunk> {
        let line = self.next_line;
        self.next_line += 1;
        let mut bytes = std::mem::take(&mut self.mark);
        loop {
            if let Some(end) = memchr(b'\n', self.rest()) {
                bytes += length(end + 1);
                self.buffer.copy_within(end + 1..self.filled, 0);
                self.filled -= end + 1;
                break;
            }
            bytes += length(self.filled);
            self.filled = 0;
            self.fill(CHUNK_SIZE)?;
            if self.filled == 0 {
                break;
            }
        }
        Ok(Chunk { first_line: line, text: Vec::new(), too_long: Some(line), numbers: Vec::new(), bytes })
    }
}

fn length(bytes: usize) -> u64 {
    // No stream has 2^64 bytes.
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn count_lines(text: &[u8]) -> u64 {
    let ends = memchr_iter(b'\n', text).count();
    let unended = usize::from(!text.is_empty() && !text.ends_with(b"\n"));
    // Chunks have far fewer than 2^64 lines.
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
        let mut bytes = 0;
        while let Ok(Some(chunk)) = chunks.next_chunk() {
            bytes += chunk.bytes;
            found.extend(chunk.too_long.map(|line| (line, usize::MAX)));
            found.extend(lines(&chunk).map(|(number, line)| (number, line.len())));
        }
        assert_eq!((bytes, chunks.tally()), (length(text.len()), Tally { lines: length(found.len()), bytes }));
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
    fn a_line_is_too_long_by_its_own_length_alone() {
        const TOO_LONG: usize = usize::MAX;
        for end in ["\n", "\r\n", ""] {
            for (length, says) in [
                (LINE_LIMIT - 1, LINE_LIMIT - 1),
                (LINE_LIMIT, LINE_LIMIT),
                (LINE_LIMIT + 1, TOO_LONG),
                (LINE_LIMIT + 2, TOO_LONG),
            ] {
                let long = [&vec![b'x'; length][..], end.as_bytes()].concat();
                for before in ["", "a\n"] {
                    let text = [before.as_bytes(), &long, if end.is_empty() { b"" } else { b"b\n" }].concat();
                    let mut expected = vec![];
                    expected.extend((!before.is_empty()).then_some((1, 1)));
                    expected.push((length_of(&expected) + 1, says));
                    expected.extend((!end.is_empty()).then_some((length_of(&expected) + 1, 1)));
                    assert_eq!(read(&text), expected, "{length} bytes and {end:?} after {before:?}");
                }
            }
        }
    }

    fn length_of(lines: &[(u64, usize)]) -> u64 {
        length(lines.len())
    }
}
