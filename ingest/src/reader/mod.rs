//! The parent's side of reading a file: starts a child process, supervises it, and checks all it
//! sends.
//!
//! If a child dies, only the page that it was reading is lost. The next child starts at the
//! following page, so a document with one hostile page loses only that page.

pub(crate) mod document_assembly;
mod document_info;
mod extraction;
mod headings;
pub mod ocr;
mod process;
mod read_page;
mod running_headers;

use crate::limits::Limits;
use crate::quarantine::Quarantine;
use crate::wire::{Attempt, Frame, Request, Task};
use document_assembly::DocumentAssembly;
pub use extraction::{Attachment, Extraction};
use futures_util::StreamExt;
use ocr::{OcrEngine, RecognisedPage};
use process::{ChildProcess, Stop};
use std::fs::File;
use std::path::PathBuf;
use tokio::time::Instant;

/// What a reading needs to know request a file.
#[derive(Clone, Debug, Default)]
pub struct ReadRequest {
    /// Its name, which is shown to people and distinguishes text formats. Never opened.
    pub name: String,
    /// Passwords that may open it.
    pub passwords: Vec<String>,
    /// Languages of its scanned pages, by their names in tesseract: `eng`, `deu`.
    pub languages: Vec<String>,
}

impl<T: AsRef<str> + ?Sized> From<&T> for ReadRequest {
    fn from(name: &T) -> Self {
        Self {
            name: name.as_ref().to_owned(),
            ..Self::default()
        }
    }
}

/// Reads files by starting `cloister-reader` processes.
#[derive(Clone, Debug)]
pub struct Reader {
    program: PathBuf,
    limits: Limits,
    ocr: Option<OcrEngine>,
}

impl Reader {
    /// A reader that starts the program at this path with these limits, and without text
    /// recognition.
    pub const fn new(program: PathBuf, limits: Limits) -> Self {
        Self {
            program,
            limits,
            ocr: None,
        }
    }

    /// Turns on text recognition for pages that are pictures.
    #[must_use]
    pub fn with_ocr(self, ocr: OcrEngine) -> Self {
        Self {
            ocr: Some(ocr),
            ..self
        }
    }

    /// The text recognition, or `None` if it is off.
    pub const fn ocr(&self) -> Option<&OcrEngine> {
        self.ocr.as_ref()
    }

    /// Reads the entire file. `progress` is called with the number of pages read, and the number of
    /// all pages, which is 0 until it is known.
    pub async fn extract(
        &self,
        file: File,
        request: impl Into<ReadRequest>,
        mut progress: impl FnMut(u32, u32) + Send,
    ) -> Result<Extraction, Quarantine> {
        let started = Instant::now();
        let request = request.into();
        let name = request.name.as_str();
        let mut assembly = DocumentAssembly::new(name, self.limits);
        let mut structure = true;
        loop {
            let task = Task::Extract {
                first_page: assembly.next_page(),
                structure,
            };
            let before = assembly.next_page();
            let stop = match self.start(&file, &request, task, started) {
                Ok(child) => receive_frames(child, &mut assembly, &mut progress).await,
                Err(cause) => return Err(cause),
            };
            let Some(stop) = stop? else {
                break;
            };
            tracing::debug!(page = assembly.next_page(), %stop, "the reader stopped");
            if stop.is_final() {
                return Err(stop.into_quarantine(name, &self.limits));
            }
            let advanced = assembly.next_page() > before;
            if !assembly.is_open() {
                if !structure {
                    return Err(stop.into_quarantine(name, &self.limits));
                }
                structure = false;
            } else if assembly.is_complete() {
                break;
            } else if !advanced || matches!(stop, Stop::Silent(_)) {
                assembly.mark_lost(assembly.next_page());
                if assembly.lost_pages() > self.limits.lost_pages {
                    return Err(stop.into_quarantine(name, &self.limits));
                }
            }
            // If the child made progress before it ran out of time or memory, the earlier pages may
            // have used them up. The next child starts at the page where this one stopped.
        }
        self.recognise(&file, &request, &mut assembly, &mut progress)
            .await;
        assembly.finish()
    }

    /// Recognises the pages whose text is missing or unreadable. A page that fails keeps the text
    /// it had.
    async fn recognise(
        &self,
        file: &File,
        request: &ReadRequest,
        assembly: &mut DocumentAssembly,
        progress: &mut (impl FnMut(u32, u32) + Send),
    ) {
        let Some(ocr) = &self.ocr else {
            return;
        };
        let (wanted, total) = (assembly.pages_without_text(), assembly.page_count());
        let mut left = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        let mut pages = futures_util::stream::iter(wanted)
            .map(|(number, width)| async move {
                let page = self.recognise_page(ocr, file, request, number, width);
                (number, page.await)
            })
            .buffered(ocr.slots());
        while let Some((number, page)) = pages.next().await {
            progress(total.saturating_sub(left), total);
            left -= 1;
            match page {
                Ok(page) => assembly.set_recognised(number, page),
                Err(cause) => assembly.record_ocr_failure(cause),
            }
        }
    }

    async fn recognise_page(
        &self,
        ocr: &OcrEngine,
        file: &File,
        request: &ReadRequest,
        number: u32,
        points: f32,
    ) -> Result<RecognisedPage, String> {
        let file = file.try_clone().map_err(|cause| cause.to_string())?;
        let rendered = self.render(file, request, number, ocr::OCR_DPI).await;
        let (width, png) = rendered.map_err(|cause| cause.to_string())?;
        let scale = points / width.max(1) as f32;
        ocr.recognise(&self.program, self.limits, &png, scale, &request.languages)
            .await
    }

    /// Renders one page, counted from 1, as a PNG picture.
    pub async fn render_page(
        &self,
        file: File,
        request: impl Into<ReadRequest>,
        page: u32,
        dpi: u32,
    ) -> Result<Vec<u8>, Quarantine> {
        let (_width, png) = self.render(file, &request.into(), page, dpi).await?;
        Ok(png)
    }

    /// Renders a page. Returns the picture's width in pixels and the PNG file.
    async fn render(
        &self,
        file: File,
        request: &ReadRequest,
        page: u32,
        dpi: u32,
    ) -> Result<(u32, Vec<u8>), Quarantine> {
        let name = request.name.as_str();
        let mut child = self.start(&file, request, Task::Render { page, dpi }, Instant::now())?;
        loop {
            match child.next().await {
                Ok(Frame::Confined) => {}
                Ok(Frame::Picture { width, .. }) => {
                    let png = child.next_raw().await;
                    let png = png.map_err(|stop| stop.into_quarantine(name, &self.limits))?;
                    return Ok((width, png));
                }
                Ok(Frame::Refused(refusal)) => {
                    let limit = self.limits.file_bytes;
                    return Err(Quarantine::refused(refusal, name, limit));
                }
                Ok(other) => return Err(unexpected_frame(name, &other)),
                Err(stop) => return Err(stop.into_quarantine(name, &self.limits)),
            }
        }
    }

    /// Makes the confined child attempt what it must not be able to do. Every attempt should be
    /// refused.
    pub async fn self_check(&self, file: File) -> Result<Vec<Attempt>, Quarantine> {
        let name = "self-check";
        let mut child = self.start(&file, &name.into(), Task::SelfCheck, Instant::now())?;
        loop {
            match child.next().await {
                Ok(Frame::Confined) => {}
                Ok(Frame::Checked { attempts }) => return Ok(attempts),
                Ok(Frame::Refused(refusal)) => return Err(Quarantine::refused(refusal, name, 0)),
                Ok(other) => return Err(unexpected_frame(name, &other)),
                Err(stop) => return Err(stop.into_quarantine(name, &self.limits)),
            }
        }
    }

    fn start(
        &self,
        file: &File,
        request: &ReadRequest,
        task: Task,
        started: Instant,
    ) -> Result<ChildProcess, Quarantine> {
        let child_request = Request {
            task,
            name: request.name.clone(),
            passwords: request.passwords.clone(),
            limits: self.limits,
        };
        let deadline = started + self.limits.wall;
        ChildProcess::start(&self.program, file, &child_request, deadline).map_err(|cause| {
            Quarantine::NotStarted {
                name: request.name.clone(),
                detail: cause.to_string(),
            }
        })
    }
}

/// Receives one child's frames until it is done (`None`) or stops.
async fn receive_frames(
    mut child: ChildProcess,
    assembly: &mut DocumentAssembly,
    progress: &mut (impl FnMut(u32, u32) + Send),
) -> Result<Option<Stop>, Quarantine> {
    loop {
        match child.next().await {
            Ok(Frame::Confined) => {}
            Ok(Frame::Info(info)) => assembly.set_info(info)?,
            Ok(Frame::Page(page)) => assembly.add_page(*page)?,
            Ok(Frame::Lost { page }) => assembly.mark_lost(page),
            Ok(Frame::Attachment { name }) => match child.next_raw().await {
                Ok(bytes) => assembly.add_attachment(&name, bytes),
                Err(stop) => return Ok(Some(stop)),
            },
            Ok(Frame::Done) => return Ok(None),
            Ok(Frame::Refused(refusal)) => return Err(assembly.refusal(refusal)),
            Ok(other) => return Err(assembly.protocol_error(&describe_frame(&other))),
            Err(stop) => return Ok(Some(stop)),
        }
        let done = assembly.next_page().saturating_sub(1);
        progress(done, assembly.page_count());
    }
}

fn unexpected_frame(name: &str, frame: &Frame) -> Quarantine {
    Quarantine::Nonsense {
        name: name.to_owned(),
        detail: describe_frame(frame),
    }
}

fn describe_frame(frame: &Frame) -> String {
    let kind = match frame {
        Frame::Confined => "confined",
        Frame::Info(_) => "info",
        Frame::Page(_) => "page",
        Frame::Lost { .. } => "lost",
        Frame::Picture { .. } => "picture",
        Frame::Attachment { .. } => "attachment",
        Frame::Done => "done",
        Frame::Refused(_) => "refused",
        Frame::Checked { .. } => "checked",
    };
    format!("it sent `{kind}`, which was not expected")
}
