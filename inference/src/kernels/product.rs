//! Products of matrices that lie in slices, by `gemm`, always on the calling thread.

/// A matrix inside a slice.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    // INVARIANT: every element that the shape and strides reach lies inside `data`.
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> View<'a> {
    /// `rows` rows of `cols` neighbouring elements, `row_stride` apart.
    pub(crate) fn rows(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(reach(rows, cols, row_stride) <= data.len());
        Self {
            data,
            rows,
            cols,
            row_stride,
            col_stride: 1,
        }
    }
}

const fn reach(rows: usize, cols: usize, row_stride: usize) -> usize {
    match rows {
        0 => 0,
        _ => (rows - 1) * row_stride + cols,
    }
}

/// Where a product goes: rows `row_stride` apart in `data`.
pub(crate) struct Target<'a> {
    /// The elements.
    pub data: &'a mut [f32],
    /// Distance between rows.
    pub row_stride: usize,
    /// Whether the product is added to what is there.
    pub add: bool,
}

/// `target (+)= scale · left · right` on one thread. Shapes `[m, k] · [k, n]`.
pub(crate) fn matmul(target: &mut Target<'_>, scale: f32, left: View<'_>, right: View<'_>) {
    assert!(left.cols == right.rows);
    assert!(reach(left.rows, right.cols, target.row_stride) <= target.data.len());
    assert!(right.cols <= target.row_stride || left.rows <= 1);
    #[expect(
        unsafe_code,
        reason = "gemm takes pointers; the shapes are checked above"
    )]
    // SAFETY: `View` guarantees that its elements lie in its slice, the assertions above that the
    // target's do and that its rows do not overlap, and the borrows that the target is not read
    // through a view.
    unsafe {
        multiply(
            target.data.as_mut_ptr(),
            target.row_stride,
            target.add,
            scale,
            left,
            right,
        );
    }
}

/// Columns of a shared target that only this caller writes.
pub(crate) struct Columns {
    start: *mut f32,
    row_stride: usize,
}

#[expect(
    unsafe_code,
    reason = "threads write disjoint columns of one row-major matrix"
)]
// SAFETY: the pointer is only used by `Tiles::add_panels`, whose caller promises disjoint columns.
unsafe impl Send for Columns {}
#[expect(
    unsafe_code,
    reason = "threads write disjoint columns of one row-major matrix"
)]
// SAFETY: as above.
unsafe impl Sync for Columns {}

impl Columns {
    pub(crate) fn of(data: &mut [f32], row_stride: usize) -> Self {
        Self {
            start: data.as_mut_ptr(),
            row_stride,
        }
    }

    /// The same target from this column on.
    pub(crate) fn beginning_at(&self, column: usize) -> Self {
        Self {
            start: self.start.wrapping_add(column),
            row_stride: self.row_stride,
        }
    }

    /// The element at this row and column.
    pub(super) fn at(&self, row: usize, column: usize) -> Place {
        Place {
            start: self.start.wrapping_add(row * self.row_stride + column),
            row_stride: self.row_stride,
        }
    }
}

/// An element of a shared target, and the way to those below it.
#[derive(Clone, Copy)]
pub(super) struct Place {
    start: *mut f32,
    row_stride: usize,
}

impl Place {
    /// The element `rows` below, to be used only inside the target.
    pub(super) fn row(self, rows: usize) -> *mut f32 {
        self.start.wrapping_add(rows * self.row_stride)
    }

    /// The place `rows` below.
    pub(super) fn below(self, rows: usize) -> Self {
        Self {
            start: self.row(rows),
            ..self
        }
    }
}

#[expect(unsafe_code, reason = "gemm takes pointers")]
#[expect(
    clippy::cast_possible_wrap,
    reason = "a slice is at most isize::MAX bytes"
)]
unsafe fn multiply(
    target: *mut f32,
    row_stride: usize,
    add: bool,
    scale: f32,
    left: View<'_>,
    right: View<'_>,
) {
    // SAFETY: the callers promise that target, left and right are in bounds.
    unsafe {
        gemm::gemm(
            left.rows,
            right.cols,
            left.cols,
            target,
            1,
            row_stride as isize,
            add,
            left.data.as_ptr(),
            left.col_stride as isize,
            left.row_stride as isize,
            right.data.as_ptr(),
            right.col_stride as isize,
            right.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
