//! New events of pipes and of standard input, as they come.

use std::io::{self, Read as _};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use super::lines::Lines;
use super::update::{Notice, Spot, Update};
use crate::evolution::scan::is_damage;
use crate::evolution::source::{Progress, ReadError, Source};

/// How much is read at a time, in bytes.
const READ_BYTES: usize = 1 << 18;

/// How many pieces may wait to be given out.
const PIECES_MAX: usize = 64;

/// What can be read once only, while it comes.
#[derive(Debug)]
pub(super) struct StreamFollower {
    name: String,
    /// None when it has ended.
    pieces: Option<Receiver<io::Result<Vec<u8>>>>,
    lines: Lines,
}

impl StreamFollower {
    /// A thread waits for what comes: it ends with the stream, or when nobody takes what it has read.
    pub(super) fn begin(source: &Source) -> Result<Self, ReadError> {
        let name = source.name();
        let (sender, pieces) = sync_channel(PIECES_MAX);
        let source = source.clone();
        let read = move || {
            if let Err(error) = read_all(&source, &sender) {
                let _ = sender.send(Err(error));
            }
        };
        let spawned = std::thread::Builder::new().spawn(read);
        spawned.map_err(|cause| ReadError { name: name.clone(), cause })?;
        Ok(StreamFollower { name, pieces: Some(pieces), lines: Lines::default() })
    }

    pub(super) fn is_over(&self) -> bool {
        self.pieces.is_none()
    }

    pub(super) fn poll<E: From<ReadError>>(
        &mut self,
        sink: &mut impl FnMut(&Spot<'_>, Update<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(pieces) = &self.pieces {
            let name = &self.name;
            match pieces.try_recv() {
                Ok(Ok(bytes)) => self.lines.take(&bytes, &mut |line| line.give_out(name, sink))?,
                Ok(Err(cause)) if is_damage(&cause) => {
                    let spot = Spot { log: name, line: None, offset: self.lines.position() };
                    sink(&spot, Update::Notice(Notice::Lost(format!("damaged or cut short: {cause}"))))?;
                }
                Ok(Err(cause)) => return Err(ReadError { name: name.clone(), cause }.into()),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => {
                    self.lines.finish(&mut |line| line.give_out(name, sink))?;
                    self.pieces = None;
                }
            }
        }
        Ok(())
    }
}

fn read_all(source: &Source, sender: &SyncSender<io::Result<Vec<u8>>>) -> io::Result<()> {
    let progress = Progress::default();
    let mut reader = source.reader(&progress)?;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) if sender.send(Ok(buffer[..count].to_vec())).is_err() => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
