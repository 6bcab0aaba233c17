//! Compressed logs, known by their first bytes.

use std::fs::File;
use std::io::{self, Read};

use crate::jsonl::read_at;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// What a frame of zstd begins with that holds no content (RFC 8878, section 3.1.2), but for the first byte's lower half.
const ZSTD_SKIPPABLE: &[u8] = &[0x50, 0x2a, 0x4d, 0x18];

/// How much of a log tells whether it is compressed, in bytes.
const HEAD_BYTES: usize = 4;

enum Compression {
    Gzip,
    Zstd,
}

fn compression(head: &[u8]) -> Option<Compression> {
    if head.starts_with(GZIP_MAGIC) {
        Some(Compression::Gzip)
    } else if head.starts_with(ZSTD_MAGIC) || is_skippable(head) {
        Some(Compression::Zstd)
    } else {
        None
    }
}

fn is_skippable(head: &[u8]) -> bool {
    head.first().is_some_and(|first| first & 0xf0 == ZSTD_SKIPPABLE[0]) && head[1..].starts_with(&ZSTD_SKIPPABLE[1..])
}

/// Whether a file is compressed, whatever its name is.
///
/// # Errors
/// It cannot be read.
pub(crate) fn is_compressed_file(file: &File) -> io::Result<bool> {
    let mut head = [0; HEAD_BYTES];
    let length = read_at(file, &mut head, 0)?;
    Ok(is_compressed(&head[..length]))
}

/// Whether something is compressed that begins so.
pub(crate) fn is_compressed(head: &[u8]) -> bool {
    compression(head).is_some()
}

/// What `input` holds, decompressed if its first bytes say that it is compressed.
pub(crate) fn decompressed<'r>(mut input: impl Read + Send + 'r) -> io::Result<Box<dyn Read + Send + 'r>> {
    let mut head = Vec::new();
    input.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    let compression = compression(&head);
    let whole = io::Cursor::new(head).chain(input);
    Ok(match compression {
        Some(Compression::Gzip) => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        Some(Compression::Zstd) => Box::new(zstd::stream::read::Decoder::new(whole)?),
        None => Box::new(whole),
    })
}
