//! Scanned pages as PNG, JPEG, TIFF or BMP. They contain no text. Their text is recognised from the
//! picture that this module renders.

use super::{Failure, Format, Picture, ReadOptions, Resolution, Sink, Source};
use crate::formats::common::png::encode_rgb;
use crate::wire::{Info, Notes, PageFrame, Refusal};
use cloister_domain::{Page, PageText};
use image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage};
use std::io::Cursor;
use tiff::ColorType;
use tiff::decoder::DecodingResult;

/// The long side of A4 in points. Every scanned page is assumed to have this length.
const A4_LONG_SIDE: f32 = 842.0;
/// Maximum width and height in pixels.
const MAX_SIDE: u32 = 20_000;
/// Maximum memory for decoding.
const MAX_BYTES: u64 = 512 << 20;
/// Maximum number of pages in a TIFF.
const MAX_PAGES: usize = 2_000;

/// Scanned pages.
pub const FORMAT: Format = Format {
    name: "image",
    label: "scanned pages (TIFF, JPEG, PNG, BMP)",
    matches,
    extract,
    render_page: Some(render_page),
};

fn matches(source: &Source) -> bool {
    detect_kind(source).is_some()
}

fn extract(source: &Source, options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let sizes = match detect_kind(source) {
        Some(PictureKind::Tiff) => tiff_sizes(source)?,
        _ => vec![oriented_size(source)?],
    };
    sink.info(Info {
        format: FORMAT.name.to_owned(),
        pages: u32::try_from(sizes.len()).unwrap_or(u32::MAX),
        ..Info::default()
    })?;
    for (number, size) in (1_u32..).zip(sizes) {
        if number >= options.first_page {
            sink.page(blank_page(number, size))?;
        }
    }
    Ok(())
}

fn render_page(source: &Source, page: u32, resolution: Resolution) -> Result<Picture, Failure> {
    let picture = match detect_kind(source) {
        Some(PictureKind::Tiff) => tiff_page(source, page)?,
        _ if page == 1 => decode_picture(source)?,
        _ => return Err(Refusal::NoSuchPage(page).into()),
    };
    let (width, height) = size_in_points((picture.width(), picture.height()));
    let wanted = resolution.dpi.clamp(10, 600) as f32 / 72.0;
    let scale = wanted.min((resolution.max_pixels as f32 / (width * height).max(1.0)).sqrt());
    let (wide, high) = (to_pixels(width * scale), to_pixels(height * scale));
    let scaled = picture.resize_exact(wide, high, image::imageops::FilterType::Triangle);
    let rgb = scaled.to_rgb8();
    let png = encode_rgb(rgb.width(), rgb.height(), rgb.as_raw())
        .map_err(|cause| Failure::damaged(format!("its picture cannot be drawn ({cause})")))?;
    Ok(Picture {
        width: rgb.width(),
        height: rgb.height(),
        png,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded on both sides"
)]
fn to_pixels(length: f32) -> u32 {
    length.round().clamp(1.0, MAX_SIDE as f32) as u32
}

/// Width and height of a picture in pixels, or `None` if the bytes are not a picture that is read.
pub fn size_of_picture(bytes: &[u8]) -> Option<(u32, u32)> {
    let source = Source::new(bytes.to_vec(), "");
    match detect_kind(&source)? {
        PictureKind::Tiff => tiff_sizes(&source).ok()?.first().copied(),
        PictureKind::Other(_) => oriented_size(&source).ok(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PictureKind {
    Tiff,
    Other(image::ImageFormat),
}

fn detect_kind(source: &Source) -> Option<PictureKind> {
    let head = source.head(4);
    if head == b"II*\0" || head == b"MM\0*" {
        return Some(PictureKind::Tiff);
    }
    let format = if head == b"\x89PNG" {
        image::ImageFormat::Png
    } else if head.starts_with(b"\xFF\xD8\xFF") {
        image::ImageFormat::Jpeg
    } else if head.starts_with(b"BM") && has_bitmap_header(source) {
        image::ImageFormat::Bmp
    } else {
        return None;
    };
    Some(PictureKind::Other(format))
}

/// Two letters are a weak signature, so the length of the following header is checked too.
fn has_bitmap_header(source: &Source) -> bool {
    let length = source.bytes.get(14..18);
    matches!(length, Some([12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0]))
}

fn blank_page(number: u32, pixels: (u32, u32)) -> PageFrame {
    let (width, height) = size_in_points(pixels);
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

/// The page size in points. The resolution of pictures is often wrong, so the length of A4 is
/// assumed.
fn size_in_points((width, height): (u32, u32)) -> (f32, f32) {
    let scale = A4_LONG_SIDE / width.max(height).max(1) as f32;
    (width as f32 * scale, height as f32 * scale)
}

fn damaged(cause: impl std::fmt::Display) -> Failure {
    Failure::damaged(format!("its picture cannot be read ({cause})"))
}

fn check_size((width, height): (u32, u32)) -> Result<(u32, u32), Failure> {
    let pixels = u64::from(width) * u64::from(height);
    if width > MAX_SIDE || height > MAX_SIDE || pixels * 4 > MAX_BYTES {
        return Err(Refusal::Inflates.into());
    }
    Ok((width, height))
}

fn open_decoder(source: &Source) -> Result<impl ImageDecoder + '_, Failure> {
    let Some(PictureKind::Other(format)) = detect_kind(source) else {
        return Err(damaged("of an unknown kind"));
    };
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
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
    check_size(decoder.dimensions())?;
    Ok(decoder)
}

/// The size in pixels after applying the orientation that a camera recorded.
fn oriented_size(source: &Source) -> Result<(u32, u32), Failure> {
    use image::metadata::Orientation;
    let mut decoder = open_decoder(source)?;
    let (width, height) = decoder.dimensions();
    let is_rotated = matches!(
        decoder.orientation(),
        Ok(Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH)
    );
    Ok(if is_rotated {
        (height, width)
    } else {
        (width, height)
    })
}

fn decode_picture(source: &Source) -> Result<DynamicImage, Failure> {
    let mut decoder = open_decoder(source)?;
    let orientation = decoder.orientation().ok();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    if let Some(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    Ok(picture)
}

type Tiff<'a> = tiff::decoder::Decoder<Cursor<&'a [u8]>>;

fn open_tiff(source: &Source) -> Result<Tiff<'_>, Failure> {
    let mut limits = tiff::decoder::Limits::default();
    limits.decoding_buffer_size = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX);
    limits.intermediate_buffer_size = limits.decoding_buffer_size;
    let decoder = Tiff::new(Cursor::new(source.bytes.as_slice())).map_err(damaged)?;
    Ok(decoder.with_limits(limits))
}

/// The size of each page. A damaged page ends the file, because the decoder cannot skip it.
fn tiff_sizes(source: &Source) -> Result<Vec<(u32, u32)>, Failure> {
    let mut decoder = open_tiff(source)?;
    let mut sizes = vec![check_size(decoder.dimensions().map_err(damaged)?)?];
    while decoder.more_images() && sizes.len() < MAX_PAGES {
        decoder.next_image().map_err(damaged)?;
        sizes.push(check_size(decoder.dimensions().map_err(damaged)?)?);
    }
    Ok(sizes)
}

fn tiff_page(source: &Source, page: u32) -> Result<DynamicImage, Failure> {
    let mut decoder = open_tiff(source)?;
    for _before in 1..page {
        if !decoder.more_images() {
            return Err(Refusal::NoSuchPage(page).into());
        }
        decoder.next_image().map_err(damaged)?;
    }
    let (width, height) = check_size(decoder.dimensions().map_err(damaged)?)?;
    let colour = decoder.colortype().map_err(damaged)?;
    let decoded = decoder.read_image().map_err(damaged)?;
    let samples: Vec<u8> = if let DecodingResult::U8(samples) = decoded {
        samples
    } else if let DecodingResult::U16(samples) = decoded {
        samples.iter().map(|s| s.to_be_bytes()[0]).collect()
    } else {
        return Err(damaged("its samples are not whole numbers of 1 to 16 bits"));
    };
    let rgb = convert_to_rgb(width, colour, &samples).ok_or_else(|| {
        damaged(format!(
            "its colours are of a kind that is not read: {colour:?}"
        ))
    })?;
    RgbImage::from_raw(width, height, rgb)
        .map(DynamicImage::ImageRgb8)
        .ok_or_else(|| damaged("it is cut short"))
}

/// Converts the samples of a TIFF to red, green and blue. Returns `None` for colour types that
/// scanners do not produce.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "there are many kinds of colour, and these are the ones that scanners make"
)]
fn convert_to_rgb(width: u32, colour: ColorType, samples: &[u8]) -> Option<Vec<u8>> {
    let rgb = match colour {
        ColorType::Gray(bits @ (1 | 2 | 4)) => unpack_levels(width, bits, samples)
            .flat_map(|level| [level; 3])
            .collect(),
        ColorType::Gray(8 | 16) => samples.iter().flat_map(|level| [*level; 3]).collect(),
        ColorType::GrayA(8 | 16) => {
            let pixels = samples.as_chunks::<2>().0.iter();
            pixels.flat_map(|[level, _]| [*level; 3]).collect()
        }
        ColorType::RGB(8 | 16) => samples.to_vec(),
        ColorType::RGBA(8 | 16) => {
            let pixels = samples.as_chunks::<4>().0.iter();
            pixels.flat_map(|[r, g, b, _]| [*r, *g, *b]).collect()
        }
        ColorType::CMYK(8) => samples
            .as_chunks()
            .0
            .iter()
            .copied()
            .flat_map(cmyk_to_rgb)
            .collect(),
        _ => return None,
    };
    Some(rgb)
}

/// Unpacks levels of fewer than 8 bits. Every row starts with a new byte.
fn unpack_levels(width: u32, bits: u8, samples: &[u8]) -> impl Iterator<Item = u8> {
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

fn cmyk_to_rgb(cmyk: [u8; 4]) -> [u8; 3] {
    let [cyan, magenta, yellow, black] = cmyk.map(|ink| 255 - u16::from(ink));
    [cyan, magenta, yellow].map(|part| u8::try_from(part * black / 255).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_levels_are_spread_row_by_row() {
        let levels: Vec<u8> = unpack_levels(3, 1, &[0b1010_0000, 0b0110_0000]).collect();
        assert_eq!(levels, [255, 0, 255, 0, 255, 255]);
        let levels: Vec<u8> = unpack_levels(3, 4, &[0x0F, 0x80]).collect();
        assert_eq!(levels, [0, 255, 136]);
    }

    #[test]
    fn a_text_that_starts_like_a_bitmap_is_not_a_bitmap() {
        let text = Source::new(b"BMI is weight by height squared".to_vec(), "bmi.txt");
        assert!(detect_kind(&text).is_none());
    }
}
