//! The program `cloister-reader`: one process for one file, without any rights.
//!
//! Standard input is the file, and standard output is the connection to the parent. The process
//! ends when the file is read or refused, or when it is killed. The parent can tell these apart.

mod confine;
mod ocr_process;
mod self_check;

use crate::formats::{self, Failure, ReadOptions, Resolution, Sink, Source};
use crate::wire::{FRAME_BYTES, Frame, FrameWriter, Info, PageFrame, Refusal, Request, Task};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use confine::ConfinementError;

/// The niceness of background work.
const BACKGROUND_NICENESS: i32 = 10;
/// Stack size of the thread that parses. Every parser recurses deeply on nested objects.
const STACK_BYTES: usize = 64 << 20;

/// Runs the request, given as JSON, and answers on standard output.
pub fn run(request: &str) -> io::Result<()> {
    let request: Request = serde_json::from_str(request)?;
    if !matches!(request.task, Task::Render { .. }) {
        // Ingestion can wait, but a person waits for a page to be rendered. If the kernel refuses,
        // only the speed changes.
        let _refused = rustix::process::setpriority_process(None, BACKGROUND_NICENESS);
    }
    if let Task::Recognise {
        program,
        data,
        languages,
    } = &request.task
    {
        return Err(ocr_process::exec_ocr(
            program,
            data,
            languages,
            &request.limits,
        ));
    }
    let mut output = FrameWriter::new(io::stdout());
    if let Err(cause) = confine::confine_parser(&request.limits) {
        return output.send(&Frame::Refused(Refusal::Unconfined(cause.to_string())));
    }
    let parser = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || serve(&request, &mut output))?;
    match parser.join() {
        Ok(written) => written,
        Err(_panic) => Err(io::Error::other("the reader panicked outside of a page")),
    }
}

fn serve(request: &Request, output: &mut FrameWriter<io::Stdout>) -> io::Result<()> {
    if let Err(cause) = confine::forbid_processes() {
        return output.send(&Frame::Refused(Refusal::Unconfined(cause.to_string())));
    }
    output.send(&Frame::Confined)?;
    let outcome = match &request.task {
        Task::Recognise { .. } => {
            Err(io::Error::other("text recognition does not parse files").into())
        }
        Task::SelfCheck => {
            output.send(&Frame::Checked {
                attempts: self_check::run_attempts(),
            })?;
            Ok(())
        }
        Task::Extract {
            first_page,
            structure,
        } => {
            let options = ReadOptions {
                first_page: *first_page,
                structure: *structure,
            };
            load_source(request).and_then(|source| extract(&source, options, output))
        }
        Task::Render { page, dpi } => {
            let resolution = Resolution {
                dpi: *dpi,
                max_pixels: request.limits.pixels,
            };
            load_source(request).and_then(|source| render(&source, *page, resolution, output))
        }
    };
    match outcome {
        Ok(()) => output.send(&Frame::Done),
        Err(Failure::Refused(refusal)) => output.send(&Frame::Refused(refusal)),
        Err(Failure::Io(cause)) => Err(cause),
    }
}

fn extract(
    source: &Source,
    options: ReadOptions,
    output: &mut FrameWriter<io::Stdout>,
) -> Result<(), Failure> {
    let mut sink = FrameSink {
        output,
        first_page: options.first_page,
    };
    catch_panic(|| {
        let format = formats::detect_format(source)?;
        (format.extract)(source, options, &mut sink)
    })
}

fn render(
    source: &Source,
    page: u32,
    resolution: Resolution,
    output: &mut FrameWriter<io::Stdout>,
) -> Result<(), Failure> {
    let picture = catch_panic(|| {
        let format = formats::detect_format(source)?;
        let render_page = format.render_page.ok_or(Refusal::NotDrawn)?;
        render_page(source, page, resolution)
    })?;
    output.send(&Frame::Picture {
        width: picture.width,
        height: picture.height,
    })?;
    Ok(output.send_raw(&picture.png)?)
}

/// Runs a parser. If it panics, the file counts as damaged.
fn catch_panic<T>(parser: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(parser)).unwrap_or_else(|_panic| {
        Err(Failure::damaged(
            "its structure makes no sense to the reader",
        ))
    })
}

fn load_source(request: &Request) -> Result<Source, Failure> {
    let limit = request.limits.file_bytes;
    let bytes = read_from_start(&io::stdin().lock(), limit)?;
    match bytes.len() as u64 {
        count if count > limit => Err(Refusal::TooLarge(count).into()),
        0 => Err(Refusal::Empty.into()),
        _ => Ok(Source {
            bytes,
            name: request.name.clone(),
            passwords: request.passwords.clone(),
            hidden_cells: request.limits.hidden_cells,
        }),
    }
}

/// Reads from the beginning, by offset: children that read one file at the same time share its
/// file position.
fn read_from_start(input: &impl std::os::fd::AsFd, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    while bytes.len() as u64 <= limit {
        let count = rustix::io::pread(input, buffer.as_mut_slice(), bytes.len() as u64)?;
        if count == 0 {
            break;
        }
        bytes.extend(buffer.iter().take(count));
    }
    Ok(bytes)
}

/// Sends what a format extracts to the parent.
struct FrameSink<'a> {
    output: &'a mut FrameWriter<io::Stdout>,
    first_page: u32,
}

impl Sink for FrameSink<'_> {
    fn info(&mut self, info: Info) -> io::Result<()> {
        self.output.send(&Frame::Info(info))
    }

    fn page(&mut self, page: PageFrame) -> io::Result<()> {
        if page.page.number < self.first_page {
            return Ok(());
        }
        self.output.send(&Frame::Page(Box::new(page)))
    }

    fn lost(&mut self, page: u32) -> io::Result<()> {
        self.output.send(&Frame::Lost { page })
    }

    /// A restarted child has sent its attachments before. An attachment longer than a frame is sent
    /// as an empty one, which the parent counts as left out.
    fn attachment(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self.first_page > 1 {
            return Ok(());
        }
        self.output.send(&Frame::Attachment {
            name: name.to_owned(),
        })?;
        let fits = bytes.len() <= FRAME_BYTES;
        self.output.send_raw(if fits { bytes } else { &[] })
    }
}
