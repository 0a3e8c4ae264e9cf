//! The parent's side of a reading: starts the child, watches it, believes nothing unchecked.
//!
//! A child that dies costs the page it died on. The next child starts at the page after, so a
//! document with one hostile page is read but for that page.

mod furniture;
pub(crate) mod gather;
mod headings;
mod process;
pub mod recognise;
mod whole;

use crate::error::Quarantine;
use crate::limits::Limits;
use crate::wire::{Attempt, Frame, Request, Task};
use cloister_domain::{DocumentInfo, Page};
use futures_util::StreamExt;
use gather::Gathered;
use process::{Child, Stop};
use recognise::{Recognised, Recogniser};
use std::fs::File;
use std::path::PathBuf;
use tokio::time::Instant;

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Extraction {
    /// What it says about itself, and what an administrator should know.
    pub info: DocumentInfo,
    /// Its pages, in order. Pages that could not be read are here without text, so that the last
    /// page's number is the number of pages.
    pub pages: Vec<Page>,
    /// The files that lie inside it. Their names differ, and name no folder.
    pub attachments: Vec<Attachment>,
}

/// A file inside a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What is known of a file before it is read.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Its name: shown to people, and a hint between text formats. Never opened.
    pub name: String,
    /// Passwords that may open it.
    pub passwords: Vec<String>,
    /// Languages of its scanned pages, by their names in the recogniser: `eng`, `deu`.
    pub languages: Vec<String>,
}

impl<T: AsRef<str> + ?Sized> From<&T> for About {
    fn from(name: &T) -> Self {
        Self {
            name: name.as_ref().to_owned(),
            ..Self::default()
        }
    }
}

/// Has files read by `cloister-reader`.
#[derive(Clone, Debug)]
pub struct Reader {
    program: PathBuf,
    limits: Limits,
    recogniser: Option<Recogniser>,
}

impl Reader {
    /// Reads with the program at this path, under these limits. Pages that are pictures stay so.
    pub const fn new(program: PathBuf, limits: Limits) -> Self {
        Self {
            program,
            limits,
            recogniser: None,
        }
    }

    /// Has the text of pages that are pictures recognised.
    #[must_use]
    pub fn with_recogniser(self, recogniser: Recogniser) -> Self {
        Self {
            recogniser: Some(recogniser),
            ..self
        }
    }

    /// What recognises text, where there is anything.
    pub const fn recogniser(&self) -> Option<&Recogniser> {
        self.recogniser.as_ref()
    }

    /// Reads the whole file. `progress` is told the number of pages done and, once it is known, of
    /// all pages.
    pub async fn extract(
        &self,
        file: File,
        about: impl Into<About>,
        mut progress: impl FnMut(u32, u32) + Send,
    ) -> Result<Extraction, Quarantine> {
        let (started, about) = (Instant::now(), about.into());
        let name = about.name.as_str();
        let mut gathered = Gathered::new(name, self.limits);
        let mut structure = true;
        loop {
            let task = Task::Extract {
                from_page: gathered.next_page(),
                structure,
            };
            let before = gathered.next_page();
            let stop = match self.start(&file, &about, task, started) {
                Ok(child) => run(child, &mut gathered, &mut progress).await,
                Err(cause) => return Err(cause),
            };
            let Some(stop) = stop? else {
                break;
            };
            tracing::debug!(page = gathered.next_page(), %stop, "the reader stopped");
            if stop.is_final() {
                return Err(stop.into_quarantine(name, &self.limits));
            }
            let moved = gathered.next_page() > before;
            if !gathered.is_open() {
                if !structure {
                    return Err(stop.into_quarantine(name, &self.limits));
                }
                structure = false;
            } else if gathered.is_complete() {
                break;
            } else if !moved || matches!(stop, Stop::Silent(_)) {
                gathered.lose(gathered.next_page());
                if gathered.lost() > self.limits.lost_pages {
                    return Err(stop.into_quarantine(name, &self.limits));
                }
            }
            // A child that came further and then ran out of time or memory may have been worn out
            // by the pages before; its successor starts fresh at the page where it stopped.
        }
        self.recognise(&file, &about, &mut gathered, &mut progress)
            .await;
        gathered.finish()
    }

    /// Recognises the pages whose text is missing or broken. A page that fails stays a picture.
    async fn recognise(
        &self,
        file: &File,
        about: &About,
        gathered: &mut Gathered,
        progress: &mut (impl FnMut(u32, u32) + Send),
    ) {
        let Some(recogniser) = &self.recogniser else {
            return;
        };
        let (wanted, all) = (gathered.to_recognise(), gathered.all_pages());
        let mut left = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        let mut pages = futures_util::stream::iter(wanted)
            .map(|(number, width)| async move {
                let page = self.recognise_page(recogniser, file, about, number, width);
                (number, page.await)
            })
            .buffered(recogniser.slots());
        while let Some((number, page)) = pages.next().await {
            progress(all.saturating_sub(left), all);
            left -= 1;
            match page {
                Ok(page) => gathered.recognised(number, page),
                Err(cause) => {
                    tracing::warn!(%cause, "page {number} of `{}` is not recognised", about.name);
                }
            }
        }
    }

    async fn recognise_page(
        &self,
        recogniser: &Recogniser,
        file: &File,
        about: &About,
        number: u32,
        points: f32,
    ) -> Result<Recognised, String> {
        let file = file.try_clone().map_err(|cause| cause.to_string())?;
        let drawn = self.picture(file, about, number, recognise::DPI).await;
        let (width, png) = drawn.map_err(|cause| cause.to_string())?;
        let scale = points / width.max(1) as f32;
        recogniser
            .recognise(&self.program, self.limits, &png, scale, &about.languages)
            .await
    }

    /// Draws one page, counted from 1, as a PNG picture.
    pub async fn draw(
        &self,
        file: File,
        about: impl Into<About>,
        page: u32,
        dpi: u32,
    ) -> Result<Vec<u8>, Quarantine> {
        let (_width, png) = self.picture(file, &about.into(), page, dpi).await?;
        Ok(png)
    }

    /// A page's picture, and its width in pixels.
    async fn picture(
        &self,
        file: File,
        about: &About,
        page: u32,
        dpi: u32,
    ) -> Result<(u32, Vec<u8>), Quarantine> {
        let name = about.name.as_str();
        let mut child = self.start(&file, about, Task::Draw { page, dpi }, Instant::now())?;
        loop {
            match child.next().await {
                Ok(Frame::Confined) => {}
                Ok(Frame::Picture { width, .. }) => {
                    let png = child.raw().await;
                    let png = png.map_err(|stop| stop.into_quarantine(name, &self.limits))?;
                    return Ok((width, png));
                }
                Ok(Frame::Refused(refusal)) => {
                    let limit = self.limits.file_bytes;
                    return Err(Quarantine::refused(refusal, name, limit));
                }
                Ok(other) => return Err(nonsense(name, &other)),
                Err(stop) => return Err(stop.into_quarantine(name, &self.limits)),
            }
        }
    }

    /// Has the confined child try what it must not be able to do. Every attempt should have been
    /// refused.
    pub async fn selfcheck(&self, file: File) -> Result<Vec<Attempt>, Quarantine> {
        let name = "selfcheck";
        let mut child = self.start(&file, &name.into(), Task::Selfcheck, Instant::now())?;
        loop {
            match child.next().await {
                Ok(Frame::Confined) => {}
                Ok(Frame::Checked { attempts }) => return Ok(attempts),
                Ok(Frame::Refused(refusal)) => return Err(Quarantine::refused(refusal, name, 0)),
                Ok(other) => return Err(nonsense(name, &other)),
                Err(stop) => return Err(stop.into_quarantine(name, &self.limits)),
            }
        }
    }

    fn start(
        &self,
        file: &File,
        about: &About,
        task: Task,
        started: Instant,
    ) -> Result<Child, Quarantine> {
        let request = Request {
            task,
            name: about.name.clone(),
            passwords: about.passwords.clone(),
            limits: self.limits,
        };
        Child::start(&self.program, file, &request, started + self.limits.wall).map_err(|cause| {
            Quarantine::NotStarted {
                name: about.name.clone(),
                detail: cause.to_string(),
            }
        })
    }
}

/// Takes one child's frames until it is done (`None`) or stops.
async fn run(
    mut child: Child,
    gathered: &mut Gathered,
    progress: &mut (impl FnMut(u32, u32) + Send),
) -> Result<Option<Stop>, Quarantine> {
    loop {
        match child.next().await {
            Ok(Frame::Confined) => {}
            Ok(Frame::Info(info)) => gathered.info(info)?,
            Ok(Frame::Page(page)) => gathered.page(*page)?,
            Ok(Frame::Lost { page }) => gathered.lose(page),
            Ok(Frame::Attachment { name }) => match child.raw().await {
                Ok(bytes) => gathered.attachment(&name, bytes),
                Err(stop) => return Ok(Some(stop)),
            },
            Ok(Frame::Done) => return Ok(None),
            Ok(Frame::Refused(refusal)) => return Err(gathered.refused(refusal)),
            Ok(other) => return Err(gathered.nonsense(&kind(&other))),
            Err(stop) => return Ok(Some(stop)),
        }
        let done = gathered.next_page().saturating_sub(1);
        progress(done, gathered.all_pages());
    }
}

fn nonsense(name: &str, frame: &Frame) -> Quarantine {
    Quarantine::Nonsense {
        name: name.to_owned(),
        detail: kind(frame),
    }
}

fn kind(frame: &Frame) -> String {
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
    format!("it sent `{kind}` where nobody asked for it")
}
