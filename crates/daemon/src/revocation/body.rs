//! The body of an HTTP answer, of bounded length (RFC 9112 section 6).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// How its end is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Framing {
    /// By its length.
    Length(u64),
    /// By chunks.
    Chunked,
    /// By the end of the connection.
    ToTheEnd,
}

/// What is wrong with a body.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// Too much.
    #[error("it has more than the {0} octets that are taken")]
    TooLong(usize),
    /// Too little.
    #[error("the answer ends before its length is reached")]
    CutShort,
    /// No chunks.
    #[error("its chunks cannot be read")]
    Chunks,
    /// The connection broke.
    #[error("the connection broke ({0})")]
    Io(#[from] io::Error),
}

const PIECE: usize = 16 << 10;
const LONGEST_CHUNK_LINE: usize = 1024;

/// Reads from a connection what was not read yet.
pub(super) struct Reader<S> {
    stream: S,
    held: Vec<u8>,
    begin: usize,
}

impl<S: AsyncRead + Unpin> Reader<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            held: Vec::with_capacity(PIECE),
            begin: 0,
        }
    }

    /// What was read and not consumed.
    pub(super) fn held(&self) -> &[u8] {
        self.held.get(self.begin..).unwrap_or_default()
    }

    pub(super) fn consume(&mut self, length: usize) {
        self.begin = (self.begin + length).min(self.held.len());
        if self.begin == self.held.len() {
            self.held.clear();
            self.begin = 0;
        }
    }

    /// Reads a piece more; 0 at the end.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        self.held.drain(..self.begin);
        self.begin = 0;
        (&mut self.stream).take(PIECE as u64).read_buf(&mut self.held).await
    }

    /// The body, if it has no more than `most` octets.
    pub(super) async fn body(&mut self, framing: Framing, most: usize) -> Result<Vec<u8>, BodyError> {
        let mut body = Vec::new();
        match framing {
            Framing::Length(length) => {
                let length = usize::try_from(length).ok().filter(|length| *length <= most);
                self.take(length.ok_or(BodyError::TooLong(most))?, &mut body).await?;
            }
            Framing::ToTheEnd => loop {
                body.extend_from_slice(self.held());
                self.consume(self.held().len());
                if body.len() > most {
                    return Err(BodyError::TooLong(most));
                }
                if self.fill().await? == 0 {
                    break;
                }
            },
            Framing::Chunked => loop {
                let length = self.chunk_length().await?;
                // What follows the last chunk are trailers, and of no interest.
                if length == 0 {
                    break;
                }
                let room = most - body.len();
                let length = usize::try_from(length).ok().filter(|length| *length <= room);
                self.take(length.ok_or(BodyError::TooLong(most))?, &mut body).await?;
                let mut end = Vec::new();
                self.take(2, &mut end).await?;
                if end != *b"\r\n" {
                    return Err(BodyError::Chunks);
                }
            },
        }
        Ok(body)
    }

    /// Moves this many octets. Memory grows with what came, not with what was promised.
    async fn take(&mut self, mut length: usize, into: &mut Vec<u8>) -> Result<(), BodyError> {
        loop {
            let part = self.held().len().min(length);
            into.extend_from_slice(self.held().get(..part).unwrap_or_default());
            self.consume(part);
            length -= part;
            if length == 0 {
                return Ok(());
            }
            if self.fill().await? == 0 {
                return Err(BodyError::CutShort);
            }
        }
    }

    async fn chunk_length(&mut self) -> Result<u64, BodyError> {
        loop {
            match httparse::parse_chunk_size(self.held()) {
                Ok(httparse::Status::Complete((length, size))) => {
                    self.consume(length);
                    return Ok(size);
                }
                Ok(httparse::Status::Partial) if self.held().len() < LONGEST_CHUNK_LINE => {}
                _ => return Err(BodyError::Chunks),
            }
            if self.fill().await? == 0 {
                return Err(BodyError::CutShort);
            }
        }
    }
}
