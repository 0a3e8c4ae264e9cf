//! The whole program of `cloister-reader`: one process, one file, no rights.
//!
//! It knows its file only as standard input, and its parent only as standard output. It ends when
//! the file is read, when the file is refused, or when it is killed; the parent tells these apart.

mod confine;
mod recogniser;
mod selfcheck;

use crate::formats::{self, Sink, Source};
use crate::wire::{FRAME_BYTES, Frame, FrameWriter, Info, PageFrame, Refusal, Request, Task};
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use confine::Unconfined;

/// The niceness of work that nobody waits for.
const PATIENT: i32 = 10;
/// Stack of the thread that reads: nested objects recurse deeply in every parser.
const STACK_BYTES: usize = 64 << 20;

/// Does what the request says and answers on standard output.
pub fn run(request: &str) -> io::Result<()> {
    let request: Request = serde_json::from_str(request)?;
    if !matches!(request.task, Task::Draw { .. }) {
        // Reading files can wait for people; a page that is drawn is for one of them. A kernel
        // that refuses changes only the pace.
        let _patient = rustix::process::setpriority_process(None, PATIENT);
    }
    if let Task::Recognise {
        program,
        data,
        languages,
    } = &request.task
    {
        return Err(recogniser::become_it(
            program,
            data,
            languages,
            &request.limits,
        ));
    }
    let mut output = FrameWriter::new(io::stdout());
    if let Err(cause) = confine::confine(&request.limits) {
        return output.send(&Frame::Refused(Refusal::Unconfined(cause.to_string())));
    }
    let reading = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || serve(&request, &mut output))?;
    match reading.join() {
        Ok(written) => written,
        Err(_panic) => Err(io::Error::other("the reader panicked outside of a page")),
    }
}

fn serve(request: &Request, output: &mut FrameWriter<io::Stdout>) -> io::Result<()> {
    if let Err(cause) = confine::forbid_processes() {
        return output.send(&Frame::Refused(Refusal::Unconfined(cause.to_string())));
    }
    output.send(&Frame::Confined)?;
    let answered = match &request.task {
        Task::Recognise { .. } => Err(io::Error::other("a recogniser reads no files").into()),
        Task::Selfcheck => {
            output.send(&Frame::Checked {
                attempts: selfcheck::attempts(),
            })?;
            Ok(())
        }
        Task::Extract {
            from_page,
            structure,
        } => load(request).and_then(|source| {
            let mut sink = Frames {
                output: &mut *output,
                from_page: *from_page,
            };
            extract(&source, *from_page, *structure, &mut sink)
        }),
        Task::Draw { page, dpi } => load(request).and_then(|source| {
            let picture = protected(|| {
                let format = formats::recognise(&source)?;
                format.draw(&source, *page, *dpi, request.limits.pixels)
            })?;
            output.send(&Frame::Picture {
                width: picture.width,
                height: picture.height,
            })?;
            Ok(output.send_raw(&picture.png)?)
        }),
    };
    match answered {
        Ok(()) => output.send(&Frame::Done),
        Err(formats::Failure::Refused(refusal)) => output.send(&Frame::Refused(refusal)),
        Err(formats::Failure::Unsent(cause)) => Err(cause),
    }
}

fn extract(
    source: &Source,
    from_page: u32,
    structure: bool,
    sink: &mut dyn Sink,
) -> Result<(), formats::Failure> {
    protected(|| {
        let format = formats::recognise(source)?;
        format.read(source, from_page, structure, sink)
    })
}

/// Runs a parser. A panic of it is a damaged file, never a silent end.
fn protected<T>(
    parser: impl FnOnce() -> Result<T, formats::Failure>,
) -> Result<T, formats::Failure> {
    catch_unwind(AssertUnwindSafe(parser)).unwrap_or_else(|_panic| {
        let detail = "its structure makes no sense to the reader".to_owned();
        Err(Refusal::Damaged(detail).into())
    })
}

fn load(request: &Request) -> Result<Source, formats::Failure> {
    let limit = request.limits.file_bytes;
    let mut input = io::stdin().lock();
    let mut bytes = Vec::new();
    // A restarted child inherits the place where its predecessor stopped reading.
    rewind(&input)?;
    let read = input.by_ref().take(limit + 1).read_to_end(&mut bytes);
    match read {
        Ok(count) if count as u64 > limit => Err(Refusal::TooLarge(count as u64).into()),
        Ok(0) => Err(Refusal::Empty.into()),
        Ok(_) => Ok(Source {
            bytes,
            name: request.name.clone(),
            passwords: request.passwords.clone(),
        }),
        Err(cause) => Err(cause.into()),
    }
}

fn rewind(input: &impl std::os::fd::AsFd) -> io::Result<()> {
    rustix::fs::seek(input, rustix::fs::SeekFrom::Start(0))?;
    Ok(())
}

/// Sends what a format finds.
struct Frames<'a> {
    output: &'a mut FrameWriter<io::Stdout>,
    from_page: u32,
}

impl Sink for Frames<'_> {
    fn info(&mut self, info: Info) -> io::Result<()> {
        self.output.send(&Frame::Info(info))
    }

    fn page(&mut self, page: PageFrame) -> io::Result<()> {
        if page.page.number < self.from_page {
            return Ok(());
        }
        self.output.send(&Frame::Page(Box::new(page)))
    }

    fn lost(&mut self, page: u32) -> io::Result<()> {
        self.output.send(&Frame::Lost { page })
    }

    /// A restarted child has sent its attachments already, and one that is longer than a frame is
    /// not sent: the parent hears of it as one that is left out.
    fn attachment(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self.from_page > 1 {
            return Ok(());
        }
        self.output.send(&Frame::Attachment {
            name: name.to_owned(),
        })?;
        let fits = bytes.len() <= FRAME_BYTES;
        self.output.send_raw(if fits { bytes } else { &[] })
    }
}
