//! Products of float matrices in slices, by the crate `gemm`, on the calling thread.

/// A matrix inside a slice.
#[derive(Clone, Copy)]
pub struct MatrixView<'a> {
    // INVARIANT: every element that the shape and strides reach lies inside `data`.
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> MatrixView<'a> {
    /// `rows` rows of `cols` contiguous elements, `row_stride` apart.
    ///
    /// # Panics
    ///
    /// If the shapes do not match.
    pub fn from_rows(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(required_length(rows, cols, row_stride) <= data.len());
        Self {
            data,
            rows,
            cols,
            row_stride,
            col_stride: 1,
        }
    }
}

const fn required_length(rows: usize, cols: usize, row_stride: usize) -> usize {
    match rows {
        0 => 0,
        _ => (rows - 1) * row_stride + cols,
    }
}

/// The destination of a product: rows `row_stride` apart in `data`.
pub struct MatrixTarget<'a> {
    /// The elements.
    pub data: &'a mut [f32],
    /// Distance between rows.
    pub row_stride: usize,
    /// Whether the product is added to the present elements.
    pub add: bool,
}

/// `target (+)= scale · left · right` on one thread. Shapes `[m, k] · [k, n]`.
///
/// # Panics
///
/// If the shapes do not match.
pub fn matmul(
    target: &mut MatrixTarget<'_>,
    scale: f32,
    left: MatrixView<'_>,
    right: MatrixView<'_>,
) {
    assert!(left.cols == right.rows);
    assert!(required_length(left.rows, right.cols, target.row_stride) <= target.data.len());
    assert!(right.cols <= target.row_stride || left.rows <= 1);
    #[expect(
        unsafe_code,
        reason = "gemm takes pointers; the shapes are checked above"
    )]
    // SAFETY: `MatrixView` guarantees that its elements are inside its slice. The assertions above
    // guarantee the same for the target, and that its rows do not overlap. The borrows guarantee
    // that the target is not read through a view.
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

/// A row-major matrix that several threads fill, each of them its own columns.
pub struct OutputColumns {
    start: *mut f32,
    row_stride: usize,
}

#[expect(
    unsafe_code,
    reason = "threads write disjoint columns of one row-major matrix"
)]
// SAFETY: only `PackedWeights::add_panels` uses the pointer, and its caller promises disjoint
// columns.
unsafe impl Send for OutputColumns {}
#[expect(
    unsafe_code,
    reason = "threads write disjoint columns of one row-major matrix"
)]
// SAFETY: as above.
unsafe impl Sync for OutputColumns {}

impl OutputColumns {
    /// A matrix of rows that are `row_stride` long.
    pub fn new(data: &mut [f32], row_stride: usize) -> Self {
        Self {
            start: data.as_mut_ptr(),
            row_stride,
        }
    }

    /// The same matrix from this column on.
    #[must_use]
    pub fn starting_at(&self, column: usize) -> Self {
        Self {
            start: self.start.wrapping_add(column),
            row_stride: self.row_stride,
        }
    }

    /// The element at this row and column.
    pub(super) fn cursor(&self, row: usize, column: usize) -> OutputCursor {
        OutputCursor {
            start: self.start.wrapping_add(row * self.row_stride + column),
            row_stride: self.row_stride,
        }
    }
}

/// An element of an [`OutputColumns`], from which the elements below it can be reached.
#[derive(Clone, Copy)]
pub(super) struct OutputCursor {
    start: *mut f32,
    row_stride: usize,
}

impl OutputCursor {
    /// The element `rows` below. It may only be accessed inside the matrix.
    pub(super) fn row(self, rows: usize) -> *mut f32 {
        self.start.wrapping_add(rows * self.row_stride)
    }

    /// The cursor `rows` below.
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
    left: MatrixView<'_>,
    right: MatrixView<'_>,
) {
    // SAFETY: the caller promises that target, left and right are in bounds.
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
