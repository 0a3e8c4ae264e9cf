//! Pictures of pages: PNG, JPEG, TIFF and BMP. They hold no text; what they show is recognised
//! from the picture that this module draws.

use super::pdf::draw::encode;
use super::{Failure, Format, Picture, Sink, Source};
use crate::wire::{Info, Notes, PageFrame, Refusal};
use cloister_domain::{Page, PageText};
use image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage};
use std::io::Cursor;
use tiff::ColorType;
use tiff::decoder::DecodingResult;

/// Pictures of pages.
#[derive(Debug)]
pub struct Image;

/// The longest side of a page whose picture does not say how large it is: that of A4, in points.
const LONGEST_SIDE: f32 = 842.0;
/// The widest and highest picture that is read.
const MOST_SIDE: u32 = 20_000;
/// The most that decoding may take.
const MOST_BYTES: u64 = 512 << 20;
/// The most pages of one TIFF.
const MOST_PAGES: usize = 2_000;

impl Format for Image {
    fn name(&self) -> &'static str {
        "image"
    }

    fn label(&self) -> &'static str {
        "scanned pages (TIFF, JPEG, PNG, BMP)"
    }

    fn recognises(&self, source: &Source) -> bool {
        kind(source).is_some()
    }

    fn read(
        &self,
        source: &Source,
        from_page: u32,
        _structure: bool,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let sizes = match kind(source) {
            Some(Kind::Tiff) => tiff_sizes(source)?,
            _ => vec![size(source)?],
        };
        sink.info(Info {
            format: self.name().to_owned(),
            pages: u32::try_from(sizes.len()).unwrap_or(u32::MAX),
            ..Info::default()
        })?;
        for (number, size) in (1_u32..).zip(sizes) {
            if number >= from_page {
                sink.page(blank(number, size))?;
            }
        }
        Ok(())
    }

    fn draw(&self, source: &Source, page: u32, dpi: u32, pixels: u32) -> Result<Picture, Failure> {
        let picture = match kind(source) {
            Some(Kind::Tiff) => tiff_page(source, page)?,
            _ if page == 1 => picture(source)?,
            _ => return Err(Refusal::NoSuchPage(page).into()),
        };
        let (width, height) = in_points((picture.width(), picture.height()));
        let wanted = dpi.clamp(10, 600) as f32 / 72.0;
        let scale = wanted.min((pixels as f32 / (width * height).max(1.0)).sqrt());
        let side = |points: f32| pixels_of(points * scale);
        let filter = image::imageops::FilterType::Triangle;
        let scaled = picture.resize_exact(side(width), side(height), filter);
        let rgb = scaled.to_rgb8();
        let png = encode(rgb.width(), rgb.height(), rgb.as_raw())
            .map_err(|cause| Refusal::Damaged(format!("its picture cannot be drawn ({cause})")))?;
        Ok(Picture {
            width: rgb.width(),
            height: rgb.height(),
            png,
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded on both sides"
)]
fn pixels_of(length: f32) -> u32 {
    length.round().clamp(1.0, MOST_SIDE as f32) as u32
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tiff,
    Other(image::ImageFormat),
}

fn kind(source: &Source) -> Option<Kind> {
    let head = source.head(4);
    if head == b"II*\0" || head == b"MM\0*" {
        return Some(Kind::Tiff);
    }
    let other = |format| Some(Kind::Other(format));
    if head == b"\x89PNG" {
        other(image::ImageFormat::Png)
    } else if head.starts_with(b"\xFF\xD8\xFF") {
        other(image::ImageFormat::Jpeg)
    } else if head.starts_with(b"BM") && has_bitmap_header(source) {
        other(image::ImageFormat::Bmp)
    } else {
        None
    }
}

/// Two letters are not much of a sign: the length of the header that follows is.
fn has_bitmap_header(source: &Source) -> bool {
    let length = source.bytes.get(14..18);
    matches!(length, Some([12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0]))
}

fn blank(number: u32, pixels: (u32, u32)) -> PageFrame {
    let (width, height) = in_points(pixels);
    PageFrame {
        page: Page {
            number,
            width,
            height,
            content: PageText::default(),
        },
        styles: Vec::new(),
        notes: Notes {
            pictured: true,
            ..Notes::default()
        },
    }
}

/// A picture's resolution is wrong as often as it is right, so a page is taken to be as long as A4.
fn in_points((width, height): (u32, u32)) -> (f32, f32) {
    let scale = LONGEST_SIDE / width.max(height).max(1) as f32;
    (width as f32 * scale, height as f32 * scale)
}

fn damaged(cause: impl std::fmt::Display) -> Failure {
    Refusal::Damaged(format!("its picture cannot be read ({cause})")).into()
}

fn check((width, height): (u32, u32)) -> Result<(u32, u32), Failure> {
    let pixels = u64::from(width) * u64::from(height);
    if width > MOST_SIDE || height > MOST_SIDE || pixels * 4 > MOST_BYTES {
        return Err(Refusal::Inflates.into());
    }
    Ok((width, height))
}

fn decoder(source: &Source) -> Result<impl ImageDecoder + '_, Failure> {
    let Some(Kind::Other(format)) = kind(source) else {
        return Err(damaged("of an unknown kind"));
    };
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_SIDE);
    limits.max_image_height = Some(MOST_SIDE);
    limits.max_alloc = Some(MOST_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(&source.bytes), format);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|cause| {
        let beyond = matches!(cause, image::ImageError::Limits(_));
        if beyond {
            Refusal::Inflates.into()
        } else {
            damaged(cause)
        }
    })?;
    check(decoder.dimensions())?;
    Ok(decoder)
}

/// The size in pixels as the picture is to be looked at: a telephone notes how it was held.
fn size(source: &Source) -> Result<(u32, u32), Failure> {
    use image::metadata::Orientation;
    let mut decoder = decoder(source)?;
    let (width, height) = decoder.dimensions();
    let turned = matches!(
        decoder.orientation(),
        Ok(Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH)
    );
    Ok(if turned {
        (height, width)
    } else {
        (width, height)
    })
}

fn picture(source: &Source) -> Result<DynamicImage, Failure> {
    let mut decoder = decoder(source)?;
    let orientation = decoder.orientation().ok();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    if let Some(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    Ok(picture)
}

type Tiff<'a> = tiff::decoder::Decoder<Cursor<&'a [u8]>>;

fn tiff(source: &Source) -> Result<Tiff<'_>, Failure> {
    let mut limits = tiff::decoder::Limits::default();
    limits.decoding_buffer_size = usize::try_from(MOST_BYTES).unwrap_or(usize::MAX);
    limits.intermediate_buffer_size = limits.decoding_buffer_size;
    let decoder = Tiff::new(Cursor::new(source.bytes.as_slice())).map_err(damaged)?;
    Ok(decoder.with_limits(limits))
}

/// The size of each page. A damaged page ends the file for this reader: there is no way past it.
fn tiff_sizes(source: &Source) -> Result<Vec<(u32, u32)>, Failure> {
    let mut decoder = tiff(source)?;
    let mut sizes = vec![check(decoder.dimensions().map_err(damaged)?)?];
    while decoder.more_images() && sizes.len() < MOST_PAGES {
        decoder.next_image().map_err(damaged)?;
        sizes.push(check(decoder.dimensions().map_err(damaged)?)?);
    }
    Ok(sizes)
}

fn tiff_page(source: &Source, page: u32) -> Result<DynamicImage, Failure> {
    let mut decoder = tiff(source)?;
    for _before in 1..page {
        if !decoder.more_images() {
            return Err(Refusal::NoSuchPage(page).into());
        }
        decoder.next_image().map_err(damaged)?;
    }
    let (width, height) = check(decoder.dimensions().map_err(damaged)?)?;
    let colour = decoder.colortype().map_err(damaged)?;
    let decoded = decoder.read_image().map_err(damaged)?;
    let samples: Vec<u8> = if let DecodingResult::U8(samples) = decoded {
        samples
    } else if let DecodingResult::U16(samples) = decoded {
        samples.iter().map(|s| s.to_be_bytes()[0]).collect()
    } else {
        return Err(damaged("its samples are not whole numbers of 1 to 16 bits"));
    };
    let rgb = to_rgb(width, colour, &samples).ok_or_else(|| {
        damaged(format!(
            "its colours are of a kind that is not read: {colour:?}"
        ))
    })?;
    RgbImage::from_raw(width, height, rgb)
        .map(DynamicImage::ImageRgb8)
        .ok_or_else(|| damaged("it is cut short"))
}

/// Red, green and blue from whatever a TIFF holds; `None` for what a scanner does not make.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "there are many kinds of colour, and these are the ones that scanners make"
)]
fn to_rgb(width: u32, colour: ColorType, samples: &[u8]) -> Option<Vec<u8>> {
    let grey = |level: u8| [level; 3];
    let grey_of = |[level, _]: &[u8; 2]| [*level; 3];
    let colour_of = |[red, green, blue, _]: &[u8; 4]| [*red, *green, *blue];
    let rgb = match colour {
        ColorType::Gray(bits @ (1 | 2 | 4)) => {
            unpack(width, bits, samples).flat_map(grey).collect()
        }
        ColorType::Gray(8 | 16) => samples.iter().copied().flat_map(grey).collect(),
        ColorType::GrayA(8 | 16) => samples.as_chunks().0.iter().flat_map(grey_of).collect(),
        ColorType::RGB(8 | 16) => samples.to_vec(),
        ColorType::RGBA(8 | 16) => samples.as_chunks().0.iter().flat_map(colour_of).collect(),
        ColorType::CMYK(8) => samples
            .as_chunks()
            .0
            .iter()
            .copied()
            .flat_map(from_ink)
            .collect(),
        _ => return None,
    };
    Some(rgb)
}

/// Levels of fewer than 8 bits, packed in bytes; every row begins with a new byte.
fn unpack(width: u32, bits: u8, samples: &[u8]) -> impl Iterator<Item = u8> {
    let (width, bits) = (width as usize, usize::from(bits));
    let row_bytes = (width * bits).div_ceil(8).max(1);
    let most = (1_u16 << bits) - 1;
    samples.chunks(row_bytes).flat_map(move |row| {
        (0..width).map(move |x| {
            let byte = row.get(x * bits / 8).copied().unwrap_or_default();
            let shift = 8 - bits - (x * bits) % 8;
            let level = (u16::from(byte) >> shift) & most;
            u8::try_from(level * 255 / most).unwrap_or(u8::MAX)
        })
    })
}

fn from_ink(cmyk: [u8; 4]) -> [u8; 3] {
    let [cyan, magenta, yellow, black] = cmyk.map(|ink| 255 - u16::from(ink));
    [cyan, magenta, yellow].map(|part| u8::try_from(part * black / 255).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_levels_are_spread_row_by_row() {
        let levels: Vec<u8> = unpack(3, 1, &[0b1010_0000, 0b0110_0000]).collect();
        assert_eq!(levels, [255, 0, 255, 0, 255, 255]);
        let levels: Vec<u8> = unpack(3, 4, &[0x0F, 0x80]).collect();
        assert_eq!(levels, [0, 255, 136]);
    }

    #[test]
    fn a_text_that_begins_like_a_bitmap_is_none() {
        let text = Source::new(b"BMI is weight by height squared".to_vec(), "bmi.txt");
        assert!(kind(&text).is_none());
    }
}
