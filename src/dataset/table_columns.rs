//! Columns that several tables of faces share.

use crate::preprocess::Landmarks;
use crate::table::{Kind, TableColumn};

const NO_BOX: &str = "without a box: the whole picture is the face";

pub(super) const X1: TableColumn = edge("bbox_x1", "Left edge of the face's box, from the picture's left edge");
pub(super) const Y1: TableColumn = edge("bbox_y1", "Upper edge of the face's box, from the picture's upper edge");
pub(super) const X2: TableColumn = edge("bbox_x2", "Right edge of the face's box, from the picture's left edge");
pub(super) const Y2: TableColumn = edge("bbox_y2", "Lower edge of the face's box, from the picture's upper edge");

pub(super) const SCORE: TableColumn =
    TableColumn::new("detector_score", Kind::F32, "The detector's confidence, as recorded; usually from 0 to 1")
        .missing("where none was recorded");

/// The five points, two numbers each.
pub(super) const LANDMARKS: [TableColumn; 10] = [
    landmark(0, "Left eye, as one sees it in the picture: from the picture's left edge"),
    landmark(1, "The same point, from the picture's upper edge"),
    landmark(2, "Right eye, from the picture's left edge"),
    landmark(3, "The same point, from the picture's upper edge"),
    landmark(4, "Tip of the nose, from the picture's left edge"),
    landmark(5, "The same point, from the picture's upper edge"),
    landmark(6, "Left corner of the mouth, from the picture's left edge"),
    landmark(7, "The same point, from the picture's upper edge"),
    landmark(8, "Right corner of the mouth, from the picture's left edge"),
    landmark(9, "The same point, from the picture's upper edge"),
];

const fn edge(name: &'static str, meaning: &'static str) -> TableColumn {
    TableColumn::new(name, Kind::F32, meaning).unit("pixels").missing(NO_BOX)
}

const fn landmark(at: usize, meaning: &'static str) -> TableColumn {
    TableColumn::new(Landmarks::COLUMNS[at], Kind::F32, meaning)
        .unit("pixels")
        .missing("without landmarks")
        .only("if any face has landmarks")
}
