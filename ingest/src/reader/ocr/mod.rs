//! Optical character recognition of pages that are pictures, by tesseract in a confined process.
//!
//! tesseract never receives the file. It receives a picture that the confined reader rendered, and
//! returns a table of words and boxes, whose layout is analysed like that of a PDF.

mod layout;

use crate::limits::Limits;
use crate::wire::{REQUEST, Request, Task};
use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;

pub use layout::RecognisedPage;

/// Resolution of rendered pages, in dots per inch. A lower one loses small print, a higher one
/// improves nothing.
pub const OCR_DPI: u32 = 300;
/// Time limit for one page. Crowded pages on a busy machine take longest.
const TIMEOUT: Duration = Duration::from_mins(2);
/// Maximum size of tesseract's output. A page with 20,000 words needs less.
const TABLE_BYTES: u64 = 4 << 20;
/// Where Linux distributions install tesseract's languages.
const DATA_FOLDERS: &[&str] = &[
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tessdata",
];

/// An installed tesseract.
#[derive(Clone, Debug)]
pub struct OcrEngine {
    program: PathBuf,
    data: PathBuf,
    default: Vec<String>,
    /// One permit for each processor, because each recognition uses one.
    slots: Arc<Semaphore>,
}

impl OcrEngine {
    /// Finds tesseract at this path. It recognises `languages` unless a collection sets others. The
    /// error says what is missing.
    pub fn find(program: &Path, languages: &[String]) -> Result<Self, String> {
        if !program.is_file() {
            return Err(format!(
                "text recognition is off: `{}` is not there. Install tesseract-ocr",
                program.display()
            ));
        }
        let data = DATA_FOLDERS
            .iter()
            .map(PathBuf::from)
            .find(|path| path.is_dir());
        let data = data.ok_or("text recognition is off: tesseract has no languages installed")?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let found = Self {
            program: program.to_owned(),
            data,
            default: languages.to_vec(),
            slots: Arc::new(Semaphore::new(processors)),
        };
        found.check_languages(languages)?;
        Ok(found)
    }

    /// Checks that these languages are installed. The error names the installed languages.
    pub fn check_languages(&self, languages: &[String]) -> Result<(), String> {
        let installed = self.installed();
        match languages.iter().find(|name| !installed.contains(name)) {
            None => Ok(()),
            Some(absent) => Err(format!(
                "text recognition does not know the language `{absent}`. Installed are {}; \
                 the package tesseract-ocr-{absent} may bring it",
                installed.join(", ")
            )),
        }
    }

    fn installed(&self) -> Vec<String> {
        let Ok(listed) = std::fs::read_dir(&self.data) else {
            return Vec::new();
        };
        let names = listed.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut languages: Vec<String> = names
            .filter_map(|name| Some(name.strip_suffix(".traineddata")?.to_owned()))
            .filter(|name| name != "osd")
            .collect();
        languages.sort();
        languages
    }

    /// The number of pages that are recognised at once.
    pub fn slots(&self) -> usize {
        self.slots.available_permits().max(1)
    }

    /// Recognises a PNG picture of a page. `scale` is the number of points per pixel. The error is
    /// for the log; the page then remains a picture.
    pub async fn recognise(
        &self,
        reader: &Path,
        limits: Limits,
        png: &[u8],
        scale: f32,
        languages: &[String],
    ) -> Result<RecognisedPage, String> {
        let languages = if languages.is_empty() {
            &self.default
        } else {
            languages
        };
        self.check_languages(languages)?;
        let _slot = self.slots.acquire().await.map_err(|e| e.to_string())?;
        let request = Request {
            task: Task::Recognise {
                program: self.program.clone(),
                data: self.data.clone(),
                languages: languages.to_vec(),
            },
            name: String::new(),
            passwords: Vec::new(),
            limits,
        };
        let table = run(reader, &request, png).await?;
        let laid_out =
            tokio::task::spawn_blocking(move || layout::lay_out(&layout::parse_tsv(&table, scale)));
        laid_out.await.map_err(|cause| cause.to_string())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the reader's supervisor, which starts the one program that may read files"
)]
async fn run(reader: &Path, request: &Request, png: &[u8]) -> Result<String, String> {
    let request = serde_json::to_string(request).map_err(|cause| cause.to_string())?;
    let mut child = tokio::process::Command::new(reader)
        .env_clear()
        .env(REQUEST, request)
        .current_dir("/")
        .stdin(Stdio::from(
            in_memory(png).map_err(|cause| cause.to_string())?,
        ))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|cause| cause.to_string())?;
    let output = child.stdout.take().ok_or("the recogniser has no output")?;
    let mut table = String::new();
    let mut output = output.take(TABLE_BYTES);
    let reading = async {
        output.read_to_string(&mut table).await?;
        child.wait().await
    };
    let status = tokio::time::timeout(TIMEOUT, reading)
        .await
        .map_err(|_elapsed| format!("the recogniser took longer than {} s", TIMEOUT.as_secs()))?
        .map_err(|cause| cause.to_string())?;
    if status.success() {
        Ok(table)
    } else {
        Err(format!("the recogniser ended with {status}"))
    }
}

/// Creates a file in memory.
fn in_memory(bytes: &[u8]) -> std::io::Result<File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::memfd_create("page", flags)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}
