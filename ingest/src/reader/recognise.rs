//! Text recognition of pages that are pictures: tesseract, in a confined process of its own.
//!
//! tesseract never sees the file. It sees a picture that the confined reader has drawn, and what
//! it says is a table of words and boxes, which is laid out like the words of any PDF.

use crate::formats::pdf::words::{PlacedWord, Turn};
use crate::formats::pdf::{blocks, order, rows};
use crate::limits::Limits;
use crate::wire::{REQUEST, Request, Style, Task};
use cloister_domain::{ByteRange, PageText, Rect};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;

/// Pages are drawn at so many dots per inch: fewer lose small print, more gain nothing.
pub const DPI: u32 = 300;
/// One page takes 1 to 4 s; a crowded one on a busy machine more.
const PATIENCE: Duration = Duration::from_mins(2);
/// The table of a page with 20,000 words is shorter.
const TABLE_BYTES: u64 = 4 << 20;
/// Words below this confidence, in percent, are specks and signatures.
const LEAST: f32 = 20.0;
/// Words below this confidence are shown as doubtful.
const DOUBTFUL: f32 = 60.0;
/// Where distributions keep tesseract's languages.
const DATA: &[&str] = &[
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tessdata",
];

/// tesseract, where it is installed.
#[derive(Clone, Debug)]
pub struct Recogniser {
    program: PathBuf,
    data: PathBuf,
    default: Vec<String>,
    /// Each recognition takes one processor.
    slots: Arc<Semaphore>,
}

/// A page as it was recognised.
#[derive(Debug)]
pub struct Recognised {
    /// Its text.
    pub content: PageText,
    /// How its blocks are set.
    pub styles: Vec<Style>,
}

impl Recogniser {
    /// The recogniser at this path, which reads `languages` unless a collection says otherwise.
    /// The error says what is missing.
    pub fn find(program: &Path, languages: &[String]) -> Result<Self, String> {
        if !program.is_file() {
            return Err(format!(
                "text recognition is off: `{}` is not there. Install tesseract-ocr",
                program.display()
            ));
        }
        let data = DATA.iter().map(PathBuf::from).find(|path| path.is_dir());
        let data = data.ok_or("text recognition is off: tesseract has no languages installed")?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let found = Self {
            program: program.to_owned(),
            data,
            default: languages.to_vec(),
            slots: Arc::new(Semaphore::new(processors)),
        };
        found.check(languages)?;
        Ok(found)
    }

    /// Whether these languages are installed; the error names those that are.
    pub fn check(&self, languages: &[String]) -> Result<(), String> {
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

    /// How many pages are recognised at once.
    pub fn slots(&self) -> usize {
        self.slots.available_permits().max(1)
    }

    /// Recognises a PNG picture of a page. `scale` is points for each pixel. The error is for the
    /// log: the page then stays a picture.
    pub async fn recognise(
        &self,
        reader: &Path,
        limits: Limits,
        png: &[u8],
        scale: f32,
        languages: &[String],
    ) -> Result<Recognised, String> {
        let languages = if languages.is_empty() {
            &self.default
        } else {
            languages
        };
        self.check(languages)?;
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
        let laid_out = tokio::task::spawn_blocking(move || lay_out(&read_table(&table, scale)));
        laid_out.await.map_err(|cause| cause.to_string())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the reader's supervisor, which starts the one program that may read files"
)]
async fn run(reader: &Path, request: &Request, png: &[u8]) -> Result<String, String> {
    let failed = |cause: std::io::Error| cause.to_string();
    let request = serde_json::to_string(request).map_err(|cause| cause.to_string())?;
    let mut child = tokio::process::Command::new(reader)
        .env_clear()
        .env(REQUEST, request)
        .current_dir("/")
        .stdin(Stdio::from(in_memory(png).map_err(failed)?))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let output = child.stdout.take().ok_or("the recogniser has no output")?;
    let mut table = String::new();
    let mut output = output.take(TABLE_BYTES);
    let reading = async {
        output.read_to_string(&mut table).await?;
        child.wait().await
    };
    let status = tokio::time::timeout(PATIENCE, reading)
        .await
        .map_err(|_elapsed| format!("the recogniser took longer than {} s", PATIENCE.as_secs()))?
        .map_err(failed)?;
    if status.success() {
        Ok(table)
    } else {
        Err(format!("the recogniser ended with {status}"))
    }
}

/// A file that is nowhere on the disk.
fn in_memory(bytes: &[u8]) -> std::io::Result<File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::memfd_create("page", flags)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// A word as tesseract found it, with its place in points.
#[derive(Clone, Debug)]
struct Found {
    text: String,
    rect: Rect,
    /// Percent.
    confidence: f32,
    line: (u32, u32, u32),
}

/// Reads tesseract's TSV: `level page block par line word left top width height conf text`.
fn read_table(table: &str, scale: f32) -> Vec<Found> {
    table.lines().filter_map(|line| word(line, scale)).collect()
}

fn word(line: &str, scale: f32) -> Option<Found> {
    let fields: Vec<&str> = line.splitn(12, '\t').collect();
    let [
        "5",
        _page,
        block,
        paragraph,
        line,
        _word,
        left,
        top,
        width,
        height,
        confidence,
        text,
    ] = fields.as_slice()
    else {
        return None;
    };
    let number = |field: &str| field.parse::<u32>().ok();
    let points = |field: &str| Some(f32::from(field.parse::<u16>().ok()?) * scale);
    let (x0, y0) = (points(left)?, points(top)?);
    let rect = Rect {
        x0,
        y0,
        x1: x0 + points(width)?,
        y1: y0 + points(height)?,
    };
    let confidence = confidence.parse().ok().filter(|c: &f32| *c >= LEAST)?;
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let text: String = text.split_whitespace().collect();
    (!text.is_empty()).then_some(Found {
        text,
        rect,
        confidence,
        line: (number(block)?, number(paragraph)?, number(line)?),
    })
}

fn lay_out(found: &[Found]) -> Recognised {
    let placed = placed(found);
    let (mut content, styles) = blocks::page_text(order::in_order(rows::pieces(placed)));
    content.doubtful = doubtful(&content, found);
    Recognised { content, styles }
}

/// The words with the way they are turned and the size of their line.
fn placed(found: &[Found]) -> Vec<PlacedWord> {
    let mut lines: BTreeMap<(u32, u32, u32), Vec<&Found>> = BTreeMap::new();
    for word in found {
        lines.entry(word.line).or_default().push(word);
    }
    let turn = usual_turn(lines.values());
    let heights: Vec<f32> = lines.values().map(|line| height(line, turn)).collect();
    let usual = median(heights);
    let size_of = |line: &[&Found]| {
        let height = height(line, turn);
        // A line without tall letters, or with a stray speck, is no smaller or larger for that.
        let alike = (0.65 * usual..1.45 * usual).contains(&height);
        if alike { usual } else { height }
    };
    let sizes: BTreeMap<_, f32> = lines
        .iter()
        .map(|(line, words)| (*line, size_of(words)))
        .collect();
    found
        .iter()
        .map(|word| PlacedWord {
            text: word.text.clone(),
            rect: word.rect,
            frame: turn.frame(word.rect),
            turn,
            size: sizes.get(&word.line).copied().unwrap_or(usual),
            bold: false,
        })
        .collect()
}

/// The way most lines run, from the first word to the last: a page may be scanned on its side.
fn usual_turn<'a>(lines: impl Iterator<Item = &'a Vec<&'a Found>>) -> Turn {
    let centre = |r: Rect| (f32::midpoint(r.x0, r.x1), f32::midpoint(r.y0, r.y1));
    let (mut along_x, mut along_y) = (0.0, 0.0);
    for line in lines {
        if let [first, .., last] = line.as_slice() {
            let ((x0, y0), (x1, y1)) = (centre(first.rect), centre(last.rect));
            along_x += x1 - x0;
            along_y += y1 - y0;
        }
    }
    match along_x.abs() >= along_y.abs() {
        true if along_x >= 0.0 => Turn::Upright,
        true => Turn::Over,
        false if along_y >= 0.0 => Turn::Down,
        false => Turn::Up,
    }
}

fn height(line: &[&Found], turn: Turn) -> f32 {
    median(
        line.iter()
            .map(|word| turn.frame(word.rect).height())
            .collect(),
    )
}

fn median(mut numbers: Vec<f32>) -> f32 {
    numbers.sort_by(f32::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(10.0)
}

/// Where the page's text is doubtful.
fn doubtful(content: &PageText, found: &[Found]) -> Vec<ByteRange> {
    let unsure: Vec<Rect> = found
        .iter()
        .filter(|word| word.confidence < DOUBTFUL)
        .map(|word| word.rect)
        .collect();
    let words = content.words.iter();
    words
        .filter(|word| unsure.contains(&word.rect))
        .map(|word| word.range)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n\
        4\t1\t1\t1\t1\t0\t100\t100\t900\t40\t-1\t\n\
        5\t1\t1\t1\t1\t1\t100\t100\t200\t40\t96.1\tParacetamol\n\
        5\t1\t1\t1\t1\t2\t320\t100\t40\t40\t41.0\t1g\n\
        5\t1\t1\t1\t1\t3\t380\t100\t10\t40\t3.0\t~\n\
        5\t1\t1\t1\t2\t1\t100\t150\t200\t40\t95.0\tevery\n\
        5\t1\t1\t1\t2\t2\t320\t150\t40\t40\t95.0\t6\n\
        5\tbroken\n";

    #[test]
    fn words_become_text_with_places_and_doubts() {
        let page = lay_out(&read_table(TABLE, 0.24));
        assert_eq!(page.content.text, "Paracetamol 1g every 6");
        let doubts: Vec<_> = page
            .content
            .doubtful
            .iter()
            .map(|range| range.of(&page.content.text).unwrap())
            .collect();
        assert_eq!(doubts, ["1g"], "and the speck is left out");
        let first = page.content.words.first().unwrap().rect;
        assert_eq!((first.x0, first.y1), (24.0, 33.6));
    }

    #[test]
    fn a_page_on_its_side_is_read_along_its_lines() {
        let turned = "5\t1\t1\t1\t1\t1\t500\t900\t40\t200\t95\tParacetamol\n\
                      5\t1\t1\t1\t1\t2\t500\t780\t40\t100\t95\tevery\n\
                      5\t1\t1\t1\t2\t1\t560\t900\t40\t200\t95\tsix\n\
                      5\t1\t1\t1\t2\t2\t560\t780\t40\t100\t95\thours\n";
        let page = lay_out(&read_table(turned, 0.24));
        assert_eq!(page.content.text, "Paracetamol every six hours");
    }
}
