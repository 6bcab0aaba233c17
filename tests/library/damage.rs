//! Logs that cannot be read, or not to their end: what is said, and that all in front of the damage counts.

use std::fs::File;
use std::io::{Read, Write as _};
use std::ops::ControlFlow;
use std::path::Path;

use temporal_code::logs::{EventFilter, Evidence, LineFault, LogEvent, LogSource, ReadProgress, Summary};
use temporal_code::testing::{self, BLOCK_BYTES, LINE_BYTES_MAX, ScanRecord, Visitor};

use crate::support::{Call, FAST, How, dump, file_of, fixture, options, read, source, with_errors};

/// A log of `lines` calls.
fn calls(lines: usize) -> Vec<u8> {
    (0..lines).map(|n| Call::ok("f", "v1", n as i64 * 5_000).line()).collect::<String>().into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

fn read_one(log: &[u8], threads: usize) -> (Summary, Evidence) {
    let file = file_of(log);
    let (summary, mut evidence) =
        read(&[source(file.path())], &with_errors(), How { threads, ..FAST }).expect("damage is no error");
    (summary, evidence.remove(0))
}

fn count(summary: &Summary) -> u64 {
    summary.functions.iter().map(temporal_code::logs::FunctionSummary::calls).sum()
}

/// What a reader gives before it fails, if it does.
fn before_damage(mut reader: impl Read) -> (Vec<u8>, bool) {
    let (mut out, mut byte) = (Vec::new(), [0; 512]);
    loop {
        match reader.read(&mut byte) {
            Ok(0) => return (out, false),
            Ok(count) => out.extend_from_slice(&byte[..count]),
            Err(_) => return (out, true),
        }
    }
}

/// Checks that of a packed log all counts that can be unpacked, but for at most `slack_bytes` in front of the damage.
fn keeps(packed: &[u8], (bytes, damaged): &(Vec<u8>, bool), slack_bytes: usize, what: &str) {
    let least = count(&read_one(&bytes[..bytes.len().saturating_sub(slack_bytes)], 1).0);
    let most = count(&read_one(bytes, 1).0);
    for threads in [1, 2] {
        let (summary, evidence) = read_one(packed, threads);
        assert_eq!(evidence.damaged.is_some(), *damaged, "{what}: {evidence:?}");
        assert!(*damaged != evidence.complete(), "{what}");
        let kept = count(&summary);
        assert!((least..=most).contains(&kept), "{what}: {kept} calls kept of {least} to {most}");
    }
}

/// A decoder may withhold what it has unpacked in the very step that finds broken data.
const STEP_BYTES: usize = 128 * 1024;

#[test]
fn a_gz_that_was_cut_short_gives_what_is_in_front() {
    for log in [calls(50), calls(6_000)] {
        let packed = gzip(&log);
        for share in [0.1, 0.5, 0.9, 0.999] {
            let cut = &packed[..(packed.len() as f64 * share) as usize];
            let unpacked = before_damage(flate2::read::MultiGzDecoder::new(cut));
            assert!(unpacked.1);
            keeps(cut, &unpacked, 0, &format!("gz of {} bytes, {share}", log.len()));
        }
    }
}

#[test]
fn a_zst_that_was_cut_short_gives_what_is_in_front() {
    for log in [calls(50), calls(6_000)] {
        let packed = zstd::encode_all(&log[..], 1).expect("packed");
        for share in [0.5, 0.9, 0.999] {
            let cut = &packed[..(packed.len() as f64 * share) as usize];
            let unpacked = before_damage(zstd::stream::read::Decoder::new(cut).expect("a decoder"));
            assert!(unpacked.1);
            keeps(cut, &unpacked, 0, &format!("zst of {} bytes, {share}", log.len()));
        }
    }
}

#[test]
fn a_second_member_that_is_damaged_leaves_the_first() {
    let (first, second) = (gzip(&calls(3_000)), gzip(&calls(40)));
    let mut broken = second.clone();
    broken[12] ^= 0xff;
    for (tail, what) in [(&second[..15], "cut"), (&broken[..], "broken"), (b"no gzip at all", "garbage")] {
        let packed = [&first[..], tail].concat();
        keeps(&packed, &before_damage(flate2::read::MultiGzDecoder::new(&packed[..])), STEP_BYTES, what);
    }
    let (summary, evidence) = read_one(&[&first[..], &second[..15]].concat(), 1);
    assert!(count(&summary) >= 3_000 && evidence.damaged.is_some());
}

#[test]
fn a_flipped_bit_in_a_packed_log_is_told() {
    let packed = gzip(&calls(6_000));
    for at in [packed.len() / 3, packed.len() / 2, packed.len() - 6] {
        let mut broken = packed.clone();
        broken[at] ^= 0x10;
        let unpacked = before_damage(flate2::read::MultiGzDecoder::new(&broken[..]));
        keeps(&broken, &unpacked, STEP_BYTES, &format!("bit in byte {at}"));
    }
}

/// A frame of zstd that may refer this far back, with these blocks: each its bytes, and how often they are repeated.
fn frame(window_log: u8, blocks: &[(&[u8], usize)]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (window_log - 10) << 3];
    for (number, (bytes, count)) in blocks.iter().enumerate() {
        let (kind, size) = if *count == 1 { (0, bytes.len()) } else { (1, *count) };
        let head = usize::from(number + 1 == blocks.len()) | kind << 1 | size << 3;
        frame.extend_from_slice(&head.to_le_bytes()[..3]);
        frame.extend_from_slice(bytes);
    }
    frame
}

#[test]
fn every_legal_stream_is_read_to_its_end() {
    let (some, more) = (calls(30), calls(7));
    let zst = |log: &[u8]| zstd::encode_all(log, 1).expect("compressed");
    let skippable = [&b"\x5e\x2a\x4d\x18\x05\0\0\0"[..], b"(c) 1"].concat();
    let nothing = b"\x50\x2a\x4d\x18\0\0\0\0".to_vec();
    let long = frame(31, &[(&some[..], 1)]);
    let padding = vec![0; 10_240];
    for (log, count_of, what) in [
        (vec![gzip(&some), gzip(&more)], 37, "members of gzip"),
        (vec![gzip(&some), gzip(b""), gzip(&more), padding.clone()], 37, "padding behind gzip"),
        (vec![zst(&some), zst(&more), padding.clone()], 37, "padding behind zstd"),
        (vec![zst(&some), vec![0]], 30, "a single zero"),
        (vec![nothing.clone(), zst(&some), skippable.clone(), zst(b""), zst(&more), nothing.clone()], 37, "skippable"),
        (vec![skippable, padding.clone()], 0, "nothing but what is skipped"),
        (vec![long.clone(), nothing, long], 60, "windows of two gigabytes"),
        ((0..500).map(|_| zst(&more)).collect(), 3_500, "many frames"),
    ] {
        let (summary, evidence) = read_one(&log.concat(), 2);
        assert_eq!((count(&summary), evidence.damaged.as_deref()), (count_of, None), "{what}");
    }
    for packed in [gzip(&some), zst(&some)] {
        for tail in [&[0, 0, 1][..], &[&padding[..], b"x"].concat(), &[&padding[..], &packed[..]].concat()] {
            let (summary, evidence) = read_one(&[&packed[..], tail].concat(), 1);
            assert_eq!((count(&summary), evidence.complete()), (30, false), "{} bytes behind", tail.len());
        }
    }
}

#[test]
fn a_large_window_takes_no_more_memory_than_the_log_is_worth() {
    // A kilobyte and a half that would fill 48 MiB is read; eight would fill 256 MiB.
    for (blocks, is_read) in [(384, true), (2_048, false)] {
        let (call, mut all) = (calls(1), vec![(&b" "[..], 1 << 17); blocks]);
        all.push((&call[..], 1));
        let (summary, evidence) = read_one(&frame(31, &all), 1);
        assert_eq!((count(&summary) == 1, evidence.damaged.is_none()), (is_read, is_read), "{evidence:?}");
    }
}

#[test]
fn only_a_head_is_damage_not_failure() {
    for log in [&b"\x1f\x8b"[..], b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd", b"\x28\xb5\x2f\xfd\x00"] {
        let (summary, evidence) = read_one(log, 2);
        assert!(summary.functions.is_empty() && evidence.damaged.is_some(), "{log:x?}");
    }
}

#[test]
fn small_logs_are_read() {
    for (log, lines, calls) in [
        (&b""[..], 0, 0),
        (b"\n", 1, 0),
        (b"\n\n\n\n", 4, 0),
        (&[b'\n'; 700_000], 700_000, 0),
        (b"\r\n \t\n", 2, 0),
        (&calls(1), 1, 1),
        (calls(1).trim_ascii_end(), 1, 1),
        (b"\x1f", 1, 0),
    ] {
        let (summary, evidence) = read_one(log, 2);
        assert_eq!((evidence.lines, count(&summary)), (lines, calls), "{:?}", &log[..log.len().min(9)]);
        assert_eq!(evidence.complete(), log != b"\x1f");
    }
    for empty in [gzip(b""), zstd::encode_all(&b""[..], 1).expect("packed")] {
        let (summary, evidence) = read_one(&empty, 2);
        assert!(summary.functions.is_empty() && evidence.complete() && evidence.lines == 0);
    }
}

/// Cuts a file when it is shown the first event.
struct Cutter<'f> {
    file: &'f File,
    to: u64,
}

impl Visitor for Cutter<'_> {
    type Part = ();

    fn event(&mut self, _: &ScanRecord<'_>, _: &LogEvent<'_>) {
        self.file.set_len(self.to).expect("cut");
    }

    fn end_block(&mut self) {}
}

#[test]
fn a_log_that_shrinks_while_it_is_read_is_told() {
    let log = calls(6_000);
    for to in [0, 1, 100, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES + 77, log.len() as u64 - 1] {
        for threads in [1, 4] {
            for backwards in [false, true] {
                let file = file_of(&log);
                let progress = ReadProgress::default();
                let how = How { threads, backwards, ..FAST };
                let visitor = || Cutter { file: file.as_file(), to };
                let merge = |_, ()| ControlFlow::Continue(());
                let scanned = testing::scan(&[source(file.path())], &options(&progress, how), visitor, merge);
                let (_, evidence) = scanned.expect("no error");
                // Backwards, the last block has been read before the file is cut; of the others none may reach the cut.
                let sure = threads == 1 && (!backwards || to < 3 * BLOCK_BYTES);
                assert!(!sure || evidence[0].shrunk, "{to} {threads} {backwards}: {evidence:?}");
                assert_eq!(evidence[0].complete(), !evidence[0].shrunk && evidence[0].skipped == 0);
            }
        }
    }
}

#[test]
fn a_log_that_grows_while_it_is_read_gives_its_last_line_whole() {
    let (first, second) = (Call::ok("f", "v1", 0).line(), Call::ok("f", "v2", 9).line());
    let (head, tail) = second.split_at(30);
    let mut file = file_of(format!("{first}{head}").as_bytes());
    let size = file.as_file().metadata().expect("its size").len();
    file.write_all(tail.as_bytes()).expect("appended");
    let mut reader = temporal_code::testing::BlockReader::default();
    let block = reader.read(file.as_file(), 0, size).expect("read");
    assert_eq!((block.bytes, block.shrunk), ((first + &second).as_bytes(), false));
}

#[test]
fn what_cannot_be_opened_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = folder.path().join("missing.jsonl");
    for path in [folder.path(), missing.as_path()] {
        let log = fixture("evolution/evolution.jsonl");
        for sources in [vec![source(path)], vec![source(&log), source(path)]] {
            let error = read(&sources, &EventFilter::default(), FAST).map(|_| ()).expect_err("it cannot be read");
            assert_eq!(error.to_string(), format!("cannot read {}", path.display()));
            assert!(std::error::Error::source(&error).is_some(), "it tells why");
        }
    }
}

#[test]
#[cfg(unix)]
fn what_may_not_be_read_is_an_error() {
    use std::os::unix::fs::PermissionsExt as _;
    let file = file_of(&calls(3));
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o000)).expect("permissions");
    let result = read(&[source(file.path())], &EventFilter::default(), FAST);
    // The superuser may read everything.
    let allowed = File::open(file.path()).is_ok();
    assert_eq!(result.as_ref().map(|(summary, _)| count(summary)).ok(), allowed.then_some(3));
    if let Err(error) = result {
        assert_eq!(error.to_string(), format!("cannot read {}", file.path().display()));
    }
}

#[cfg(unix)]
fn mkfifo(path: &Path) {
    let status = std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo is there");
    assert!(status.success());
}

#[test]
#[cfg(unix)]
fn a_pipe_is_read_like_a_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pipe = folder.path().join("pipe");
    mkfifo(&pipe);
    let log = calls(4_000);
    let file = file_of(&log);
    let expected = dump(&[source(file.path())], &with_errors(), FAST);
    for bytes in [log.clone(), gzip(&log)] {
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || File::options().write(true).open(pipe).and_then(|mut pipe| pipe.write_all(&bytes))
        });
        assert!(dump(&[source(&pipe)], &with_errors(), How { threads: 3, ..FAST }) == expected);
        writer.join().expect("no panic").expect("written");
    }
    let pipe = LogSource::File(pipe);
    assert_eq!((pipe.size(), pipe.first_time()), (None, None), "looking at a pipe would take from it");
}

#[test]
fn two_hundred_thousand_functions_are_counted() {
    let log = (0..200_000).map(|n| Call::ok(&format!("f{n}"), "v1", n).line()).collect::<String>();
    let (summary, evidence) = read_one(log.as_bytes(), 2);
    assert_eq!((summary.functions.len(), count(&summary), evidence.lines), (200_000, 200_000, 200_000));
    assert!(["f0", "f77777", "f199999"].iter().all(|name| summary.function(name).is_some_and(|f| f.calls() == 1)));
    assert!(summary.functions.is_sorted_by(|a, b| a.name < b.name));
}

#[test]
fn names_of_many_bytes_are_refused_before_they_fill_the_memory() {
    let name = "x".repeat(1 << 20);
    for count in [30, 600] {
        let mut packed = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("an encoder");
        for n in 0..count {
            let line = Call::ok(&format!("{n}{name}"), "v1", n * 5_000).line();
            packed.write_all(line.as_bytes()).expect("a vector takes all");
        }
        let packed = packed.finish().expect("a vector takes all");
        let (file, progress) = (file_of(&packed), ReadProgress::default());
        let read = Summary::read(&[source(file.path())], &EventFilter::default(), &options(&progress, FAST));
        let is_read = progress.bytes() > packed.len() as u64 / 2;
        assert_eq!((read.is_ok(), is_read), (count == 30, count == 30), "{} bytes", progress.bytes());
    }
}

#[test]
fn thirty_thousand_variants_are_counted_and_sorted_by_number() {
    let line = |n: i64| Call::ok("f", &format!("v{}", (n * 7_919) % 30_000), n).line();
    let (summary, _) = read_one((0..60_000).map(line).collect::<String>().as_bytes(), 2);
    let variants = &summary.functions[0].variants;
    assert_eq!((summary.functions.len(), variants.len()), (1, 30_000));
    assert!(variants.iter().all(|variant| variant.all().calls == 2));
    let names = variants.iter().map(|variant| variant.name.to_string()).take(4).collect::<Vec<_>>();
    assert_eq!(names, ["v1", "v0", "v2", "v3"]);
    assert_eq!(*variants[29_999].name, *"v29999");
}

#[test]
fn a_line_that_is_too_long_is_left_out_and_told() {
    let (first, longest) = (calls(2), format!("{{{}", "x".repeat(LINE_BYTES_MAX - 1)));
    // Longer than what a stream holds at a time.
    let longer = "y".repeat(LINE_BYTES_MAX + 2 * BLOCK_BYTES as usize + 5);
    let parts: [&[u8]; 8] = [&first, longest.as_bytes(), b"\n", &first, longer.as_bytes(), b"\n", &first, b"{]\n"];
    let starts =
        parts.iter().scan(0, |at, part| Some(std::mem::replace(at, *at + part.len() as u64))).collect::<Vec<_>>();
    let log = parts.concat();
    let packed = zstd::encode_all(&log[..], 1).expect("packed");
    for log in [log, packed] {
        let (summary, evidence) = read_one(&log, 2);
        assert_eq!((count(&summary), evidence.lines, evidence.skipped), (6, 9, 3));
        let faults = evidence.places.iter().map(|place| (place.line, place.offset)).collect::<Vec<_>>();
        assert_eq!(faults, [(Some(3), starts[1]), (Some(6), starts[4]), (Some(9), starts[7])]);
        assert!(matches!(evidence.places[0].fault, LineFault::Syntax(_)), "the longest that is read");
        assert_eq!(evidence.places[1].fault, LineFault::Overlong);
    }
}
